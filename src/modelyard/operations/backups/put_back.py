"""Putting a backup back, into a workspace that holds nothing yet: whole, or not at all."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from modelyard.core import Digest
from modelyard.storage import Document, Entry, Labelled, RecordStore, open_record_store
from modelyard.tracking import relocate
from modelyard.wiring import Project

from .archive import Listing, extract, read_listing
from .errors import BackupDamaged, NotRestored
from .take import RECORDS, TRACKING

_KEYS = "keys"


def put_back(project: Project, file: Path) -> Listing:
    """Restore a project's stores from a backup. What a crash leaves beside the workspace, the next restore removes."""
    listing = read_listing(file)
    workspace = project.workspace
    _require_empty(workspace)
    beside = workspace.with_name(f".{workspace.name}.restoring")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        extract(file, listing, beside)
        _require_same_keys(beside / _KEYS, workspace / _KEYS)
        if (beside / TRACKING).is_file():
            relocate(beside / TRACKING, Path(listing.workspace).as_uri(), workspace.resolve().as_uri())
        _put_records(project, beside)
        _put_artifacts(project, beside / "artifacts")
        shutil.rmtree(workspace, ignore_errors=True)
        beside.replace(workspace)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return listing


def _require_empty(workspace: Path) -> None:
    """NOT_RESTORED where anything but keys is; folders in which nothing is do not count."""
    found = sorted(workspace.iterdir()) if workspace.is_dir() else []
    held = [each.name for each in found if each.name != _KEYS and (not each.is_dir() or any(each.iterdir()))]
    if held:
        raise NotRestored(
            f"The workspace {workspace} holds {', '.join(held[:5])}{' and more' if len(held) > 5 else ''}.",
            context={"workspace": str(workspace), "holds": held},
            remedy="Restore beside another modelyard.yaml, or take away what is there: modelyard down --purge.",
        )


def _require_same_keys(taken: Path, here: Path) -> None:
    """A private key is never lost to a restore: those that are here must be those of the backup."""
    for path in sorted(here.rglob("*")) if here.is_dir() else []:
        other = taken / path.relative_to(here)
        if path.is_file() and not (other.is_file() and other.read_bytes() == path.read_bytes()):
            raise NotRestored(
                f"{path} is not a key of the backup, and would be lost.",
                context={"key": str(path)},
                remedy="Move it away first, and back afterwards if it is still wanted.",
            )


def _put_records(project: Project, folder: Path) -> None:
    declared = project.settings.stores.records
    inside = f"sqlite:///{folder / 'records.db'}"
    store = open_record_store(declared.get_secret_value() if declared else inside)
    try:
        store.migrate()
        _fill(store, folder / RECORDS)
    finally:
        store.close()
    (folder / RECORDS).unlink()


def _fill(store: RecordStore, file: Path) -> None:
    if not file.is_file():
        raise BackupDamaged(f"The backup lists no {RECORDS}.", remedy="Take another backup.")
    with store.transaction() as tx:
        tx.fill(_kept(file))


def _kept(file: Path) -> Iterator[Labelled | Entry]:
    decoder = msgspec.json.Decoder()
    with file.open("rb") as stream:
        for line in stream:
            each = decoder.decode(line)
            if "stream" in each:
                yield Entry(each["stream"], each["seq"], each["body"])
            else:
                document = Document(each["kind"], each["key"], each["revision"], each["body"])
                yield Labelled(document, each["labels"])


def _put_artifacts(project: Project, folder: Path) -> None:
    """Where the project keeps its artifacts elsewhere than those of the backup were, they go there."""
    if project.settings.stores.artifacts is None or not folder.is_dir():
        return
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        if not project.artifacts.has(Digest(path.name)):
            project.artifacts.put_file(path)
    shutil.rmtree(folder)
