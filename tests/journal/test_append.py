"""What was acknowledged is there, once; what was refused is not, and the next call finds a journal that works."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.core import ManualClock, SystemClock
from modelyard.journal import (
    Family,
    Journal,
    JournalUnavailable,
    PredictionRecord,
    TruthRecord,
    Unrecordable,
    claimed,
    read_segment,
    segments,
)

from .samples import identities, prediction, truth

Write = Callable[[int, bytes], int]


def logged(folder: Path, family: Family = "predictions") -> list[str]:
    """The ids in all segments of a family; nothing in any of them is damaged."""
    found = [read_segment(each) for each in segments(folder, family)]
    assert all(each.damage == () and each.torn_bytes == 0 for each in found)
    records = (record for each in found for record in each.records)
    return [each.prediction_id for each in records if isinstance(each, PredictionRecord | TruthRecord)]


def finished(folder: Path, family: Family = "predictions") -> list[bool]:
    """For each segment, whether it may be sealed."""
    answers = []
    for each in segments(folder, family):
        with claimed(each) as ours:
            answers.append(ours)
    return answers


def test_records_come_back_as_they_were(tmp_path: Path, clock: ManualClock) -> None:
    """Each family in its own segment, in the order of writing."""
    journal = Journal(tmp_path, "s", clock)
    label = truth("a", at=1)
    journal.append([prediction("a"), label, prediction("b")])
    (predictions,), (truths,) = segments(tmp_path, "predictions"), segments(tmp_path, "truths")
    assert read_segment(predictions).records == (prediction("a"), prediction("b"))
    assert read_segment(truths).records == (label,)
    assert finished(tmp_path) == [False]
    journal.close()
    journal.close()
    assert finished(tmp_path) == [True]
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
    assert logged(tmp_path) == [str(number) for number in range(20)]
    assert len(segments(tmp_path, "predictions")) > 3


def test_several_journals_of_one_server_and_instant_do_not_meet(tmp_path: Path, clock: ManualClock) -> None:
    """A name that is taken is passed over, never written into."""
    journals = [Journal(tmp_path, "s", clock) for _ in range(3)]
    for number, journal in enumerate(journals):
        journal.append([prediction(str(number))])
    assert len(segments(tmp_path, "predictions")) == 3
    for journal in journals:
        journal.close()
    assert sorted(logged(tmp_path)) == ["0", "1", "2"]


def test_threads_share_a_journal(tmp_path: Path) -> None:
    """Nothing is lost or mixed up, also while segments change."""
    journal = Journal(tmp_path, "s", SystemClock(), segment_bytes=2000)

    def work(name: str) -> None:
        for number in range(100):
            journal.append([prediction(f"{name}{number}")])

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert sorted(logged(tmp_path)) == sorted(f"{name}{n}" for name in "abcd" for n in range(100))
    assert journal.written == 400


def broken_after(whole: int, kept: float, failure: int) -> Write:
    """A write that works some times, then writes only a part, and then fails."""
    write, calls = os.write, iter(range(10**6))

    def broken(descriptor: int, data: bytes) -> int:
        call = next(calls)
        if call < whole:
            return write(descriptor, data)
        if call == whole and int(len(data) * kept):
            return write(descriptor, data[: int(len(data) * kept)])
        raise OSError(failure, os.strerror(failure))

    return broken


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("failure", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_acknowledges_nothing_and_heals(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, kept: float, failure: int
) -> None:
    """However much of the call was written, none of it is there; the next one that fits succeeds."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("a")])
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", broken_after(0, kept, failure))
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="cannot be written"):
                journal.append([prediction("lost"), prediction("lost too")])
    journal.append([prediction("b")])
    journal.close()
    assert logged(tmp_path) == ["a", "b"]
    assert len(segments(tmp_path, "predictions")) == 2  # those that got no record are gone
    assert (journal.written, journal.refused) == (2, 4)


