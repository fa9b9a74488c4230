"""A segment belongs to its writer while that lives, then to one who seals; nobody writes into what another takes."""

import fcntl
import os
import signal
from pathlib import Path

import pytest

from modelyard.core import ManualClock
from modelyard.journal import Journal, Segment, claimed, quarantined, read_segment, segments

from .samples import acknowledged, identities, prediction, start_writer


def test_a_killed_writer_s_segment_is_to_be_had_and_a_living_one_s_is_not(tmp_path: Path, clock: ManualClock) -> None:
    """The system drops the lock of a killed process; acknowledged records are in its segment, once."""
    living = Journal(tmp_path, "living", clock)
    living.append([prediction("z")])
    writer = start_writer(tmp_path, "killed", segment_size=10**6)
    assert writer.stdout is not None
    said = [writer.stdout.readline().strip() for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    said += acknowledged(writer)
    for segment in segments(tmp_path, "predictions"):
        with claimed(segment) as ours:
            assert ours == ("killed" in segment.path.name)
            if ours:
                found = identities(read_segment(segment))
                assert found[: len(said)] == said
                assert len(found) <= len(said) + 1
    living.close()


def test_a_file_taken_between_its_creation_and_its_lock_is_not_written(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever seals sees an empty file without a lock, and deletes it: the writer notices and takes another."""
    journal, real = Journal(tmp_path, "s", clock), fcntl.flock
    taken: list[Segment] = []

    def sealed_first(descriptor: int, operation: int) -> None:
        if len(taken) < 3:
            (segment,) = segments(tmp_path, "predictions")
            taken.append(segment)
            segment.path.unlink()
        real(descriptor, operation)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", sealed_first)
        journal.append([prediction("a")])
    (segment,) = segments(tmp_path, "predictions")
    assert segment not in taken
    assert identities(read_segment(segment)) == ["a"]
    journal.close()


def test_a_file_that_is_being_sealed_while_it_is_created_is_not_waited_for(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else holds the lock first: the writer takes another name."""
    journal, real = Journal(tmp_path, "s", clock), fcntl.flock
    claims: list[int] = []

    def claimed_first(descriptor: int, operation: int) -> None:
        if not claims:
            (segment,) = segments(tmp_path, "predictions")
            claims.append(os.open(segment.path, os.O_RDONLY))
            real(claims[0], fcntl.LOCK_EX)
        real(descriptor, operation)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", claimed_first)
        journal.append([prediction("a")])
    os.close(claims[0])
    assert [len(read_segment(each).records) for each in segments(tmp_path, "predictions")] == [0, 1]
    journal.close()


def test_only_one_claims_a_segment(tmp_path: Path, clock: ManualClock) -> None:
    """The second is told no, until the first is done; one that is gone is nobody's."""
    journal = Journal(tmp_path, "s", clock)
    journal.append([prediction("a")])
    journal.close()
    (segment,) = segments(tmp_path, "predictions")
    with claimed(segment) as first, claimed(segment) as second:
        assert (first, second) == (True, False)
    with claimed(segment) as again:
        assert again
        segment.path.unlink()
    with claimed(segment) as gone:
        assert not gone


@pytest.mark.parametrize("replaced", [False, True])
def test_a_segment_moved_between_opening_and_locking_is_not_ours(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """The lock is had, but of a file that has no name any more, or whose name is another file's now."""
    journal, real = Journal(tmp_path, "s", clock), fcntl.flock
    journal.append([prediction("a")])
    journal.close()
    (segment,) = segments(tmp_path, "predictions")

    def moved(descriptor: int, operation: int) -> None:
        if operation != fcntl.LOCK_UN:
            segment.path.rename(segment.path.with_suffix(".damaged"))
            if replaced:
                segment.path.touch()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", moved)
    with claimed(segment) as ours:
        assert not ours


def test_what_is_quarantined_is_not_listed_as_a_segment(tmp_path: Path) -> None:
    """Nor anything else that lies in the folder; segments of format version 1 are, by either of their names."""
    (tmp_path / "truths").mkdir()
    for name in ("1-a.seg", "2-a.open", "3-a.damaged", "4-a.tmp", "notes"):
        (tmp_path / "truths" / name).touch()
    assert [each.path.name for each in segments(tmp_path, "truths")] == ["1-a.seg", "2-a.open"]
    assert [each.path.name for each in quarantined(tmp_path, "truths")] == ["3-a.damaged"]
    assert segments(tmp_path, "outcomes") == ()
