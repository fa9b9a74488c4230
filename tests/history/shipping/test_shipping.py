"""The log of one machine goes to another: every record, once, whatever is killed in between."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import Micros, SystemClock
from modelyard.history import (
    Ingested,
    Ingester,
    NotALogRecord,
    ObjectShipper,
    ObjectsUnavailable,
    PredictionLog,
    RetentionSettings,
    Retired,
    Shipped,
    Shipper,
    ShippingInUse,
)
from modelyard.history.shipping.alone import alone
from modelyard.history.shipping.cursor import cursor_file
from modelyard.history.shipping.numbers import Numbers
from modelyard.history.shipping.ranges import Ranges, add, ranges_of, size_without, united, within
from modelyard.history.shipping.wire import messages, read
from modelyard.history.tables import to_table
from modelyard.journal import (
    FAMILIES,
    REDACTED,
    Family,
    Journal,
    OutcomeRecord,
    PredictionRecord,
    Record,
    SketchRecord,
    TruthRecord,
)
from modelyard.streams import Consumer, ConsumerOptions, Message, Stream, open_stream

NOW = Micros(1_770_000_000_000_000)
RECORDS: tuple[Record, ...] = (
    PredictionRecord(
        "p1", NOW, "d", 1, "3", "live", "live", True, "e", (1.5, 7, "é", None, True, 2**63), 1, (0.25, 0.75), 10
    ),
    PredictionRecord("p2", NOW, "d", 1, "3", "canary", "canary", False, None, (), None, (), 10, "model", NOW),
    TruthRecord("p1", "d", 1, NOW, NOW, NOW),
    OutcomeRecord("d", "e", "converted", 1.0, NOW, NOW),
    SketchRecord("d", "live", "3", "b" * 64, "srv", NOW, NOW, 5, {"x": (1, 2, 3)}),
)
"""One of each kind, and one that failed."""


class Machines:
    """One machine that serves, one that takes in, and a stream between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"local:{folder}/streams/model_predictions?create=true"
        self.here, self.there = folder / "here", folder / "there"
        self.clock = SystemClock()
        self.journal = Journal(self.here / "journal", "srv", self.clock)
        self.log = PredictionLog(self.here / "journal", self.here / "log")
        self.copy = PredictionLog(self.there / "journal", self.there / "log")
        self.stream = open_stream(self.address)

    def write(self, *identities: str) -> None:
        """Append a prediction for each id, and a truth for every third."""
        for at, each in enumerate(identities):
            records: list[Record] = [
                PredictionRecord(each, NOW, "d", 1, "3", "live", "live", True, "e", (1.0, each), "1", (0.5,), 10)
            ]
            self.journal.append(records + ([TruthRecord(each, "d", 1, NOW, NOW, NOW)] if at % 3 == 0 else []))

    def shipper(self, stream: Stream | None = None) -> Shipper:
        """What ships, with what it remembers."""
        return Shipper(self.here / "journal", self.here / "log", "there", stream or self.stream)

    @property
    def cursor(self) -> Path:
        """Where it keeps that."""
        return cursor_file(self.here / "log", "there")

    def seal(self) -> None:
        """Seal all that was written."""
        self.journal.rotate()
        self.log.seal()

    def objects(self, bucket: Path) -> ObjectShipper:
        """What ships files to a folder."""
        return ObjectShipper(self.here / "log", bucket.as_uri(), bucket.name)

    def ship(self) -> int:
        """How many records one shipping publishes."""
        return self.shipper().ship().records

    def ingest(self) -> Ingested:
        """What one run takes in."""
        with self.consumer() as consumer:
            state = self.there / "received.db"
            return Ingester(self.there / "journal", self.there / "log", state, self.clock).run(consumer, seconds=0.2)

    def consumer(self) -> Consumer:
        """A consumer with room for all."""
        return self.stream.consumer("log", ConsumerOptions(in_flight=20_000, redeliver_s=1.0))

    def agree(self) -> None:
        """Both logs have the same records, once each."""
        for table in ("predictions", "truths"):
            ours, theirs = (sorted(map(repr, getattr(log, table)("d").to_pylist())) for log in (self.log, self.copy))
            assert ours == theirs


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Two machines and a stream."""
    machines = Machines(tmp_path)
    yield machines
    machines.journal.close()
    machines.stream.close()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_its_tables_have_it(record: Record) -> None:
    """Whatever its values; and its message names which record it is."""
    family = next(each for each in FAMILIES if type(record).__name__.lower().startswith(each[:5]))
    table = to_table([record], family, "segment-1.seg", 41)
    (message,) = messages(table, family)
    found = read(message)
    assert (found.family, found.segment, found.number) == (family, "segment-1.seg", 41)
    assert to_table([found.record], family, "segment-1.seg", 41).equals(table)


def test_a_message_that_is_no_record_is_told() -> None:
    """Whichever part of it is wrong."""
    (good,) = messages(to_table([RECORDS[0]], "predictions", "segment-1"), "predictions")
    bad = [
        Message(b"\xff" + good.value, good.key, good.headers),
        Message(b"", good.key, good.headers),
        Message(b"\x80", good.key, good.headers),
        Message(good.value, good.key, {**good.headers, "modelyard-family": "truths"}),
        Message(good.value, good.key, {**good.headers, "modelyard-format": "2"}),
        Message(good.value, good.key, {**good.headers, "modelyard-number": "-1"}),
        Message(good.value, good.key, {**good.headers, "modelyard-segment": "../../etc"}),
        Message(good.value, good.key, {}),
        Message(good.value.replace(b"\xa9event_us\xcf", b"\xa9event_us\xd3"), good.key, {}),
    ]
    for each in bad:
        with pytest.raises(NotALogRecord, match="no record of a prediction log"):
            read(each)


def test_the_log_arrives_on_the_other_machine(machines: Machines) -> None:
    """Also what is written, sealed and shipped in between; nothing is shipped twice that need not be."""
    machines.write(*(f"a{number}" for number in range(30)))
    assert machines.ship() == 40
    assert machines.ship() == 0
    assert machines.ingest() == Ingested(40)
    machines.agree()
    machines.write("b1", "b2")
    machines.journal.rotate()
    machines.log.seal()
    machines.write("b3")
    assert machines.ship() == 5
    machines.log.seal()
    assert machines.ship() == 0
    assert machines.ingest() == Ingested(5)
    machines.agree()
    assert machines.copy.stats("d").joined == 12


def test_what_is_shipped_again_is_taken_in_once(machines: Machines) -> None:
    """When the cursor is lost all goes again; every record has come before, sealed or not."""
    machines.write(*(f"a{number}" for number in range(10)))
    machines.ship()
    machines.ingest()
    machines.cursor.unlink()
    machines.journal.rotate()
    machines.log.seal()
    assert machines.ship() == 14
    assert machines.ingest() == Ingested(0, again=14)
    machines.agree()


def test_whatever_happens_to_files_a_record_is_shipped_once(machines: Machines) -> None:
    """Compaction and redaction make new files of shipped records and of others."""
    for name in ("a", "b", "c"):
        machines.write(name)
        machines.seal()
        machines.write(f"{name}+")
        if name != "b":
            assert machines.ship() > 0
    assert machines.ingest() == Ingested(12)
    machines.agree()
    machines.write("d")
    machines.seal()
    machines.log.compact(everything=True)
    machines.log.redact(prediction_ids=["a", "d"])
    assert machines.ship() == 2
    assert machines.ingest() == Ingested(2)
    theirs = {each["prediction_id"]: each for each in machines.copy.predictions("d").to_pylist()}
    assert len(theirs) == machines.copy.stats("d").records == 7
    assert not theirs["d"]["has_features"]
    assert theirs["d"]["entity"] == REDACTED
    assert theirs["b"]["feature_1"] == "b"
    machines.log.compact(everything=True)
    assert machines.ship() == 0


def test_features_never_logged_stay_so_on_the_other_machine(machines: Machines) -> None:
    """Sealed or not; and what has no features, and fields of requests."""
    for at in range(2):
        both = [
            PredictionRecord(
                f"p{at}", NOW, "d", 1, "3", "live", "live", True, "e", (1, REDACTED), "1", (), 10, request=("zoe", 5)
            ),
            PredictionRecord(f"q{at}", NOW, "d", 1, "3", "live", "live", True, "e", (), "1", (), 10),
            PredictionRecord(f"r{at}", NOW, "d", 1, "4", "live", "live", True, "e", (), "1", (), 10),
        ]
        machines.journal.append(both)
        if at == 0:
            machines.seal()
    assert machines.ship() == 6
    machines.ingest()
    machines.agree()
    ((_, table), _) = sorted(machines.copy.by_place("d"), key=lambda each: each[0])
    rows = {each["prediction_id"]: each for each in table.to_pylist()}
    for at in range(2):
        assert rows[f"p{at}"]["redacted"] == [1]
        assert rows[f"p{at}"]["feature_0"] == 1
        assert rows[f"p{at}"]["request"] == msgspec.msgpack.encode(("zoe", 5))
        assert not rows[f"q{at}"]["has_features"]


def test_records_that_retention_took_first_are_counted(machines: Machines, caplog: pytest.LogCaptureFixture) -> None:
    """When they go and by the next shipping; those that were shipped are not."""
    machines.write("a")
    machines.seal()
    machines.ship()
    machines.log.compact(everything=True)
    machines.write("b", "c")
    machines.seal()
    retired = machines.log.retire(RetentionSettings(predictions=timedelta(days=1), truths=timedelta(days=1)))
    assert (retired.records, retired.unshipped) == (5, {"there": 3})
    assert "retired before they were shipped" in caplog.text
    assert machines.shipper().ship() == Shipped(0, dict.fromkeys(FAMILIES, 0), lost=3)
    assert "deleted before they were shipped" in caplog.text
    assert machines.shipper().ship().lost == 0


def test_retention_takes_nothing_from_a_shipping_that_reads_it(machines: Machines) -> None:
    """The prediction that is being shipped is not lost; the truth, which would have been next, is."""
    machines.write("a")
    machines.seal()
    machines.ship()
    machines.write("b")
    machines.seal()
    retire = partial(machines.log.retire, RetentionSettings(predictions=timedelta(days=1), truths=timedelta(days=1)))
    publish = machines.stream.publish
    took: list[Retired] = []

    def slowly(found: Sequence[Message]) -> None:
        if found and not took:
            took.append(retire())
        publish(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines.stream, "publish", slowly)
        shipped = machines.shipper().ship()
    assert took[0].unshipped == {"there": 2}
    assert (shipped.families, shipped.lost) == ({**dict.fromkeys(FAMILIES, 0), "predictions": 1}, 1)


def test_a_cursor_that_is_damaged_begins_again(machines: Machines) -> None:
    """All is shipped again, and taken in once."""
    machines.write("a")
    machines.ship()
    machines.cursor.write_bytes(b"no database at all, and longer than a header of one would be: " * 20)
    assert machines.ship() == 2
    assert machines.cursor.with_suffix(".damaged").exists()
    assert machines.ingest() == Ingested(2, again=2)
    machines.agree()


def test_ranges_are_sets_of_numbers() -> None:
    """Made, united, asked and compared as sets are."""
    chance = random.Random(5)
    for _ in range(200):
        first, second = ({chance.randrange(25) for _ in range(chance.randrange(20))} for _ in range(2))
        one, two = (ranges_of(np.array(sorted(each), np.int64)) for each in (first, second))
        assert {each for start, end in united(one, two) for each in range(start, end)} == first | second
        assert united(one, two) == ranges_of(np.array(sorted(first | second), np.int64))
        assert within(one, np.arange(25)).tolist() == [each in first for each in range(25)]
        assert size_without(one, two) == len(first - second)


def test_a_message_that_is_no_record_is_put_aside(machines: Machines) -> None:
    """With the reason; those around it arrive."""
    machines.write("a")
    machines.stream.publish([Message(b"hello")])
    machines.ship()
    assert machines.ingest() == Ingested(2, refused=1)
    machines.agree()
    with machines.stream.dead_letters().consumer("look") as consumer:
        (dead,) = consumer.receive(10, 2.0)
    assert dead.message.value == b"hello"
    assert "no record of a prediction log" in dead.message.headers["modelyard-dead-reason"]


def test_one_process_at_a_time_ships_and_takes_in(machines: Machines) -> None:
    """The other is told."""
    with (
        alone(machines.cursor.with_suffix(".lock"), "ships"),
        pytest.raises(ShippingInUse, match="ships this log there"),
    ):
        machines.ship()
    with alone(machines.there / "received.lock", "x"), pytest.raises(ShippingInUse, match="takes in this log"):
        machines.ingest()


def test_numbers_that_come_in_any_order_are_known() -> None:
    """As few ranges as can be; each number is new once."""
    chance = random.Random(3)
    for _ in range(200):
        numbers = [chance.randrange(25) for _ in range(chance.randrange(60))]
        ranges: Ranges = []
        seen: set[int] = set()
        for number in numbers:
            assert add(ranges, number) is (number not in seen)
            seen.add(number)
        assert {each for start, end in ranges for each in range(start, end)} == seen
        assert all(end < start for (_, end), (start, _) in pairwise(ranges))


def test_a_damaged_file_holds_nothing_up(machines: Machines) -> None:
    """It is told, and what is whole is shipped."""
    machines.write("a")
    machines.journal.rotate()
    machines.log.seal()
    (file,) = (machines.here / "log" / "predictions").rglob("*.parquet")
    file.write_bytes(b"PAR1 no more PAR1")
    machines.write("b")
    assert machines.ship() == 3


def listed(bucket: Path) -> dict[str, int]:
    """The files that count there, with their rows, by the listing."""
    (listing,) = bucket.glob("log-*.json")
    return {each["path"]: each["rows"] for each in json.loads(listing.read_text())["files"]}


def found(bucket: Path) -> set[str]:
    """The files that are there."""
    return {str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file()} - {
        path.name for path in bucket.glob("log-*.json")
    }


def test_files_go_to_objects_once(machines: Machines, tmp_path: Path) -> None:
    """Whole, by partition; a file that was cut short there is put again, and nothing else is touched."""
    machines.write(*(f"a{number}" for number in range(9)))
    machines.seal()
    shipper = machines.objects(tmp_path / "bucket")
    assert shipper.ship().families == {"predictions": 9, "truths": 3, "outcomes": 0, "sketches": 0}
    assert shipper.ship().records == 0
    assert found(tmp_path / "bucket") == set(listed(tmp_path / "bucket"))
    (there,) = (tmp_path / "bucket" / "predictions").rglob("*.parquet")
    (here,) = (machines.here / "log" / "predictions").rglob("*.parquet")
    assert there.parent.name == here.parent.name
    assert pq.read_table(there).equals(pq.read_table(here))
    there.write_bytes(b"cut")
    left = there.with_name(f".{there.name}.0.tmp")
    left.write_bytes(b"half")
    other = there.with_name("other-000000000001-00000.parquet")
    other.write_bytes(b"of another log")
    assert machines.objects(tmp_path / "bucket").ship().records == 0
    assert there.read_bytes() == here.read_bytes()
    assert not left.exists()
    assert other.exists()


def test_an_empty_log_is_not_shipped_to_nowhere(machines: Machines, tmp_path: Path) -> None:
    """A place that cannot be written is told although nothing is new; a place that can has a listing of nothing."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ObjectsUnavailable, match="cannot be shipped"):
        machines.objects(tmp_path / "file").ship()
    assert machines.objects(tmp_path / "bucket").ship().records == 0
    assert listed(tmp_path / "bucket") == {}