def test_a_write_in_two_halves_is_one_write(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may take a part only, without anything being wrong."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: max(1, len(data) // 2)]))
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("a"), prediction("b")])
    journal.close()
    assert logged(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("known", [False, True])
def test_a_call_of_several_families_is_there_whole_or_not_at_all(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """The first family was written when the second failed: it is taken back, in a segment old or new."""
    journal = Journal(tmp_path, "s", clock)
    if known:
        journal.append([prediction("a"), truth("a")])
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", broken_after(1 if known else 3, 0.5, errno.ENOSPC))
        with pytest.raises(JournalUnavailable):
            journal.append([prediction("lost"), truth("lost")])
    journal.append([prediction("b"), truth("b")])
    journal.close()
    expected = ["a", "b"] if known else ["b"]
    assert (logged(tmp_path), logged(tmp_path, "truths")) == (expected, expected)


def test_a_value_that_cannot_be_written_leaves_nothing_of_its_call(tmp_path: Path, clock: ManualClock) -> None:
    """The records before it in the call are not there either, and the journal goes on."""
    journal = Journal(tmp_path, "s", clock)
    with pytest.raises(Unrecordable, match="is no instant"):
        journal.append([prediction("lost"), truth("lost", at=2**63)])
    journal.append([prediction("a")])
    journal.close()
    assert logged(tmp_path) == ["a"]


def test_an_interrupt_in_the_middle_of_a_write_spoils_nothing(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between the write and its bookkeeping: the record was not acknowledged, and the next one is whole."""
    journal, write = Journal(tmp_path, "s", clock), os.write
    journal.append([prediction("a")])

    def interrupted(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:30])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append([prediction("lost")])
    journal.append([prediction("b")])
    journal.close()
    assert logged(tmp_path) == ["a", "b"]


def test_when_nothing_can_be_taken_back_the_segment_is_given_up(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk refuses even to shorten the file: its readers end with the last whole record, and a new one begins."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("a")])

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched, caplog.at_level("INFO"):
        patched.setattr(os, "write", broken_after(0, 0.5, errno.EIO))
        patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(JournalUnavailable):
            journal.append([prediction("lost")])
    assert "unacknowledged bytes remain" in caplog.messages
    journal.append([prediction("b")])
    journal.close()
    old, new = (read_segment(each) for each in segments(tmp_path, "predictions"))
    assert (identities(old), identities(new)) == (["a"], ["b"])
    assert old.torn_bytes > 0
    assert finished(tmp_path) == [True, True]


FULL = """
import json, resource, signal, sys
from pathlib import Path
from modelyard.core import SystemClock
from modelyard.journal import Journal, JournalUnavailable, PredictionRecord
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal, acknowledged = Journal(Path(sys.argv[1]), "full", SystemClock(), durability=sys.argv[3]), []
def record(identity, size):
    return PredictionRecord(identity, 0, "d", 1, "1", "live", "live", True, "x" * size, (), "1", (), 0)
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
refusals = 0
for number in range(60):
    call = [f"{number}.{part}" for part in range(3)]
    try:
        journal.append([record(each, 700) for each in call])
        acknowledged += call
    except JournalUnavailable:
        refusals += 1
print(json.dumps([acknowledged, refusals]))
"""


def fill(folder: Path, limit: int, durability: str) -> tuple[list[str], int]:
    """Write 180 records of 700 bytes in calls of three; which were acknowledged, and how many calls were refused."""
    program = [sys.executable, "-c", FULL, str(folder), str(limit), durability]
    acknowledged, refusals = json.loads(subprocess.run(program, capture_output=True, check=True, text=True).stdout)
    return acknowledged, refusals


@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_file_that_may_not_grow_is_followed_by_the_next(tmp_path: Path, durability: str) -> None:
    """The system's own limit strikes in the middle of a call: the refused calls are not there, the others are."""
    acknowledged, refusals = fill(tmp_path, 20_000, durability)
    assert refusals > 3
    assert logged(tmp_path) == acknowledged
    assert len(acknowledged) + 3 * refusals == 180


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_on_a_full_disk_only_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    """A real small disk: once it is full nothing more is taken, no empty files pile up, and all before is there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        acknowledged, refusals = fill(disk, 0, "process")
        assert refusals > 3
        assert acknowledged
        assert logged(disk) == acknowledged
        assert len(segments(disk, "predictions")) == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_what_a_power_cut_must_not_take_is_flushed_before_the_call_returns(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes at every call, and at the first also the file's entry and those of the folders made for it."""
    flushed: list[Path] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(tmp_path / "a" / "b", "s", clock, durability="power")
    journal.append([prediction("a")])
    (segment,) = segments(tmp_path / "a" / "b", "predictions")
    assert {segment.path, *segment.path.parents[:4]} == set(flushed)
    assert flushed[-1] == segment.path
    flushed.clear()
    journal.append([prediction("b")])
    assert flushed == [segment.path]
    journal.close()


def test_bytes_that_could_not_be_flushed_are_not_acknowledged(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed flush nobody knows what the disk has of a file: it is not written again."""
    journal = Journal(tmp_path, "s", clock, durability="power")
    journal.append([prediction("a")])

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(JournalUnavailable):
            journal.append([prediction("lost")])
    journal.append([prediction("b")])
    journal.close()
    assert logged(tmp_path) == ["a", "b"]
    assert len(segments(tmp_path, "predictions")) == 2


def in_fork(work: Callable[[], None]) -> int:
    """Run something in a forked process; its exit status."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_process_writes_its_own_segment(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its records nor the parent's are lost when the other takes back a failed call."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("parent")])
    assert in_fork(lambda: journal.append([prediction("child")])) == 0
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", broken_after(0, 0.5, errno.ENOSPC))
        with pytest.raises(JournalUnavailable):
            journal.append([prediction("lost")])
    journal.close()
    assert sorted(logged(tmp_path)) == ["child", "parent"]
    assert len(segments(tmp_path, "predictions")) == 2


def test_a_process_forked_while_a_thread_writes_does_not_hang(tmp_path: Path, clock: ManualClock) -> None:
    """The lock that the thread held is not the child's to wait for."""
    journal = Journal(tmp_path, "s", clock)
    with journal._lock:
        assert in_fork(lambda: journal.append([prediction("child")])) == 0
    assert logged(tmp_path) == ["child"]


def test_a_forked_process_does_not_keep_its_parent_s_segments_open(tmp_path: Path, clock: ManualClock) -> None:
    """It lives on; what the parent closed may be sealed, and what it has open is still its own."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("a")])
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"x")
        signal.pause()
        os._exit(0)
    try:
        assert os.read(ready, 1) == b"x"
        assert finished(tmp_path) == [False]
        journal.close()
        assert finished(tmp_path) == [True]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)


def test_the_limit_on_open_files_is_a_refusal_like_any_other(tmp_path: Path, clock: ManualClock) -> None:
    """No descriptor is to be had: the record is refused, and the next is taken when there are some again."""
    journal = Journal(tmp_path, "s", clock)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    (tmp_path / "predictions").mkdir()
    lowest = os.open(tmp_path, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(JournalUnavailable, match="Too many open files"):
            journal.append([prediction("lost")])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    journal.append([prediction("a")])
    journal.close()
    assert logged(tmp_path) == ["a"]


def test_an_empty_call_opens_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """There is nothing to write, and so no segment."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([])
    assert not (tmp_path / "predictions").exists()
    journal.close()


def test_a_journal_opened_anew_at_the_same_instant_begins_another_file(tmp_path: Path, clock: ManualClock) -> None:
    """A reader that has sealed the first one would take the second, under its name, for read."""
    names: list[str] = []
    for _ in range(2):
        journal = Journal(tmp_path, "server", clock)
        journal.append([prediction("a")])
        journal.close()
        names += [each.path.name for each in segments(tmp_path, "predictions")]
        for each in segments(tmp_path, "predictions"):
            each.path.unlink()
    assert len(set(names)) == len(names) == 2
