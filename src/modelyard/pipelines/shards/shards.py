"""Rows in shards, and what can be done with all of them: pass by pass, with the same bytes wherever it is done."""

import inspect
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import InvalidInput, canonical_json, digest_of
from modelyard.storage import open_artifact_store

from ..artifacts import Artifact
from ..artifacts.pickles import dumps, loads
from ..code import ProjectNames, fingerprint
from .call import Work, discard, opened, parcel_of
from .callers import Caller
from .kept import Kept
from .tree import Combine, Tree, add

FORMAT = 1
"""Raise it when the same pass would give other bytes: nothing that was kept before is taken then."""

Function = Callable[..., Any]


@dataclass(frozen=True)
class Rounds:
    """What `Shards.iterate` ended with: the state, how many rounds changed it, and why there is no further one."""

    state: Any
    rounds: int
    ended: str


@dataclass(frozen=True)
class Bench:
    """What the shards of one cut, and those made of them, work with.

    `folder` has their store and is removed at the end; `calls` are counted by what they are named.
    """

    folder: Path
    project: Path
    caller: Caller
    kept: Kept
    seed: int
    stack: ExitStack
    passes: list[int]

    @property
    def store(self) -> Path:
        """Where the shards are."""
        return self.folder / "store"

    @property
    def names(self) -> ProjectNames:
        """Names of the project's code."""
        return ProjectNames(self.project)

    def next_pass(self) -> int:
        """The number of a pass: passes that ask the same draw other random numbers."""
        self.passes[0] += 1
        return self.passes[0]


