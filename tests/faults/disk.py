"""A disk that can be watched, that fails when told, and of which is known what a power cut would leave.

`Disk` stands between Python and the files below one folder, at the level of `os`: what is opened through `io` goes
there too, by the standard library's own pure Python of it (`_pyio`). It notes before each change what is on the disk
for certain (bytes that were flushed by `fsync`, names whose folder was) and what the system merely has. From that
`left_by_power_cut` builds states in which a disk may come back: bytes that were not flushed are there, missing, torn or
zeros, and names that were not flushed are there or not, in any order, as POSIX leaves it open and journalling file
systems differ (Pillai and others, "All File Systems Are Not Created Equal", OSDI 2014).
"""

import _pyio  # type: ignore[import-not-found]
import builtins
import errno
import io
import itertools
import os
import random
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

Failure = Literal["full", "EIO", "short"]
"""No space from the n-th change on, until `heal`; one error of the device; one write that takes half and then fails."""

State = dict[str, bytes | None]
"""Paths below the folder, with their bytes; None is a folder."""

Name = tuple[int, str]
"""What stands in a folder: the folder's number, and the name in it. The watched folder itself has the number 0."""

Change = dict[Name, int | None]
"""Names that came to mean a file or folder of a number, or nothing: by one call, so all of them or none."""

_CHANGING = ("open", "write", "fsync", "replace", "rename", "unlink", "remove", "mkdir", "rmdir", "ftruncate", "link")
_TAKES_SPACE = {"open", "write", "mkdir"}


@dataclass(frozen=True)
class Moment:
    """What is known of the disk at one moment, and how much had been acknowledged by then.

    `names` and `flushed` are what is there for certain; `pending` the changes of names since, in their order, each of
    which happens wholly or not at all; `held` the bytes that the system has.
    """

    said: int
    names: dict[Name, int]
    pending: tuple[Change, ...]
    flushed: dict[int, bytes | None]
    held: dict[int, bytes | None]


