"""A job's parts as tasks of an executor: on other processes, on other machines."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Protocol

from modelyard.core import Digest, Failed
from modelyard.execution import Executor, Outcome, Task
from modelyard.inference import Bundle, load_bundle

from .errors import JobCutOff
from .records import BatchJob, Enrichment, PartDone, Plan, part_name
from .scorer import Part, scorer_of
from .source import Source
from .work import open_work
from .writing import Format

PARTS_A_TASK = 4
"""So many parts of a file are one task, where it is known beforehand how many there are."""

_ENDING_SECONDS = 30.0
"""So long each cancelled task has to end after the one before."""


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
    enrich: "EnrichThere | None" = None


class EnrichThere(Protocol):
    """Makes what joins features, in whichever process; pickled, and hashable: equal ones make the same."""

    def __call__(self) -> Enrichment: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Spread:
    """Where a job's parts go. The bundle's folder must be there on every machine, and what `enrich` reads.

    `enrich` makes in each process what the job's enrichment is here.
    """

    executor: Executor
    bundle: Path
    enrich: EnrichThere | None = None

    def score(self, orders: Iterable[Order], note: Callable[[PartDone], None]) -> None:
        """Have all of them carried out, telling each part that is done. Raises what a task raised, or Failed.

        When this ends none of the tasks is at work, however it ends: the executor may be given the next job at once.
        """
        job = token_hex(4)
        under_way: set[str] = set()
        try:
            for order in orders:
                name = f"score-{order.file}-{order.begin}-{job}"
                self.executor.submit(Task(name, carry_out, (replace(order, enrich=self.enrich), self.bundle)))
                under_way.add(name)
            while under_way:
                for outcome in self.executor.wait():
                    if outcome.id in under_way:  # else of a job before, which could not be waited for
                        under_way.discard(outcome.id)
                        for done in _parts(outcome):
                            note(done)
        finally:
            self._call_off(under_way)

    def _call_off(self, under_way: set[str]) -> None:
        """Cancel tasks, and wait until they have ended: a part that is still being written is nobody else's to write.

        One that an executor does not end in time is left behind.
        """
        for name in under_way:
            self.executor.cancel(name)
        while under_way and (ended := self.executor.wait(_ENDING_SECONDS)):
            under_way.difference_update(each.id for each in ended)


def carry_out(order: Order, folder: Path) -> list[PartDone]:
    """Score some parts of a file; in whichever process."""
    bundle = _loaded(folder.absolute(), order.digest)
    enrich = None if order.enrich is None else _same(order.enrich, order.plan)
    scorer = scorer_of(order.job, bundle, order.source, order.version, order.plan, enrich)
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
    bundle = load_bundle(folder, expect=digest, allow_python=(digest,))
    bundle.quicken()
    return bundle


_enriching = lru_cache(maxsize=1)(lambda there: there())
"""What joins features, kept for the next task: it has read the sources."""


def _same(there: EnrichThere, plan: Plan) -> Enrichment:
    """What joins features of the same sources as the job's; JobCutOff when they have changed meanwhile."""
    found: Enrichment = _enriching(there)
    if changed := [name for name, each in found.digests.items() if plan.sources.get(name) != each]:
        raise JobCutOff(
            f"While the job was under way this has changed: view '{changed[0]}'.",
            code="INPUT_CHANGED",
            remedy="Begin anew when nobody changes it.",
        )
    return found


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
