"""Logs of older versions, whose files lack columns that came since."""

import shutil
import struct
import zlib
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from modelyard.core import ManualClock
from modelyard.history import PredictionLog
from modelyard.history.catalog import Catalogs
from modelyard.history.shipping.wire import messages, read
from modelyard.history.sound import is_sound
from modelyard.history.tables import to_table
from modelyard.journal import decode_segment
from modelyard.journal.frames import HEADER, new_sync
from modelyard.streams import Message

from .samples import Yard, prediction


@pytest.fixture
def old(tmp_path: Path, clock: ManualClock) -> Yard:
    """A log with one sealed file as it was written before records said whether their arm was forced."""
    yard = Yard(tmp_path, clock)
    yard.closed_segment("a", "b")
    yard.log.seal()
    aged(yard.log_folder)
    return yard


def aged(folder: Path) -> None:
    """Take the later columns out of every file of predictions, as if it had been written without them."""
    catalogs, entries = Catalogs(folder), []
    for entry in catalogs.current().entries:
        path = folder / entry.name
        table = pq.read_table(path, partitioning=None).drop_columns(["forced", "generated"])
        pq.write_table(table, path)
        told = msgspec.structs.replace(entry, later=(), footer="", size=path.stat().st_size)
        entries.append(told)
    before = catalogs.current()
    catalogs.commit(msgspec.structs.replace(before, number=before.number + 1, entries=tuple(entries)))


def forced(log: PredictionLog) -> dict[str, bool]:
    """By id, whether its arm was forced."""
    rows = log.predictions("d", columns=("prediction_id", "forced")).to_pylist()
    return {row["prediction_id"]: row["forced"] for row in rows}


def append_forced(yard: Yard, identity: str) -> None:
    """A record of today's, whose caller named the arm."""
    yard.journal.append([msgspec.structs.replace(prediction(identity, yard.clock.now()), forced=True)])


def test_records_of_old_files_were_not_forced(old: Yard) -> None:
    """Beside new ones, sealed or not."""
    append_forced(old, "c")
    assert forced(old.log) == {"a": False, "b": False, "c": True}
    old.journal.rotate()
    old.log.seal()
    assert forced(old.another_log()) == {"a": False, "b": False, "c": True}


def test_sql_sees_old_and_new_files_as_one_view(old: Yard) -> None:
    """The column is there in all of them, and can be asked for alone."""
    append_forced(old, "c")
    old.journal.rotate()
    old.log.seal()
    append_forced(old, "e")
    with old.log.duckdb("d") as opened:
        rows = opened.sql("SELECT prediction_id, forced FROM predictions ORDER BY 1").read_all().to_pylist()
    assert [tuple(row.values()) for row in rows] == [("a", False), ("b", False), ("c", True), ("e", True)]


def test_old_and_new_files_become_one(old: Yard) -> None:
    """Compaction fills in what the old one lacks, and nothing is lost."""
    append_forced(old, "c")
    old.journal.rotate()
    old.log.seal()
    assert old.log.compact(everything=True).after == 1
    assert forced(old.another_log()) == {"a": False, "b": False, "c": True}
    (entry,) = Catalogs(old.log_folder).current().entries
    assert entry.later == ("request", "forced", "generated")
    assert is_sound(old.log_folder, entry)


def test_redaction_reaches_old_files(old: Yard) -> None:
    """They are written anew with the column."""
    assert old.log.redact(entities=["e"]).records == 2
    assert forced(old.another_log()) == {"a": False, "b": False}


def test_a_large_old_file_is_read_bit_by_bit(old: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a small one is, which is remembered whole."""
    monkeypatch.setattr("modelyard.history.small.SMALL", 0)
    assert forced(old.log) == {"a": False, "b": False}
    assert old.log.predictions("d").column("forced").to_pylist() == [False, False]


def test_a_record_of_an_older_journal_was_not_forced(clock: ManualClock) -> None:
    """Segments lie unsealed on disk when a server is upgraded."""
    record, sync = prediction("a", clock.now()), new_sync()
    payload = msgspec.msgpack.encode(msgspec.to_builtins(record)[:-1])
    frame = struct.pack("<II", len(payload), zlib.crc32(payload)) + payload
    assert decode_segment(HEADER + sync + sync + frame, "predictions").records == (record,)


def test_a_message_of_an_older_version_was_not_forced(clock: ManualClock) -> None:
    """And one of this version says which it was."""
    record = msgspec.structs.replace(prediction("a", clock.now()), forced=True)
    (message,) = messages(to_table([record], "predictions", "seg"), "predictions")
    told = msgspec.msgpack.decode(message.value)
    del told["forced"], told["generated"]
    older = Message(msgspec.msgpack.encode(told), message.key, message.headers)
    assert read(message).record == record
    assert read(older).record == msgspec.structs.replace(record, forced=False)


def test_a_stored_log_is_read_and_sealed_on(tmp_path: Path, clock: ManualClock) -> None:
    """Catalog, Parquet and segment as the first release writes them; the files are never written anew."""
    shutil.copytree(Path(__file__).with_name("stored") / "format-1", tmp_path, dirs_exist_ok=True)
    log = PredictionLog(tmp_path / "journal", tmp_path / "log", clock=clock)
    expected = [("a", 1.0, "x", 0.5), ("b", 1.0, "x", 0.5), ("c", 1.0, "x", 0.5)]
    assert told(log) == expected
    log.seal()
    assert list((tmp_path / "journal" / "predictions").glob("*.seg")) == []
    assert told(log) == expected
    assert log.verify().problems == ()


def told(log: PredictionLog) -> list[tuple[object, ...]]:
    """Id, features and score of every prediction."""
    rows = log.predictions("d", columns=("prediction_id", "feature_0", "feature_1", "scores")).to_pylist()
    return sorted((row["prediction_id"], row["feature_0"], row["feature_1"], *row["scores"]) for row in rows)
