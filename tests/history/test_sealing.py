"""Sealing moves every record once, whoever else is at work, whatever the disk did, and wherever it was cut short."""

import errno
import fcntl
import os
import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

import pytest

from modelyard.core import ManualClock
from modelyard.history import files, sealing
from modelyard.journal import Segment, quarantined, read_segment

from .samples import Yard, ids_of


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock) -> Yard:
    """An empty journal and log."""
    return Yard(tmp_path, clock)


def spoil(segment: Segment, at: int) -> None:
    """Flip a byte of a segment."""
    data = bytearray(segment.path.read_bytes())
    data[at] ^= 0xFF
    segment.path.write_bytes(data)


def broken(*_: object) -> None:
    """A disk that fails."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def noted(steps: list[str], name: str, function: Callable[..., object]) -> Callable[..., object]:
    """The function, which notes its name each time."""

    def call(*arguments: object, **named: object) -> object:
        steps.append(name)
        return function(*arguments, **named)

    return call


def test_a_damaged_segment_gives_all_its_whole_records_and_is_kept(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    """Also those behind the damage; what is lost is counted, logged, and there for whoever wants to look."""
    segment = yard.closed_segment("a", "b", "c")
    spoil(segment, segment.path.stat().st_size // 2)
    assert yard.seen() == ["a", "c"]
    before = yard.log.stats("d")
    done = yard.log.seal()
    assert (done.segments, done.records) == (1, 2)
    assert "checksum mismatch at byte" in done.damaged[0]
    assert 50 < done.lost_bytes < 100
    assert "segment damaged" in caplog.messages
    assert yard.seen() == ["a", "c"]
    assert [each.path.stem for each in quarantined(yard.journal_folder, "predictions")] == [segment.path.stem]
    after = yard.log.stats("d")
    assert (before.damaged, before.lost_bytes) == (after.damaged, after.lost_bytes) == (1, done.lost_bytes)
    assert yard.log.seal().segments == 0
    assert yard.another_log().stats("d") == after


@pytest.mark.parametrize("content", [b"", b"MYSEG", b"PAR1" * 50, bytes(10), bytes(4096)])
def test_a_file_that_is_no_segment_stops_nothing(yard: Yard, content: bytes) -> None:
    """It lies between two sound ones: both are read and sealed, it is quarantined, or deleted when it has nothing."""
    yard.closed_segment("a")
    alien = yard.closed_segment("lost")
    alien.path.write_bytes(content)
    yard.closed_segment("b")
    assert yard.seen() == ["a", "b"]
    sound = content in (b"", b"MYSEG")
    assert yard.log.stats("d").damaged == (0 if sound else 1)
    done = yard.log.seal()
    assert (done.segments, done.records, len(done.damaged)) == (3, 2, 0 if sound else 1)
    assert done.torn_bytes == (len(content) if sound else 0)
    assert done.lost_bytes == (0 if sound else len(content))
    assert yard.seen() == ["a", "b"]
    assert yard.segments == ()
    stats = yard.log.stats("d")
    assert (stats.damaged, stats.lost_bytes) == (len(done.damaged), done.lost_bytes)


def test_a_torn_tail_is_counted_and_no_damage(yard: Yard) -> None:
    """The last record of a killed writer was never acknowledged; that it was there is still told."""
    segment = yard.closed_segment("a", "b")
    with segment.path.open("r+b") as stream:
        stream.truncate(segment.path.stat().st_size - 5)
    done = yard.log.seal()
    assert (done.records, done.damaged, done.lost_bytes) == (1, (), 0)
    assert done.torn_bytes > 5
    assert yard.seen() == ["a"]
    assert yard.log.stats("d").damaged == 0


def test_a_segment_that_the_disk_does_not_give_back_is_left_for_another_day(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading fails: the others are read and sealed, and when the disk has recovered so is it."""
    bad = yard.closed_segment("a")
    yard.closed_segment("b")
    module = "modelyard.history"

    def failing(segment: Segment, *, after: int = 0) -> object:
        if segment == bad:
            raise OSError(errno.EIO, "Input/output error")
        return read_segment(segment, after=after)

    with monkeypatch.context() as patched:
        patched.setattr(f"{module}.sealing.read_segment", failing)
        patched.setattr(f"{module}.unsealed.read_segment", failing)
        assert yard.seen() == ["b"]
        assert yard.log.stats("d").damaged == 1
        done = yard.log.seal()
        assert (done.records, len(done.damaged)) == (1, 1)
    assert sorted(yard.seen()) == ["a", "b"]
    assert yard.log.seal().records == 1
    assert yard.log.stats("d").damaged == 0