def test_objects_follow_compaction_and_redaction_and_outlive_retention(machines: Machines, tmp_path: Path) -> None:
    """A record is in one file there, redacted when it is redacted here; days that are deleted here stay."""
    bucket = tmp_path / "bucket"
    for name in "abc":
        machines.write(name)
        machines.seal()
        assert machines.objects(bucket).ship().records == 2
    machines.log.compact(everything=True)
    machines.log.redact(prediction_ids=["b"])
    assert machines.objects(bucket).ship().records == 0
    assert found(bucket) == set(listed(bucket))
    assert sorted(listed(bucket).values()) == [3, 3]
    (file,) = (bucket / "predictions").rglob("*.parquet")
    rows = {each["prediction_id"]: each["has_features"] for each in pq.read_table(file).to_pylist()}
    assert rows == {"a": True, "b": False, "c": True}
    machines.write("d")
    machines.seal()
    retired = machines.log.retire(RetentionSettings(predictions=timedelta(days=1)))
    assert (retired.records, retired.unshipped) == (4, {"bucket": 1})
    assert machines.objects(bucket).ship() == Shipped(1, {**dict.fromkeys(FAMILIES, 0), "truths": 1}, lost=1)
    assert sum(listed(bucket).values()) == 3 + 4
    assert file.exists()


