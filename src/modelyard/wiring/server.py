"""How a server is started: of a project's deployments, or of one bundle alone."""

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from modelyard.core import Digest
from modelyard.inference import Trust, add_signatures, admit, verify_bundle
from modelyard.registry import ModelVersion
from modelyard.rollout import trusting, with_parts, withdrawn_in
from modelyard.routing import Arm, Feed, FeedFolder, KeyEntry, Route

from .featured import FeaturedProject
from .settings import ServerSettings

_NONE: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

PEPPER = "pepper"
"""The file of a pepper, in the folder of a server."""

Given: TypeAlias = Mapping[str, Any]
"""Settings of the section `server` that are given on the spot; None stands for those of the file."""


def server_command(
    project: FeaturedProject, given: Given = MappingProxyType({}), *, supervised: bool = True, only: str | None = None
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


def model_command(project: FeaturedProject, reference: str, given: Given) -> list[str]:
    """The command of a server of one version, `name@alias` or `name/version`, apart from all deployments."""
    name, _, which = reference.replace("/", "@").partition("@")
    version = project.models.get(name, which or "production")
    workspace = project.workspace / "serve" / f"{name}-{version.number}"
    folder = workspace / f"fetched-{(project.models.bundle_artifact(version) or 'none')[:16]}"
    if not folder.exists():
        project.models.fetch_bundle(version, folder)
    info, digest = verify_bundle(folder, expect=version.bundle)
    admit(folder, info, digest, project.trust)
    _put_parts(project, with_parts(project.models, version)[:-1], workspace)
    settings = project.settings.server.model_copy(
        update={
            "certificate": _beside(project, project.settings.server.certificate),
            "private_key": _beside(project, project.settings.server.private_key),
            **_told(given),
        }
    )
    online = {"online": project.online_folder, "online_address": project.online_address()}
    return _alone(folder, digest, name, str(version.number), workspace, settings, online, project.trust, project)


def private_command(
    project: FeaturedProject,
    bundle: Path,
    model: str,
    version: str,
    parts: Sequence[ModelVersion],
    workspace: Path,
    keys: Sequence[KeyEntry],
) -> list[str]:
    """The command of a server of one bundle for whoever starts it alone: on free ports of this machine, in a folder of
    its own, ending with its parent. Where it listens, its status says; the deployment has the model's name. `parts` are
    what the bundle rests on. It answers only the holders of these `keys`, made with the pepper in that folder.
    """
    info, digest = verify_bundle(bundle)
    admit(bundle, info, digest, project.trust)
    _put_parts(project, parts, workspace)
    settings = ServerSettings().model_copy(update={"port": 0, "metrics_port": 0, "grpc_port": None})
    pepper = {"pepper": workspace / PEPPER}
    command = _alone(bundle, digest, model, version, workspace, settings, pepper, project.trust, project, keys)
    return [*command, "--exit-with-parent"]


def _put_parts(project: FeaturedProject, parts: Sequence[ModelVersion], workspace: Path) -> None:
    """Let what a version rests on stand beside the feed of a server that is apart."""
    feed = FeedFolder(workspace / "feed")
    for part in parts:
        if part.bundle is not None and not (target := feed.bundle_path(part.bundle)).exists():
            project.models.fetch_bundle(part, target)


def _alone(
    bundle: Path,
    digest: Digest,
    model: str,
    version: str,
    workspace: Path,
    settings: ServerSettings,
    folders: Mapping[str, Path | None],
    trust: Trust,
    project: FeaturedProject | None = None,
    keys: Sequence[KeyEntry] | None = None,
) -> list[str]:
    """`project`: whose upstreams it asks, and what of whose documents is withdrawn. With `keys` it asks for one."""
    feed, declared, withdrawn = FeedFolder(workspace / "feed"), _NONE, dict[str, tuple[str, ...]]()
    if project is not None:
        declared = project.upstreams
        with project.records.snapshot() as view:
            withdrawn = withdrawn_in(view)
    add_signatures(bundle, feed.put_bundle(bundle, digest), digest)
    arm = Arm("live", "live", version, digest, 1.0)
    route = Route(model, model, 1, (arm,), model, reason="served by itself")
    upstreams = {name: dict(each) for name, each in declared.items()}
    known, demanded = tuple(keys or ()), keys is not None
    own_feed = Feed(1, (route,), known, demanded, upstreams=upstreams, withdrawn=withdrawn)
    feed.publish(trusting(own_feed, trust))
    own = {name: workspace / name for name in ("feed", "journal", "online")}
    return _command({**own, **folders, **settings.model_dump()})


def _beside(project: FeaturedProject, file: Path | None) -> Path | None:
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
