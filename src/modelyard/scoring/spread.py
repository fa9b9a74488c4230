"""A job's parts as tasks of an executor: on other processes, on other machines."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from modelyard.core import Digest, Failed
from modelyard.execution import Executor, Outcome, Task
from modelyard.inference import Bundle, load_bundle

from .records import BatchJob, PartDone, Plan, part_name
from .scorer import Part, scorer_of
from .source import Source
from .work import open_work
from .writing import Format

PARTS_A_TASK = 4
"""So many parts of a file are one task, where it is known beforehand how many there are."""


@dataclass(frozen=True)
class Order:
    """Some parts of one file, from `begin` on and up to `end` (not included; None: to its end); not those `done`."""

    job: BatchJob
    digest: Digest
    version: str
    plan: Plan
    source: Source
    part_rows: int
    file: int
    begin: int
    end: int | None
    single: bool
    format: Format
    done: frozenset[str]


@dataclass(frozen=True)
class Spread:
    """Where a job's parts go. The bundle's folder must be there on every machine."""

    executor: Executor
    bundle: Path

    def score(self, orders: Iterable[Order], note: Callable[[PartDone], None]) -> None:
        """Have all of them carried out, telling each part that is done. Raises what a task raised, or Failed."""
        under_way: set[str] = set()
        for order in orders:
            name = f"score-{order.file}-{order.begin}"
            self.executor.submit(Task(name, carry_out, (order, self.bundle)))
            under_way.add(name)
        try:
            while under_way:
                for outcome in self.executor.wait():
                    under_way.discard(outcome.id)
                    for done in _parts(outcome):
                        note(done)
        finally:
            for name in under_way:
                self.executor.cancel(name)


def carry_out(order: Order, folder: Path) -> list[PartDone]:
    """Score some parts of a file; in whichever process."""
    bundle = _loaded(folder.absolute(), order.digest)
    scorer = scorer_of(order.job, bundle, order.source, order.version, order.plan)
    work = open_work(order.job.output, single=order.single, power=order.job.power)
    done, number, rows = [], order.begin, order.part_rows
    with closing(order.source.parts(0, rows, number * rows)) as tables:
        for table in tables:
            if part_name(order.file, number) not in order.done:
                part = Part(order.file, number, number * rows, table, order.source.facts[0].path)
                done.append(scorer.write(part, work, order.format, alone=not order.single))
            number += 1
            if number == order.end:
                break
    return done


@lru_cache(maxsize=2)
def _loaded(folder: Path, digest: Digest) -> Bundle:
    """The bundle, kept for the next task; whoever gave the order has admitted what it runs."""
    return load_bundle(folder, expect=digest, allow_python=(digest,))


def _parts(outcome: Outcome) -> list[PartDone]:
    if outcome.state == "done":
        found: list[PartDone] = outcome.value
        return found
    assert outcome.error is not None  # noqa: S101 - only what is done has none
    if isinstance(outcome.error.exception, Exception):
        raise outcome.error.exception
    raise Failed(
        f"A part was not scored: {outcome.error.message}",
        code="PART_FAILED",
        remedy="Go on behind the parts that are done: add --resume.",
    )
