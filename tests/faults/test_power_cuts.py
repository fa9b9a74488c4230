"""The power fails at any moment: what was acknowledged is there, once, whatever the disk did with the rest."""

import os
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelyard.audit import sinks
from modelyard.core import Digest, ManualClock, ModelyardError, files
from modelyard.history import files as history_files
from modelyard.history import labels, sealing
from modelyard.journal import Journal, writing
from modelyard.journal.writing import OpenSegment
from modelyard.routing import feed
from modelyard.storage.drivers.filesystem import FilesystemArtifactStore

from .disk import Disk, Moment, lay_out, left_by_power_cut
from .subjects import SUBJECTS, Subject

pytestmark = pytest.mark.long


def nothing(*_: object) -> None:
    """In place of what flushes."""


UNFLUSHED = SimpleNamespace(**{**vars(os), "fsync": nothing})
"""The module, for one that flushes nothing."""


def for_the_process(*given: Any, **named: Any) -> Journal:
    """A journal that survives the end of its process, and no power cut."""
    return Journal(*given, **{**named, "durability": "process"})


def there(self: FilesystemArtifactStore, digest: Digest, *, durable: bool) -> bool:
    """Content with a name."""
    return self.has(digest)


def lived(kind: type[Subject], folder: Path, clock: ManualClock) -> tuple[list[Moment], list[str]]:
    """All that a subject does, on a disk that is watched; the moments, and what was said in their course."""
    folder.mkdir()
    with Disk(folder) as disk:
        subject = kind(folder, clock)
        for act in subject.acts():
            act.do()
            disk.said += act.promises
        subject.close()
    return disk.moments, disk.said


def survives(kind: type[Subject], folder: Path, clock: ManualClock, *, seed: int, drawn: int, most: int) -> int:
    """Cut the power at every moment, and check what is left; returns how many states there were."""
    moments, said = lived(kind, folder / "life", clock)
    states = list(left_by_power_cut(moments, random.Random(seed), drawn=drawn))
    if len(states) > most:
        states = random.Random(seed).sample(states, most)
    for state, so_far in states:
        place = folder / "after"
        lay_out(state, place)
        place.mkdir(exist_ok=True)
        after = kind(place, clock)
        after.check(said[:so_far], said)
        after.close()
        shutil.rmtree(place)
    return len(states)


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_was_acknowledged_survives_a_power_cut(name: str, tmp_path: Path, clock: ManualClock) -> None:
    """At changes of the disk: bytes dropped, torn or zeros; names there or not, in any order."""
    states = survives(SUBJECTS[name], tmp_path, clock, seed=1, drawn=2, most=40)
    assert states > 20


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SUBJECTS)
def test_it_does_so_at_every_change(name: str, tmp_path: Path, clock: ManualClock) -> None:
    """None left out, and more of what may be drawn."""
    states = survives(SUBJECTS[name], tmp_path, clock, seed=2, drawn=6, most=100_000)
    print(f"{name}: {states} states of the disk")  # noqa: T201 - the figure, with `pytest -s`


GUARDS: tuple[tuple[str, str, object, str, object], ...] = (
    ("a journal's flush", "journal", OpenSegment, "_flush", nothing),
    ("a segment's folder", "journal", writing, "sync_folder", nothing),
    ("folders that are made", "journal", files, "sync_folder", nothing),
    ("a segment's end in its folder", "sealed log", sealing, "sync_folder", nothing),
    ("a Parquet file's folder", "sealed log", history_files, "sync_folder", nothing),
    ("a Parquet file's flush", "sealed log", history_files, "os", UNFLUSHED),
    ("a route's flush", "feed", files, "os", UNFLUSHED),
    ("labels by power", "labels", labels, "Journal", for_the_process),
    ("a bundle's files", "feed", feed, "sync_tree", nothing),
    ("a bundle's name", "feed", feed, "sync_folder", nothing),
    ("what was there already", "artifacts", FilesystemArtifactStore, "_keeps", there),
    ("a checkpoint's file", "checkpoints", sinks, "sync_folder", nothing),
)


@pytest.mark.parametrize(
    ("name", "where", "what", "without"), [each[1:] for each in GUARDS], ids=[each[0] for each in GUARDS]
)
def test_without_its_guard_it_does_not(
    name: str,
    where: object,
    what: str,
    without: object,
    tmp_path: Path,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that the guard is what does it."""
    monkeypatch.setattr(where, what, without)
    with pytest.raises((AssertionError, ModelyardError, OSError)):  # what is missing, or what a reader makes of damage
        survives(SUBJECTS[name], tmp_path, clock, seed=1, drawn=2, most=400)