class Disk:
    """The files below `root`, watched while the block lasts. One thread at a time."""

    def __init__(self, root: Path, *, fail_at: int | None = None, failure: Failure = "EIO") -> None:
        """With `fail_at` the change of that number, from 1, fails in the way that `failure` says."""
        self.said: list[str] = []
        self.moments: list[Moment] = []
        self.changes = 0
        self.failed = False
        self._root = str(root.resolve())
        self._fail_at = fail_at
        self._failure = failure
        self._half_written = False
        self._healed = False
        self._real = {name: getattr(os, name) for name in _CHANGING}
        self._numbers = itertools.count(1)
        self._inodes: dict[int, int] = {root.stat().st_ino: 0}
        self._names: dict[Name, int] = {}
        self._certain: dict[Name, int] = {}
        self._pending: list[Change] = []
        self._flushed: dict[int, bytes | None] = {}
        self._held: dict[int, bytes | None] = {}
        self._patches: list[Any] = []

    def __enter__(self) -> "Disk":
        self._look()
        self._certain, self._pending = dict(self._names), []
        self._flushed = dict(self._held)
        self._patches = [mock.patch.object(os, name, self._watched(name)) for name in _CHANGING]
        self._patches += [mock.patch.object(module, "open", _pyio.open) for module in (io, builtins)]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._note()
        for patch in reversed(self._patches):
            patch.stop()

    def heal(self) -> None:
        """Fail no more."""
        self._healed = True

    def _watched(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def call(*given: Any, **named: Any) -> Any:
            if not self._concerns(name, given, named):
                return real(*given, **named)
            self._note()
            self.changes += 1
            given = self._disturbed(name, given)
            try:
                done = real(*given, **named)
            finally:
                self._look()
            if name == "fsync":
                self._flush(given[0])
            return done

        return call

    def _concerns(self, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> bool:
        """Whether a call changes anything below the root; what only opens for reading does not."""
        if name == "open" and not given[1] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            return False
        where = given[1] if name in ("replace", "rename", "link") else given[0]
        path = _path_of(where) if isinstance(where, int) else os.fsdecode(where)
        if (folder := named.get("dir_fd")) is not None:
            path = f"{_path_of(folder)}/{path}"
        return f"{Path(path).absolute()}/".startswith(f"{self._root}/")

    def _disturbed(self, name: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """The same call, or an error, or half of what was to be written."""
        if self._healed or self._fail_at is None:
            return given
        if self._half_written and name in _TAKES_SPACE:
            self._half_written, self._healed = False, True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._failure == "full" and self.changes >= self._fail_at and name in _TAKES_SPACE:
            self.failed = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._failure == "EIO" and self.changes == self._fail_at:
            self.failed = True
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self._failure == "short" and self.changes >= self._fail_at and name == "write" and not self.failed:
            self.failed = self._half_written = True
            return given[0], bytes(given[1])[: len(given[1]) // 2]
        return given

    def _look(self) -> None:
        """Take in what the system has now; a change of names since the last look is one change."""
        found: dict[Name, int] = {}
        inodes = {Path(self._root).stat().st_ino: 0}
        self._walk(self._root, 0, found, inodes)
        change: Change = {name: number for name, number in found.items() if self._names.get(name) != number}
        change |= dict.fromkeys(self._names.keys() - found.keys())
        if change:
            self._pending.append(change)
        self._names, self._inodes = found, inodes

    def _walk(self, folder: str, parent: int, found: dict[Name, int], inodes: dict[int, int]) -> None:
        with os.scandir(folder) as entries:
            every = sorted(entries, key=lambda each: each.name)
        for each in every:
            inode = each.inode()
            number = self._inodes.get(inode)
            if number is None:
                number = next(self._numbers)
                self._flushed[number] = None if each.is_dir() else b""
            found[parent, each.name], inodes[inode] = number, number
            self._held[number] = None if each.is_dir() else self._bytes(each.path)
            if each.is_dir():
                self._walk(each.path, number, found, inodes)

    def _bytes(self, path: str) -> bytes:
        descriptor = self._real["open"](path, os.O_RDONLY)
        try:
            pieces = []
            while piece := os.read(descriptor, 1 << 20):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def _flush(self, descriptor: int) -> None:
        """What an `fsync` makes certain: the bytes of a file, or the names in a folder."""
        number = self._inodes.get(os.fstat(descriptor).st_ino)
        if number is None:  # a file without a name
            return
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._flushed[number] = self._held[number]
            return
        certain = [change for change in self._pending if any(folder == number for folder, _ in change)]
        self._pending = [change for change in self._pending if change not in certain]
        for change in certain:  # a rename between folders is made when either of them is flushed
            self._certain = _changed(self._certain, change)

    def _note(self) -> None:
        self._look()
        pending = tuple(map(dict, self._pending))
        self.moments.append(Moment(len(self.said), dict(self._certain), pending, dict(self._flushed), dict(self._held)))


def left_by_power_cut(moments: list[Moment], chance: random.Random, *, drawn: int = 4) -> Iterator[tuple[State, int]]:
    """States that a power cut may leave, each once, with how much of what was said before the last that leads to it.

    For each moment: nothing that was not flushed; all of it; names without their bytes; bytes torn; each change of
    names alone missing, and alone there; and `drawn` at random.
    """
    found: dict[frozenset[tuple[str, bytes | None]], int] = {}
    for moment in moments:
        for state in _states(moment, chance, drawn):
            key = frozenset(state.items())
            found[key] = max(moment.said, found.get(key, 0))
    for key, said in found.items():
        yield dict(key), said


def lay_out(state: State, folder: Path) -> None:
    """Make the files of a state."""
    for name in sorted(state):
        body, path = state[name], folder / name
        if body is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)


def _states(moment: Moment, chance: random.Random, drawn: int) -> Iterator[State]:
    changes = range(len(moment.pending))
    every, none = set(changes), set[int]()
    for kept in (none, every):
        for how in ("flushed", "held", "torn", "zeros"):
            yield _state(moment, kept, how, chance)
    for one in changes:
        yield _state(moment, every - {one}, "flushed", chance)
        yield _state(moment, {one}, "flushed", chance)
    for _ in range(drawn if changes else 0):
        yield _state(moment, {each for each in changes if chance.random() < 0.5}, "any", chance)


def _state(moment: Moment, kept: set[int], how: str, chance: random.Random) -> State:
    names = moment.names
    for index in sorted(kept):
        names = _changed(names, moment.pending[index])
    state: State = {}
    folders = [(0, "")]
    while folders:
        folder, path = folders.pop()
        for (parent, name), number in names.items():
            if parent == folder:
                state[path + name] = content = _content(moment, number, how, chance)
                if content is None:
                    folders.append((number, f"{path}{name}/"))
    return state


def _changed(names: dict[Name, int], change: Change) -> dict[Name, int]:
    """Names after a change."""
    after: Change = {**names, **change}
    return {name: number for name, number in after.items() if number is not None}


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _content(moment: Moment, number: int, how: str, chance: random.Random) -> bytes | None:
    flushed, held = moment.flushed[number], moment.held[number]
    if flushed is None or held is None or flushed == held:
        return held
    how = chance.choice(("flushed", "held", "torn", "zeros")) if how == "any" else how
    if how == "flushed" or (how != "held" and not held.startswith(flushed)):
        return flushed
    if how == "held":
        return held
    cut = chance.randrange(len(flushed), len(held) + 1)
    return held[:cut] if how == "torn" else held[:cut] + bytes(len(held) - cut)