def test_a_damaged_file_replaces_nothing_there(machines: Machines, tmp_path: Path) -> None:
    """What was shipped before it was compacted into one that is damaged stays."""
    bucket = tmp_path / "bucket"
    for name in "ab":
        machines.write(name)
        machines.seal()
    machines.objects(bucket).ship()
    before = listed(bucket)
    machines.log.compact(everything=True)
    (here,) = (machines.here / "log" / "predictions").rglob("*.parquet")
    here.write_bytes(b"PAR1 no more PAR1")
    assert machines.objects(bucket).ship().records == 0
    now = listed(bucket)
    assert {each for each in before if each.startswith("predictions")} <= set(now)
    assert sum(now.values()) == 4


def test_a_place_that_is_not_to_be_had_is_told(machines: Machines, tmp_path: Path) -> None:
    """With its name."""
    machines.write("a")
    machines.seal()
    (tmp_path / "bucket").write_text("a file")
    with pytest.raises(ObjectsUnavailable, match="cannot be shipped to bucket"):
        machines.objects(tmp_path / "bucket").ship()


SHIPPER = """
import sys
from pathlib import Path
from modelyard.history import Shipper
from modelyard.streams import open_stream
here, address = Path(sys.argv[1]), sys.argv[2]
shipper = Shipper(here / "journal", here / "log", "there", open_stream(address))
print("ready", flush=True)
while True:
    shipper.ship()
"""
INGESTER = """
import sys
from pathlib import Path
from modelyard.core import SystemClock
from modelyard.history import Ingester
from modelyard.streams import ConsumerOptions, open_stream
there, address = Path(sys.argv[1]), sys.argv[2]
ingester = Ingester(there / "journal", there / "log", there / "received.db", SystemClock())
consumer = open_stream(address).consumer("log", ConsumerOptions(in_flight=20000, redeliver_s=1.0, deliveries=1000))
print("ready", flush=True)
while True:
    ingester.run(consumer, rows=50, seconds=0.05)
"""


