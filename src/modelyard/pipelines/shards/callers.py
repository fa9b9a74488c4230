"""Where the function of a pass is called: shard after shard in this process, or side by side in others."""

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from modelyard.core import InvalidInput, ModelyardError
from modelyard.execution import Outcome

from ..artifacts import Artifact
from ..errors import ShardFailed
from ..parts import Parts
from .call import Parcel, Work, call, call_by_name

Answer = Parcel | Artifact


class Caller(Protocol):
    """Calls a function on shards."""

    def answers(
        self, work: Work, function: Callable[..., Any], shards: Sequence[Artifact], seeds: Sequence[int]
    ) -> Iterator[tuple[int, Answer]]:
        """The answer for each shard with its place, in any order; ShardFailed when there is one without."""

    def close(self) -> None:
        """End what is under way."""


class Here:
    """One shard after another in this process, with so many threads of native libraries."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def answers(
        self, work: Work, function: Callable[..., Any], shards: Sequence[Artifact], seeds: Sequence[int]
    ) -> Iterator[tuple[int, Answer]]:
        with threadpool_limits(self._threads):
            for at, (shard, seed) in enumerate(zip(shards, seeds, strict=True)):
                try:
                    answer = call(work, function, shard, seed)
                except Exception as error:  # the function is the user's code and may raise anything
                    traceback.print_exc(file=sys.stderr)
                    raise _failed(function, at, len(shards), _told(error), error) from error
                yield at, answer

    def close(self) -> None:
        """Nothing is under way between calls."""


class Beside:
    """Several shards at a time, each in a process of its own. A shard whose process was lost is called again."""

    def __init__(
        self,
        parallel: int | None,
        *,
        most: int,
        resources: Mapping[str, float],
        threads: int,
        retries: int,
        log: Path,
    ) -> None:
        self._parts = Parts(parallel, most=most, resources=resources, threads=threads, log=log)
        self._retries, self._numbers = retries, count()

    def answers(
        self, work: Work, function: Callable[..., Any], shards: Sequence[Artifact], seeds: Sequence[int]
    ) -> Iterator[tuple[int, Answer]]:
        reference = work.names.reference(function)
        if reference is None:
            raise InvalidInput(
                f"'{function.__qualname__}' cannot be found by other processes.",
                remedy="Move it to the top of a file of the project, or give parallel=1.",
            )
        under_way: dict[str, int] = {}
        lost = [0] * len(shards)

        def submit(at: int) -> None:
            part = f"{function.__name__}, shard {at} (call {next(self._numbers)})"
            self._parts.submit(part, call_by_name, (work, reference, shards[at], seeds[at]))
            under_way[part] = at

        try:
            for at in range(len(shards)):
                submit(at)
            while under_way:
                for outcome in self._parts.wait():
                    at = under_way.pop(outcome.id)
                    if outcome.state == "done":
                        yield at, outcome.value
                        continue
                    lost[at] += 1
                    if outcome.state == "failed" or lost[at] > self._retries:
                        raise _of_outcome(function, at, lost[at], len(shards), outcome)
                    sys.stderr.write(f"Shard {at} is tried again: {_lost(outcome)}.\n")
                    submit(at)
        finally:
            self._parts.call_off()

    def close(self) -> None:
        self._parts.close()


def _lost(outcome: Outcome) -> str:
    cause = None if outcome.error is None else outcome.error.exception
    return "its process was lost" if cause is None else _told(cause)


def _of_outcome(function: Callable[..., Any], at: int, tries: int, count: int, outcome: Outcome) -> ShardFailed:
    failure = outcome.error
    cause = None if failure is None else failure.exception
    told = "its process was lost" if failure is None else f"{failure.type}: {failure.message}"
    told = told if cause is None else _told(cause)
    if failure is not None and failure.traceback:
        sys.stderr.write(failure.traceback)
    return _failed(function, at, count, told if outcome.state == "failed" else f"{told} ({tries} tries)", cause)


def _failed(function: Callable[..., Any], at: int, count: int, told: str, cause: BaseException | None) -> ShardFailed:
    remedy = cause.remedy if isinstance(cause, ModelyardError) and cause.remedy else "Correct it, or its rows."
    error = ShardFailed(
        f"'{function.__name__}' failed on shard {at} of {count} (the first is 0): {told[:1_500]}.",
        context={"shard": at, "shards": count},
        remedy=f"{remedy} The traceback, if there is one, is in the step's log.",
    )
    error.__cause__ = cause
    return error


def _told(error: BaseException) -> str:
    text = error.message if isinstance(error, ModelyardError) else f"{type(error).__name__}: {error}"
    return text.rstrip(".")
