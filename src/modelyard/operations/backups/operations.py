"""The operations `backup` and `restore`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from modelyard.access import Permission

from ..contract import Call, Option, operation
from ..parts import running
from .archive import Listing
from .errors import NotRestored
from .put_back import put_back
from .take import take


@dataclass(frozen=True)
class Backup:
    """Where a backup goes."""

    output: Annotated[
        Path | None, Option("File to write; by default PROJECT-TIME.backup.tar here.", flag="--output", short="-o")
    ] = None


@dataclass(frozen=True)
class Restore:
    """Which backup comes back."""

    file: Annotated[Path, Option("File that modelyard backup wrote.", positional=True)]


@operation("backup", "", Permission.OPERATE, local=True)
def backup(call: Call[Backup]) -> Any:
    """Write versions, audit record, log, runs, artifacts and keys to one file, while everything runs."""
    project = call.project
    moment = project.clock.now().strftime("%Y%m%dT%H%M%SZ")
    into = call.input.output or Path(f"{project.settings.project}-{moment}.backup.tar")
    told = _told(take(project, into))
    return {"output": str(into), "bytes": into.stat().st_size} | told


@operation("restore", "", Permission.OPERATE, local=True)
def restore(call: Call[Restore]) -> Any:
    """Put a backup back into a project whose workspace is empty."""
    project = call.project
    if found := running(project.run_folder):
        raise NotRestored(
            f"This workspace runs {', '.join(each.name for each in found)}.", remedy="Stop it first: modelyard down"
        )
    listing = put_back(project, call.input.file)
    with project.records.transaction() as tx:
        project.audit.record(tx, call.principal, "workspace restored", listing.project, {"taken_at": listing.taken_at})
    return {"workspace": str(project.workspace)} | _told(listing)


def _told(listing: Listing) -> dict[str, Any]:
    return {
        "project": listing.project,
        "taken_at": listing.taken_at,
        "version": listing.version,
        "files": len(listing.members),
        "records": listing.records,
        "beyond": list(listing.beyond),
    }
