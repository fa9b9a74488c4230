"""What was acknowledged is there, once; what is damaged is found, and the rest is kept."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.core import ManualClock, Micros
from modelyard.journal import (
    Journal,
    JournalUnavailable,
    NotASegment,
    PredictionRecord,
    TruthRecord,
    adopt_orphans,
    decode_segment,
    read_segment,
    segments,
)


def prediction(identity: str, *, at: int = 0, arm: str = "live") -> PredictionRecord:
    """A small prediction record."""
    return PredictionRecord(
        identity, Micros(at), "d", 1, "1", arm, "live", True, "e", (1.5, None, "é"), "1", (0.7,), 99
    )


def test_records_come_back_as_they_were(tmp_path: Path, clock: ManualClock) -> None:
    """Each family in its own segment, in the order of writing."""
    journal = Journal(tmp_path, "s", clock)
    truth = TruthRecord("a", "d", 1, Micros(1), Micros(2), Micros(3))
    journal.append([prediction("a"), truth, prediction("b")])
    (predictions,), (truths,) = segments(tmp_path, "predictions"), segments(tmp_path, "truths")
    assert read_segment(predictions).records == (prediction("a"), prediction("b"))
    assert read_segment(truths).records == (truth,)
    assert not predictions.closed
    journal.close()
    assert segments(tmp_path, "predictions")[0].closed
    assert journal.written == 3


def test_reading_goes_on_where_it_stopped(tmp_path: Path, clock: ManualClock) -> None:
    """The valid end of one read is the start of the next."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("a")])
    (segment,) = segments(tmp_path, "predictions")
    first = read_segment(segment)
    journal.append([prediction("b")])
    assert read_segment(segment, after=first.valid_bytes).records == (prediction("b"),)
    journal.close()


def test_a_full_segment_is_closed_and_the_next_begun(tmp_path: Path, clock: ManualClock) -> None:
    """By size; nothing is lost at the border."""
    journal = Journal(tmp_path, "s", clock, segment_bytes=200)
    for number in range(20):
        journal.append([prediction(str(number))])
    journal.close()
    found = [record for segment in segments(tmp_path, "predictions") for record in read_segment(segment).records]
    assert [record.prediction_id for record in found if isinstance(record, PredictionRecord)] == [
        str(n) for n in range(20)
    ]
    assert len(segments(tmp_path, "predictions")) > 3


def test_truncated_anywhere_the_whole_records_are_kept(tmp_path: Path, clock: ManualClock) -> None:
    """Cut at every byte: never an error, never half a record, never fewer than fit."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("a"), prediction("b"), prediction("c")])
    data = segments(tmp_path, "predictions")[0].path.read_bytes()
    journal.close()
    ends = [decode_segment(data[:cut], "predictions") for cut in range(len(data) + 1)]
    counts = [len(each.records) for each in ends]
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3}
    assert all(each.damage is None for each in ends)


def test_a_flipped_byte_anywhere_is_reported_and_hides_nothing_before_it(tmp_path: Path, clock: ManualClock) -> None:
    """Every byte in turn: what precedes the damage is intact, and no changed record is ever returned."""
    journal = Journal(tmp_path, "s", clock)
    originals = tuple(prediction(each) for each in "abc")
    journal.append(originals)
    data = segments(tmp_path, "predictions")[0].path.read_bytes()
    journal.close()
    for position in range(len(data)):
        spoiled = bytearray(data)
        spoiled[position] ^= 0xFF
        if position < 8:
            with pytest.raises(NotASegment):
                decode_segment(bytes(spoiled), "predictions")
            continue
        found = decode_segment(bytes(spoiled), "predictions")
        assert found.records == originals[: len(found.records)]
        assert len(found.records) < 3
        assert found.damage is not None or found.torn


def test_orphans_are_adopted_and_living_writers_left_alone(tmp_path: Path, clock: ManualClock) -> None:
    """A killed writer's open file is closed for it; acknowledged records are in it, once."""
    living = Journal(tmp_path, "living", clock)
    living.append([prediction("z")])
    program = f"""
import sys
from pathlib import Path
from modelyard.core import Micros, SystemClock
from modelyard.journal import Journal, PredictionRecord
journal = Journal(Path({str(tmp_path)!r}), "killed", SystemClock())
for number in range(10**6):
    record = PredictionRecord(str(number), Micros(0), "d", 1, "1", "live", "live", True, None, (), "1", (), 0)
    journal.append([record])
    print(number, flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split("\n")[:-1]
    writer.wait()
    writer.stdout.close()
    (adopted,) = adopt_orphans(tmp_path)
    assert "killed" in adopted.name
    (segment,) = (each for each in segments(tmp_path, "predictions") if each.path == adopted)
    found = [record.prediction_id for record in read_segment(segment).records if isinstance(record, PredictionRecord)]
    assert found[: len(acknowledged) + len(rest)] == acknowledged + rest
    assert len(found) == len(set(found))
    living.close()


def test_a_disk_that_refuses_acknowledges_nothing_and_heals(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short write leaves the segment as it was; the next one that fits succeeds."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("a")])
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
    with pytest.raises(JournalUnavailable, match="cannot be written"):
        journal.append([prediction("lost")])
    monkeypatch.setattr(os, "write", write)
    journal.append([prediction("b")])
    journal.close()
    (segment,) = segments(tmp_path, "predictions")
    assert read_segment(segment).records == (prediction("a"), prediction("b"))
    assert (journal.written, journal.refused) == (2, 1)
