"""The disk is full, broken, or takes half of a write, at the n-th change: nothing is acknowledged that is not there.

Afterwards what failed is done again, by the same objects, and succeeds. At the end the power fails as well.
"""

import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

from modelyard.audit import sinks
from modelyard.core import ManualClock, ModelyardError
from modelyard.journal.writing import OpenSegment

from .disk import Disk, Failure, lay_out, left_by_power_cut
from .subjects import SUBJECTS, Subject

pytestmark = pytest.mark.long

FAILURES: Sequence[Failure] = get_args(Failure)
REFUSALS = (ModelyardError, OSError)


def disturbed(kind: type[Subject], folder: Path, clock: ManualClock, failure: Failure, at: int) -> bool:
    """Do all that a subject does on a disk that fails at its n-th change; False when it has fewer changes."""
    life = folder / "life"
    life.mkdir()
    with Disk(life, fail_at=at, failure=failure) as disk:
        subject = kind(life, clock)
        tried = set[str]()
        for act in subject.acts():
            tried |= set(act.promises)
            before = disk.failed
            try:
                act.do()
            except REFUSALS:
                assert disk.failed > before, "nothing was wrong, and it failed"
                disk.heal()
                subject.check(disk.said, tried)
                act.do()
            disk.said += act.promises
        disk.heal()
        subject.close()
    subject.check(disk.said, disk.said)
    shutil.rmtree(life)
    for state, said in left_by_power_cut(disk.moments[-1:], random.Random(at), drawn=0):
        lay_out(state, life)
        kind(life, clock).check(disk.said[:said], disk.said)
        shutil.rmtree(life)
    return disk.failed


def failures(kind: type[Subject], folder: Path, clock: ManualClock, failure: Failure, changes: int) -> int:
    """Let each of the first changes fail, in a life of its own; how many did."""
    return sum(disturbed(kind, folder, clock, failure, at) for at in range(1, changes + 1))


def changes_of(kind: type[Subject], folder: Path, clock: ManualClock) -> int:
    """How many changes of the disk a subject makes when nothing fails."""
    folder.mkdir()
    with Disk(folder) as disk:
        subject = kind(folder, clock)
        for act in subject.acts():
            act.do()
        subject.close()
    shutil.rmtree(folder)
    return disk.changes


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", SUBJECTS)
def test_what_a_failing_disk_refuses_is_not_acknowledged(
    name: str, failure: Failure, tmp_path: Path, clock: ManualClock
) -> None:
    """At changes all over its course."""
    kind, chance = SUBJECTS[name], random.Random(3)
    changes = changes_of(kind, tmp_path / "counted", clock)
    for at in sorted(chance.sample(range(1, changes + 1), 2 if name in ("sealed log", "journal") else 5)):
        assert disturbed(kind, tmp_path, clock, failure, at) or failure != "EIO"


def half_taken_back(self: OpenSegment, _: int) -> None:
    """Give up a segment, and leave what was written of the call."""
    self.close()


def written_once(descriptor: int, data: bytes) -> None:
    """One write, however much of it was taken."""
    os.write(descriptor, data)


GUARDS: tuple[tuple[str, str, Failure, object, str, object], ...] = (
    ("taking back", "journal", "short", OpenSegment, "abandon", half_taken_back),
    ("taking back what was not flushed", "journal", "EIO", OpenSegment, "abandon", half_taken_back),
    ("writing all of it", "checkpoints", "short", sinks, "_write_whole", written_once),
)


@pytest.mark.parametrize(
    ("name", "failure", "where", "what", "without"), [each[1:] for each in GUARDS], ids=[each[0] for each in GUARDS]
)
def test_without_its_guard_something_is_there_that_was_refused(
    name: str,
    failure: Failure,
    where: object,
    what: str,
    without: Any,
    tmp_path: Path,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or not there, that was acknowledged."""
    monkeypatch.setattr(where, what, without)
    with pytest.raises(AssertionError):
        failures(SUBJECTS[name], tmp_path, clock, failure, 40)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", SUBJECTS)
def test_at_every_change(name: str, failure: Failure, tmp_path: Path, clock: ManualClock) -> None:
    """For all n."""
    kind = SUBJECTS[name]
    changes = changes_of(kind, tmp_path / "counted", clock)
    failed = failures(kind, tmp_path, clock, failure, changes)
    print(f"{name}, {failure}: {failed} failures at {changes} changes")  # noqa: T201 - the figure, with `pytest -s`
    assert failed > changes // 4
