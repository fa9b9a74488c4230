"""Taking a backup while everything runs. What refers to something is taken before it, so that nothing is lacking."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

import modelyard
from modelyard.audit import STREAM
from modelyard.core import atomic_write
from modelyard.history import alone
from modelyard.online import copy_local
from modelyard.storage import Entry, Labelled, RecordStore
from modelyard.wiring import Project

from .archive import FORMAT, LISTING, Listing, Taking, taking

RECORDS = "records.jsonl"
TRACKING = "mlflow.db"
CHECKPOINTS = "audit-checkpoints.jsonl"

_LOG = ("journal", "log")
_LEFT_OUT = ("scratch", "serve", "online", "records.db", TRACKING, CHECKPOINTS, *_LOG)
"""What is not taken as files: what is made anew whenever it is needed, and what is taken in a way of its own."""

_ALWAYS = ("run/pepper",)
"""Of the folder `run`, which otherwise tells what runs at the moment: without it no API key is known."""


class _Numbered(msgspec.Struct):
    seq: int


def take(project: Project, into: Path) -> Listing:
    """Write a backup of a project's stores to a file. Nothing waits for it but compaction of the log."""
    workspace = project.workspace
    into.parent.mkdir(parents=True, exist_ok=True)
    with taking(into) as backup, _beside(into) as scratch:
        count, head = _write_records(project.records, scratch / RECORDS)
        backup.add(RECORDS, scratch / RECORDS)
        _take_checkpoints(workspace / CHECKPOINTS, head, scratch / CHECKPOINTS, backup)
        _take_tracking(workspace / TRACKING, scratch, backup)
        for path in _files(workspace):
            backup.add(str(path.relative_to(workspace)), path)
        _take_log(project, backup)
        if copy_local(project.online_folder, scratch / "online"):
            backup.add("online/data.mdb", scratch / "online" / "data.mdb")
        listing = Listing(
            FORMAT,
            modelyard.__version__,
            project.settings.project,
            project.clock.now().isoformat(),
            str(workspace.resolve()),
            count,
            tuple(_beyond(project)),
            dict(backup.members),
        )
        atomic_write(scratch / LISTING, msgspec.json.encode(listing), durable=False)
        backup.add(LISTING, scratch / LISTING)
    return listing


@contextmanager
def _beside(into: Path) -> Iterator[Path]:
    """A folder of always the same name, its owner's alone: what a killed backup left there, the next one removes."""
    folder = into.with_name(f".{into.name}.scratch")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_records(records: RecordStore, file: Path) -> tuple[int, int]:
    """How many there are, and the number of the last entry of the audit record."""
    encoder, count, head = msgspec.json.Encoder(), 0, 0
    with records.snapshot() as view, file.open("wb") as stream:
        for each in view.everything():
            stream.write(encoder.encode(_plain(each)) + b"\n")
            count += 1
            if isinstance(each, Entry) and each.stream == STREAM:
                head = max(head, each.seq)
    return count, head


def _take_checkpoints(file: Path, head: int, scratch: Path, backup: Taking) -> None:
    """The checkpoints up to an entry, after the records: all that these tell of, and none of what is not there."""
    if file.is_file():
        lines = file.read_bytes().split(b"\n")
        scratch.write_bytes(b"\n".join(each for each in lines if _number_of(each) <= head))
        backup.add(CHECKPOINTS, scratch)


def _number_of(line: bytes) -> int:
    """The entry that a checkpoint is of; 0 for a line that a power cut has torn."""
    try:
        return msgspec.json.decode(line, type=_Numbered).seq
    except msgspec.MsgspecError:
        return 0


def _plain(each: Labelled | Entry) -> dict[str, object]:
    if isinstance(each, Entry):
        return {"stream": each.stream, "seq": each.seq, "body": each.body}
    found = each.document
    return {
        "kind": found.kind,
        "key": found.key,
        "revision": found.revision,
        "body": found.body,
        "labels": each.labels,
    }


def _take_tracking(database: Path, scratch: Path, backup: Taking) -> None:
    """MLflow's database, where it is embedded: as of one moment, whoever writes to it."""
    if not database.is_file():
        return
    copy = scratch / TRACKING
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source, closing(sqlite3.connect(copy)) as to:
        source.backup(to)
    backup.add(TRACKING, copy)


def _take_log(project: Project, backup: Taking) -> None:
    """Journal and log: sealing and compaction wait, so that no record is in neither."""
    workspace = project.workspace
    if not project.log_folder.is_dir():
        project.log_folder.mkdir(parents=True)
    with alone(project.log_folder):
        for name in _LOG:
            for path in _below(workspace / name):
                backup.add(str(path.relative_to(workspace)), path)


def _files(workspace: Path) -> Iterator[Path]:
    """The files of a workspace that are simply copied."""
    for name in _ALWAYS:
        if (workspace / name).is_file():
            yield workspace / name
    for entry in sorted(workspace.iterdir()):
        if entry.name == "run" or entry.name in _LEFT_OUT or entry.name.endswith((".lock", "-journal", "-wal", "-shm")):
            continue
        yield from _below(entry)


def _below(path: Path) -> Iterator[Path]:
    """A file, or the files of a folder; links are not followed."""
    found = sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]
    return (each for each in found if each.is_file() and not each.is_symlink())


def _beyond(project: Project) -> Iterator[str]:
    """The stores that are not in the workspace, except the record store, which is taken wherever it is."""
    stores, real = project.settings.stores, str(project.workspace.resolve())
    declared = {
        "artifacts": stores.artifacts,
        "online": None if stores.online.get_secret_value() == "local" else "elsewhere",
        "tracking": stores.tracking.get_secret_value() if stores.tracking else None,
    }
    return (f"stores.{name}" for name, where in declared.items() if where is not None and real not in where)