def killed(machines: Machines, kills: int, seed: int) -> None:
    """Kill who ships and who takes in, again and again while records are written and sealed; in the end logs agree."""
    chance, number = random.Random(seed), 0
    programs = [(SHIPPER, machines.here), (INGESTER, machines.there)]
    with open_stream(machines.address) as stream:
        stream.publish([])
    for kill in range(kills):
        program, folder = programs[kill % 2]
        command = [sys.executable, "-c", program, str(folder), machines.address]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        end = time.monotonic() + chance.random() * 0.3
        while time.monotonic() < end:
            machines.write(*(f"r{number + each}" for each in range(20)))
            number += 20
            if chance.random() < 0.1:
                machines.seal()
                machines.log.compact(everything=chance.random() < 0.5)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    machines.ship()
    machines.ingest()
    machines.agree()
    assert not list(machines.there.rglob("*.incoming"))
    with sqlite3.connect(machines.there / "received.db") as database:
        assert database.execute("SELECT COUNT(*) FROM to_place").fetchone() == (0,)
    database.close()


def test_killed_shippers_and_ingesters_lose_and_double_nothing(machines: Machines) -> None:
    """A few of each."""
    killed(machines, kills=4, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_hundreds_of_killed_shippers_and_ingesters(tmp_path: Path) -> None:
    """Forty rounds of ten."""
    for seed in range(40):
        machines = Machines(tmp_path / str(seed))
        killed(machines, kills=10, seed=seed)
        machines.journal.close()
        machines.stream.close()


def test_a_crash_between_the_steps_of_taking_in_is_made_good(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the ranges are written, after them, and before the messages are acknowledged."""
    machines.write(*(f"a{number}" for number in range(6)))
    machines.ship()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    def written_only(self: Ingester, _: object, fresh: dict[Family, list[Record]], __: Numbers) -> None:
        self._write("truths", fresh["truths"])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ingester, "_place", lambda _, __, files: crash() if files else None)
        with pytest.raises(KeyboardInterrupt):
            machines.ingest()
    assert len(machines.copy.predictions("d")) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Consumer, "acknowledge", crash)
        with pytest.raises(KeyboardInterrupt):
            machines.ingest()
    machines.agree()
    assert machines.ingest() == Ingested(0, again=8)
    machines.agree()
    machines.write("b")
    machines.ship()
    with monkeypatch.context() as patch:
        patch.setattr(Ingester, "_keep", written_only)
        with pytest.raises(KeyboardInterrupt):
            machines.ingest()
    assert list(machines.there.rglob("*.incoming"))
    assert machines.ingest() == Ingested(2)
    assert not list(machines.there.rglob("*.incoming"))
    machines.agree()


def test_instants_of_both_logs_are_those_that_were_written(machines: Machines) -> None:
    """To the microsecond, in UTC."""
    machines.write("a")
    machines.ship()
    machines.ingest()
    (at,) = machines.copy.predictions("d").column("event_us").to_pylist()
    assert at == datetime.fromtimestamp(NOW / 1e6, UTC)
    assert machines.copy.predictions("d").schema.field("event_us").type == pa.timestamp("us", tz="UTC")