class Shards:
    """Rows cut into shards, each an Arrow table that worker processes map; made by `my.data_parallel`.

    Every method calls a function on each shard, `function(shard, **inputs)`, and joins the answers in the order of a
    fixed tree over the shards. Results hang on the rows, the number of shards and the seed, never on how many
    processes there were, which was faster, or whether they were Ray's. Functions stand at the top of a file of the
    project and change nothing but what they return: one may be called again.

    Every answer is kept in the step's folder, under the code of the function, its inputs and the rows: a step that was
    cut off is given it at once when it asks again. Usable as a context manager; for one thread.
    """

    def __init__(self, bench: Bench, shards: Sequence[Artifact]) -> None:
        self._bench, self._shards = bench, tuple(shards)

    def __enter__(self) -> "Shards":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many shards there are."""
        return len(self._shards)

    @property
    def digest(self) -> str:
        """Of all shards: equal when the rows and the cut are."""
        return str(digest_of(canonical_json([each.identity for each in self._shards])))

    def close(self) -> None:
        """End the processes and remove the shards, also those made by `map`. Repeating it is harmless."""
        self._bench.stack.close()

    def map(self, function: Function, inputs: Mapping[str, Any] | None = None) -> "Shards":
        """What the function gives for each shard, as shards: for work that every later pass needs, such as encoding.

        Answers stay where the shards are; tables and arrays, also in tuples and dicts, are mapped when they are used.
        """
        key, work, seeds = self._prepared("map", function, inputs or {})
        if (found := self._bench.kept.read(key)) is not None:
            made = msgspec.msgpack.decode(found, type=tuple[Artifact, ...])
            if self._are_there(made):
                return Shards(self._bench, made)
        answers = dict(self._answers(replace(work, keep=True), function, seeds))
        made = tuple(answers[at] for at in range(len(self._shards)))
        self._bench.kept.write(key, msgspec.msgpack.encode(made))
        return Shards(self._bench, made)

    def collect(self, function: Function, inputs: Mapping[str, Any] | None = None) -> list[Any]:
        """What the function returns for each shard, in the order of the shards."""
        key, work, seeds = self._prepared("collect", function, inputs or {})

        def made() -> list[Any]:
            found = dict(self._values(work, function, seeds))
            return [found[at] for at in range(len(self._shards))]

        return self._once(key, made)  # type: ignore[no-any-return]  # a list, kept or made

    def reduce(
        self, function: Function, inputs: Mapping[str, Any] | None = None, *, combine: Combine | None = None
    ) -> Any:
        """What the function returns for all shards together.

        `combine(earlier, later)` joins the answers of two neighbouring groups of shards, in this process; by default
        they are added: numbers, arrays of one shape, and tuples and dicts of them, part by part. Models that can be
        merged have a `combine` that merges them.
        """
        key, work, seeds = self._prepared("reduce", function, inputs or {}, combine)
        return self._once(key, lambda: self._total(work, function, seeds, combine))

    def iterate(
        self,
        function: Function,
        update: Callable[[Any, Any], Any],
        state: Any,
        *,
        rounds: int,
        stop: Callable[[Any, Any], bool] | None = None,
        inputs: Mapping[str, Any] | None = None,
        combine: Combine | None = None,
    ) -> Rounds:
        """Rounds of: `total` = `function(shard, state, **inputs)` of all shards together, then `update(state, total)`.

        It ends when `stop(state, total)` is true, with the state that was judged, or after so many `rounds`. The state
        is kept after every round, the newest alone, and a step that was cut off goes on from there.
        """
        if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
            raise InvalidInput(f"rounds={rounds!r:.40} is no whole number from 1.", remedy="Give rounds=100, say.")
        given = dict(inputs or {})
        names = self._bench.names
        begun = dumps({**given, "state": state}, names)
        number = self._bench.next_pass()
        key = self._key(f"iterate {number}", function, (update, combine), begun)
        done, state = self._resumed(key, begun, rounds)
        while done < rounds:
            work, seeds = self._work(dumps({**given, "state": state}, names)), self._seeds(number, done)
            total = self._total(work, function, seeds, combine)
            if stop is not None and stop(state, total):
                return Rounds(state, done, "it was good enough")
            found = dumps((done + 1, update(state, total)), names)
            self._bench.kept.write(key, found)
            done, state = loads(found, names)  # as a step has it that goes on from here
        return Rounds(state, done, "all rounds were made")

    def _resumed(self, key: str, begun: bytes, rounds: int) -> tuple[int, Any]:
        """The rounds that were made, and the state after them. A state of one's own: `update` may change it."""
        names = self._bench.names
        if (found := self._bench.kept.read(key)) is not None:
            done, state = loads(found, names)
            if done <= rounds:
                return done, state
        return 0, loads(begun, names)["state"]

    def _once(self, key: str, made: Callable[[], Any]) -> Any:
        names = self._bench.names
        if (found := self._bench.kept.read(key)) is not None:
            return loads(found, names)
        found = dumps(made(), names)
        self._bench.kept.write(key, found)
        return loads(found, names)  # as a step gets it that goes on

    def _prepared(
        self, what: str, function: Function, inputs: Mapping[str, Any], combine: Combine | None = None
    ) -> tuple[str, Work, list[int]]:
        data = dumps(dict(inputs), self._bench.names)
        number = self._bench.next_pass()
        return self._key(f"{what} {number}", function, (combine,), data), self._work(data), self._seeds(number)

    def _key(self, what: str, function: Function, others: Sequence[Function | None], inputs: bytes) -> str:
        """What an answer is kept under: everything that it hangs on."""
        names = self._bench.names
        codes = [None if each is None else fingerprint(_plain(each), names) for each in (function, *others)]
        return str(digest_of(canonical_json([FORMAT, what, codes, self.digest, digest_of(inputs), self._bench.seed])))

    def _work(self, inputs: bytes) -> Work:
        return Work(self._bench.project, self._bench.store, parcel_of(inputs, self._bench.folder))

    def _seeds(self, number: int, done: int = 0) -> list[int]:
        """A seed for each shard in each pass and round; code does not count, as in the seeds of steps."""
        content = [[self._bench.seed, number, done, at] for at in range(len(self._shards))]
        return [int(digest_of(canonical_json(each))[:8], 16) for each in content]

    def _total(self, work: Work, function: Function, seeds: Sequence[int], combine: Combine | None) -> Any:
        tree = Tree(len(self._shards), add if combine is None else combine)
        for at, value in self._values(work, function, seeds):
            tree.put(at, value)
        return tree.total

    def _values(self, work: Work, function: Function, seeds: Sequence[int]) -> Iterator[tuple[int, Any]]:
        names = self._bench.names
        for at, answer in self._answers(work, function, seeds):
            yield at, loads(opened(answer), names)
            discard(answer)

    def _answers(self, work: Work, function: Function, seeds: Sequence[int]) -> Iterator[tuple[int, Any]]:
        try:
            yield from self._bench.caller.answers(work, function, self._shards, seeds)
        finally:
            discard(work.inputs)

    def _are_there(self, shards: Sequence[Artifact]) -> bool:
        has = open_artifact_store(self._bench.store).has
        return all(has(leaf.digest) for each in shards for leaf in each.leaves())


def _plain(function: Any) -> Any:
    """A function as it was defined; InvalidInput for what is not one."""
    function = getattr(function, "function", function)  # of a step
    if inspect.isfunction(function):
        return function
    raise InvalidInput(
        f"{function!r:.80} is no plain function.",
        remedy="Define one at the top of a file of the project, and give it what it needs as inputs={'name': value}.",
    )


def remove(folder: Path) -> None:
    """Remove a folder of shards; what somebody else has removed already does not matter."""
    shutil.rmtree(folder, ignore_errors=True)