def test_a_living_writer_s_segment_is_left_alone(yard: Yard) -> None:
    """It is read, but only sealed when its writer is done."""
    yard.append("a")
    assert yard.log.seal().segments == 0
    yard.append("b")
    assert yard.seen() == ["a", "b"]
    yard.journal.close()
    assert yard.log.seal().records == 2
    assert yard.seen() == ["a", "b"]


def test_a_segment_is_never_taken_from_a_writer_that_is_just_creating_it(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealing between the creation of the file and its lock: what is acknowledged afterwards is in the log."""
    real = fcntl.flock
    done: list[None] = []

    def sealed_between(descriptor: int, operation: int) -> None:
        if not done:
            done.append(None)
            assert yard.log.seal().segments == 1
        real(descriptor, operation)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", sealed_between)
        yard.append("a")
    assert done
    assert yard.seen() == ["a"]
    yard.journal.close()
    yard.log.seal()
    assert yard.seen() == ["a"]


class Crash(BaseException):
    """The process ends here."""


def crash(*_: object, **__: object) -> None:
    """End the process, as far as the test goes."""
    raise Crash


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize(
    "step",
    [
        "files.pq.write_table",
        "files.os.fsync",
        "files.Path.replace",
        "files.sync_folder",
        "catalog.atomic_write",
        "sealing.Path.unlink",
        "sealing.Path.rename",
    ],
)
def test_cut_short_at_any_step_nothing_is_lost_or_double(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, step: str, damaged: bool
) -> None:
    """A crash before each step that leaves a trace; the next sealing finishes."""
    segment = yard.closed_segment("a", "b")
    yard.closed_segment("c")
    if damaged:
        spoil(segment, segment.path.stat().st_size - 1)
    expected = ["a", "c"] if damaged else ["a", "b", "c"]
    with monkeypatch.context() as patched:
        patched.setattr(f"modelyard.history.{step}", crash)
        with suppress(Crash):
            yard.log.seal()
    assert not list(yard.log_folder.rglob("*.tmp"))
    assert yard.seen() == expected
    yard.log.seal()
    assert yard.seen() == expected
    assert yard.segments == ()
    assert yard.log.stats("d").damaged == damaged


def test_what_a_power_cut_took_from_a_segment_stays_in_its_parquet_file(yard: Yard) -> None:
    """The file was flushed, the segment never was, nor its removal: sealing again must not replace more by less."""
    segment = yard.closed_segment("a", "b")
    data = segment.path.read_bytes()
    yard.log.seal()
    for back in (b"", data[:100], bytes(len(data)), data):
        segment.path.write_bytes(back)
        assert yard.seen() == ["a", "b"]
        yard.log.seal()
        assert yard.seen() == ["a", "b"]


def test_a_segment_that_a_power_cut_may_bring_back_is_not_forgotten(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk would not say that its removal was kept: sealed again and again meanwhile, it counts once."""
    segment = yard.closed_segment("a")
    data = segment.path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "sync_folder", broken)
        for name in "bc":
            with suppress(OSError):
                yard.log.seal()
            yard.closed_segment(name)
        with pytest.raises(OSError, match="Input/output"):
            yard.log.seal()
    segment.path.write_bytes(data)
    assert yard.seen() == ["a", "b", "c"]
    yard.log.seal()
    assert yard.seen() == ["a", "b", "c"]


