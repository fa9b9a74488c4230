"""The log of one machine goes to another: every record, once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import pyarrow as pa
import pytest

from modelyard.history import (
    Ingested,
    RetentionSettings,
    Retired,
    Shipped,
    ShippingInUse,
)
from modelyard.history.shipping.alone import alone
from modelyard.journal import (
    FAMILIES,
    REDACTED,
    PredictionRecord,
)
from modelyard.streams import Message

from .machines import NOW, Machines


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


def test_a_damaged_file_holds_nothing_up(machines: Machines) -> None:
    """It is told, and what is whole is shipped."""
    machines.write("a")
    machines.journal.rotate()
    machines.log.seal()
    (file,) = (machines.here / "log" / "predictions").rglob("*.parquet")
    file.write_bytes(b"PAR1 no more PAR1")
    machines.write("b")
    assert machines.ship() == 3


def test_instants_of_both_logs_are_those_that_were_written(machines: Machines) -> None:
    """To the microsecond, in UTC."""
    machines.write("a")
    machines.ship()
    machines.ingest()
    (at,) = machines.copy.predictions("d").column("event_us").to_pylist()
    assert at == datetime.fromtimestamp(NOW / 1e6, UTC)
    assert machines.copy.predictions("d").schema.field("event_us").type == pa.timestamp("us", tz="UTC")
