"""A segment still being written is read on from where the last reading ended, and never read wrongly."""

import errno
import os
from pathlib import Path

import pytest

from modelyard.core import ManualClock
from modelyard.journal import JournalUnavailable

from .samples import Yard, ids_of


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock) -> Yard:
    """An empty journal and log."""
    return Yard(tmp_path, clock)


def test_each_byte_is_decoded_once(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is remembered; a segment that did not change is not even opened."""
    yard.append("a")
    assert ids_of(yard.log) == ["a"]
    with monkeypatch.context() as patched:
        patched.setattr("modelyard.history.unsealed.read_segment", None)
        assert ids_of(yard.log) == ["a"]
    for number in range(40):
        yard.append(f"b{number}")
        assert len(ids_of(yard.log)) == number + 2
    assert yard.seen() == ["a", *(f"b{number}" for number in range(40))]


def test_a_reader_that_looked_during_a_failed_call_misses_nothing_afterwards(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw a record that was then taken back; what is written later does not stand where it thinks it has read."""
    yard.append("a")
    write = os.write

    def watched(descriptor: int, data: bytes) -> int:
        write(descriptor, data[: len(data) * 2 // 3])
        assert ids_of(yard.log) == ["a", "lost"]
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", watched)
        with pytest.raises(JournalUnavailable):
            yard.append("lost", "lost too")
    for each in "bcd":
        yard.append(each)
    assert yard.seen() == ["a", "b", "c", "d"]
    yard.journal.close()
    yard.log.seal()
    assert yard.seen() == ["a", "b", "c", "d"]
    assert yard.log.stats("d").damaged == 0


def test_a_tail_that_heals_is_no_damage_any_more(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    """Zeros where a record is being written: counted while they are there, read when it is."""
    yard.append("a")
    (segment,) = yard.segments
    whole = segment.path.stat().st_size
    yard.append("b")
    data = segment.path.read_bytes()
    segment.path.write_bytes(data[:whole] + bytes(len(data) - whole))
    assert yard.seen() == ["a"]
    assert yard.log.stats("d").lost_bytes == len(data) - whole
    assert caplog.messages.count("segment damaged") == 2  # once for each log that saw it
    segment.path.write_bytes(data)
    assert yard.seen() == ["a", "b"]
    stats = yard.log.stats("d")
    assert (stats.damaged, stats.lost_bytes) == (0, 0)


def test_damage_in_the_middle_is_counted_once_however_often_one_reads(yard: Yard) -> None:
    """Three readings, the segment growing: the same bytes are lost, not more."""
    yard.append("a")
    (segment,) = yard.segments
    first = segment.path.stat().st_size
    yard.append("b")
    second = segment.path.stat().st_size
    yard.append("c")
    data = bytearray(segment.path.read_bytes())
    data[second - 3] ^= 1
    with segment.path.open("r+b") as stream:
        stream.write(data)
    for number in range(3):
        assert yard.seen() == ["a", "c", *(str(each) for each in range(number))]
        stats = yard.log.stats("d")
        assert (stats.damaged, stats.lost_bytes) == (1, second - first)
        yard.append(str(number))
