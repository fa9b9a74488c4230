"""Taking a workspace away: what it holds, and nothing beyond it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from modelyard.wiring import Project

from .errors import NotPurged

KEPT = ("keys",)
"""What stays in a workspace: a private key that is lost signs never again."""


@dataclass(frozen=True)
class Purged:
    """What went, by its name in the workspace; what stays, and why."""

    folder: str
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def plan_purge(project: Project) -> Purged:
    """What `purge` would remove, and leave; NotPurged for a workspace that is no folder of the project's own."""
    folder = project.workspace
    _require_own(project, folder)
    found = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    removed = tuple(name for name in found if name not in KEPT)
    return Purged(str(folder), removed, (*(name for name in found if name in KEPT), *_beyond(project)))


def purge(project: Project) -> Purged:
    """Remove the embedded stores of a workspace that nothing runs in; links are removed, and not what they lead to."""
    planned = plan_purge(project)
    project.close()
    for name in planned.removed:
        path = project.workspace / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return planned


def _require_own(project: Project, folder: Path) -> None:
    """The workspace is inside the project's folder, by itself and not by a link, and no part of its sources."""
    home, real = project.file.folder.resolve(), folder.resolve()
    inside = home in real.parents and real == home / folder.relative_to(project.file.folder)
    holds = [each for each in ("modelyard.yaml", ".git") if (real / each).exists()]
    if inside and not holds:
        return
    why = f"it holds {holds[0]}" if holds else "it lies beyond the project's folder"
    raise NotPurged(
        f"The workspace {folder} is not removed: {why}.",
        context={"workspace": str(folder), "project": str(home)},
        remedy="Look at what is there, and remove it yourself.",
    )


def _beyond(project: Project) -> list[str]:
    """The stores that are declared elsewhere: other projects may be using them."""
    stores, real = project.settings.stores, project.workspace.resolve()
    declared = {
        "records": stores.records.get_secret_value() if stores.records else None,
        "artifacts": stores.artifacts,
        "online": stores.online.get_secret_value(),
        "tracking": stores.tracking.get_secret_value() if stores.tracking else None,
        "log": stores.log.get_secret_value() if stores.log else None,
    }
    inside = (None, "local")
    return [f"stores.{name}" for name, where in declared.items() if where not in inside and str(real) not in str(where)]
