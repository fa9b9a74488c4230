"""How a server is started: of a project's deployments, or of one bundle alone."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.core import Digest
from modelyard.inference import verify_bundle
from modelyard.routing import Arm, Feed, FeedFolder, Route

from .project import Project


def server_command(
    project: Project,
    *,
    supervised: bool = True,
    only: str | None = None,
    host: str | None = None,
    port: int | None = None,
    metrics_port: int | None = None,
    workers: int | None = None,
) -> list[str]:
    """The command of a project's server; what is not given is as in the project file.

    A supervised server ends when its standard input does. `only` names the one deployment it serves.
    """
    settings = project.settings.server
    command = _command(
        {
            "--feed": project.workspace / "feed",
            "--journal": project.journal_folder,
            "--online": project.online_folder,
            "--pepper": project.run_folder / "pepper",
            "--host": host or settings.host,
            "--port": port or settings.port,
            "--metrics-port": metrics_port or settings.metrics_port,
            "--workers": workers or settings.workers,
            "--only": only,
        }
    )
    return [*command, "--exit-with-parent"] if supervised else command


def bundle_command(bundle: Path, workspace: Path, **options: Any) -> list[str]:
    """The command of a server of one bundle, which needs no project: its deployment has the model's name.

    `options` as `--host`, `--port`, `--metrics-port` and `--workers` with underscores; None leaves the default.
    """
    info, digest = verify_bundle(bundle)
    return _alone(bundle, digest, info.model, info.version, workspace, options)


def model_command(project: Project, reference: str, **options: Any) -> list[str]:
    """The command of a server of one version, `name@alias` or `name/version`, apart from all deployments."""
    name, _, which = reference.replace("/", "@").partition("@")
    version = project.models.get(name, which or "production")
    workspace = project.workspace / "serve" / f"{name}-{version.number}"
    folder = workspace / "fetched"
    if not folder.exists():
        project.models.fetch_bundle(version, folder)
    _, digest = verify_bundle(folder, expect=version.bundle)
    return _alone(folder, digest, name, str(version.number), workspace, {"online": project.online_folder, **options})


def _alone(
    bundle: Path, digest: Digest, model: str, version: str, workspace: Path, options: Mapping[str, Any]
) -> list[str]:
    feed = FeedFolder(workspace / "feed")
    feed.put_bundle(bundle, digest)
    arm = Arm("live", "live", version, digest, 1.0)
    feed.publish(Feed(1, (Route(model, model, 1, (arm,), model, reason="served by itself"),)))
    folders = {name: workspace / name for name in ("feed", "journal", "online")}
    given = {name: value for name, value in options.items() if value is not None}
    return _command({f"--{name.replace('_', '-')}": value for name, value in {**folders, **given}.items()})


def _command(options: Mapping[str, object]) -> list[str]:
    words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return [sys.executable, "-m", "modelyard.serving", *words]
