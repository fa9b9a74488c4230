"""How a server is started: of a project's deployments, or of one bundle alone."""

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from modelyard.core import Digest
from modelyard.inference import Trust, add_signatures, admit, verify_bundle
from modelyard.rollout import trusting
from modelyard.routing import Arm, Feed, FeedFolder, Route

from .project import Project
from .settings import ServerSettings

Given: TypeAlias = Mapping[str, Any]
"""Settings of the section `server` that are given on the spot; None stands for those of the file."""


def server_command(
    project: Project, given: Given = MappingProxyType({}), *, supervised: bool = True, only: str | None = None
) -> list[str]:
    """The command of a project's server; what is not `given` is as in the project file's section `server`.

    A supervised server ends when its standard input does. `only` names the one deployment it serves.
    """
    settings = project.settings.server.model_copy(update=_told(given))
    command = _command(
        {
            "feed": project.workspace / "feed",
            "journal": project.journal_folder,
            "online": project.online_folder,
            "online_address": project.online_address(),
            "pepper": project.run_folder / "pepper",
            "only": only,
            **settings.model_dump(),
            "certificate": _beside(project, settings.certificate),
            "private_key": _beside(project, settings.private_key),
        }
    )
    return [*command, "--exit-with-parent"] if supervised else command


def bundle_command(bundle: Path, workspace: Path, given: Given, *, allow_python: Collection[Digest] = ()) -> list[str]:
    """The command of a server of one bundle, which needs no project: its deployment has the model's name.

    `given` as in the section `server` of a project file; None leaves the default. `allow_python` as in
    `load_bundle`.
    """
    info, digest = verify_bundle(bundle)
    trust = Trust(python_bundles=tuple(allow_python))
    admit(bundle, info, digest, trust)
    settings = ServerSettings(**_told(given))
    return _alone(bundle, digest, info.model, info.version, workspace, settings, {}, trust)


def model_command(project: Project, reference: str, given: Given) -> list[str]:
    """The command of a server of one version, `name@alias` or `name/version`, apart from all deployments."""
    name, _, which = reference.replace("/", "@").partition("@")
    version = project.models.get(name, which or "production")
    workspace = project.workspace / "serve" / f"{name}-{version.number}"
    folder = workspace / f"fetched-{(project.models.bundle_artifact(version) or 'none')[:16]}"
    if not folder.exists():
        project.models.fetch_bundle(version, folder)
    info, digest = verify_bundle(folder, expect=version.bundle)
    admit(folder, info, digest, project.trust)
    settings = project.settings.server.model_copy(
        update={
            "certificate": _beside(project, project.settings.server.certificate),
            "private_key": _beside(project, project.settings.server.private_key),
            **_told(given),
        }
    )
    online = {"online": project.online_folder, "online_address": project.online_address()}
    return _alone(folder, digest, name, str(version.number), workspace, settings, online, project.trust)


def _alone(
    bundle: Path,
    digest: Digest,
    model: str,
    version: str,
    workspace: Path,
    settings: ServerSettings,
    folders: Mapping[str, Path | None],
    trust: Trust,
) -> list[str]:
    feed = FeedFolder(workspace / "feed")
    add_signatures(bundle, feed.put_bundle(bundle, digest), digest)
    arm = Arm("live", "live", version, digest, 1.0)
    route = Route(model, model, 1, (arm,), model, reason="served by itself")
    feed.publish(trusting(Feed(1, (route,)), trust))
    own = {name: workspace / name for name in ("feed", "journal", "online")}
    return _command({**own, **folders, **settings.model_dump()})


def _beside(project: Project, file: Path | None) -> Path | None:
    """A file that the project file names, from its folder."""
    return None if file is None else project.file.folder / file


def _told(given: Given) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _command(options: Mapping[str, object]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return [sys.executable, "-m", "modelyard.serving", *words]