def test_a_damaged_parquet_file_hides_nothing_else(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    """It is skipped, logged and counted; when its segment is still there, that is sealed again, and nothing twice."""
    segment = yard.closed_segment("a")
    kept = shutil.copy(segment.path, yard.log_folder.parent / "kept")
    yard.log.seal()
    (file,) = yard.files
    yard.closed_segment("b")
    shutil.copy(kept, segment.path)
    file.write_bytes(file.read_bytes()[:-20])
    assert yard.seen() == ["b"]
    assert "sealed file damaged" in caplog.messages
    stats = yard.log.stats("d")
    assert (stats.damaged, stats.lost_bytes) == (1, file.stat().st_size + 20)
    yard.log.seal()
    assert yard.seen() == ["a", "b"]
    assert yard.log.stats("d").damaged == 0
    assert not file.exists()


def test_those_who_seal_at_once_seal_each_record_once(yard: Yard) -> None:
    """One works, the others wait, and find nothing left to do."""
    for number in range(12):
        yard.closed_segment(f"{number:02}")
    done: list[int] = []
    threads = [threading.Thread(target=lambda: done.append(yard.another_log().seal().records)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 12
    assert yard.seen() == [f"{number:02}" for number in range(12)]


def test_while_one_seals_the_others_wait(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of the log's folder is held as long as there is work."""
    yard.closed_segment("a")
    write, tried = files.write_part, list[bool]()

    def trying(*arguments: object, **named: object) -> object:
        with (yard.log_folder / ".sealing").open() as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tried.append(True)
        return write(*arguments, **named)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(sealing, "write_part", trying)
    assert yard.log.seal().records == 1
    assert tried


def test_a_process_forked_while_sealing_keeps_nobody_from_sealing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a copy of the lock, but the lock is given up, not only closed."""
    yard.closed_segment("a")
    children: list[int] = []
    write = files.write_part

    def forking(*arguments: object, **named: object) -> object:
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        children.append(child)
        return write(*arguments, **named)  # type: ignore[arg-type]  # passed through

    try:
        with monkeypatch.context() as patched:
            patched.setattr(sealing, "write_part", forking)
            yard.log.seal()
        yard.closed_segment("b")
        assert yard.log.seal().records == 1
        assert yard.seen() == ["a", "b"]
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_a_segment_goes_only_after_its_parquet_file_is_on_the_disk(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """File flushed, renamed, folder flushed, the catalog likewise, which forgets the segment before once its removal is
    flushed, and only then is the segment deleted."""
    yard.closed_segment("b")
    yard.log.seal()  # the folders are there
    yard.closed_segment("a")
    steps: list[str] = []
    monkeypatch.setattr(os, "fsync", noted(steps, "flush", os.fsync))
    monkeypatch.setattr(Path, "replace", noted(steps, "rename", Path.replace))
    monkeypatch.setattr(Path, "unlink", noted(steps, "delete", Path.unlink))
    yard.log.seal()
    put = ["flush", "rename", "flush"]
    assert steps == [*put, "flush", *put, "delete", "delete"]  # the segment before; the old catalog, the segment


@pytest.mark.parametrize("again", ["seal", "compact"])
def test_nothing_goes_before_the_catalog_is_on_the_disk(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    """It was renamed, and the disk failed then: who does it again flushes its folder, then deletes what it replaces."""
    yard.closed_segment("a")
    yard.log.seal()
    yard.closed_segment("b")
    act: Callable[[], object] = yard.log.seal
    if again == "compact":
        yard.log.seal()
        act = partial(yard.log.compact, everything=True)
    with monkeypatch.context() as patched:
        patched.setattr("modelyard.core.files.sync_folder", broken)
        with pytest.raises(OSError, match="Input/output"):
            act()
    steps: list[str] = []
    monkeypatch.setattr(os, "fsync", noted(steps, "flush", os.fsync))
    monkeypatch.setattr(Path, "unlink", noted(steps, "delete", Path.unlink))
    act()
    assert steps[0] == "flush"
    assert "delete" in steps
    assert yard.seen() == ["a", "b"]


def test_the_reader_sees_each_record_once_wherever_sealing_falls(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the segments are listed, after it, before a segment is read, before its file is; in both logs, in turn."""
    places = [
        "reading.segments",
        "reading.Unsealed.keep",
        "unsealed.read_segment",
        "small.read_part",
        "catalog._shared",
    ]
    expected: list[str] = []
    for number, place in enumerate(places * 2):
        expected.append(f"{number:02}")
        yard.closed_segment(expected[-1])
        original = resolve_name(f"modelyard.history.{place}")

        done: list[bool] = []

        def between(
            *arguments: object, original: Callable[..., object] = original, done: list[bool] = done, **named: object
        ) -> object:
            if not done:
                done.append(True)
                yard.another_log_seals()
            return original(*arguments, **named)

        log = yard.log if number % 2 else yard.another_log()
        with monkeypatch.context() as patched:
            patched.setattr(f"modelyard.history.{place}", between)
            assert ids_of(log) == expected
        assert done or place == "small.read_part"
        assert ids_of(log) == expected
