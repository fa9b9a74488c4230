"""All checks of a table in one pass over its batches."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Clock, SystemClock
from modelyard.core.durations import format_duration
from modelyard.data.schema.settings import ColumnChecks, SchemaSettings

from .bounds import instant_ticks
from .keys import BUDGET, Keys
from .plan import Asked, Plan, Promise, compile_checks
from .result import CheckResult, FailingRow, Outcome, Validation
from .seen import Mask, Seen
from .undecided import has_values, judged

SAMPLE = 5
"""So many failing rows of a check are kept."""

_ROWS = 65_536
"""Larger batches are taken in parts, so that what is held does not grow with them."""

_THREADS = min(4, os.cpu_count() or 1)
_SHOWN = 80
"""Characters of a value in a sample."""


def check_batches(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], promised: SchemaSettings, *, clock: Clock | None = None
) -> Validation:
    """Check a stream of batches in one pass.

    Memory is bounded by the size of a batch; keys that are to be unique go to a file in the temporary folder beyond
    some hundred MB, which is gone when this returns. `clock` says how old the newest value is.
    """
    plan = compile_checks(schema, promised)
    with TemporaryDirectory(prefix="modelyard-checks-") as folder:
        gathering = _Gathering.of(plan, Path(folder))
        try:
            rows = _pass(batches, gathering)
            found = list(gathering.results(rows))
        finally:
            for key in gathering.keys:
                key.keys.close()
        now = (clock or SystemClock()).now()
        newest = [each.result(rows, now) for each in gathering.newest]
    results = [*_of_rows(rows, promised), *plan.settled, *found, *newest]
    return Validation(rows, tuple(_in_order(results, promised)))


def _in_order(results: Sequence[CheckResult], promised: SchemaSettings) -> list[CheckResult]:
    """As declared: the table, then each column, then columns together."""
    places = {name: at for at, name in enumerate(promised.columns, 1)}
    last = {"unique_together": 1, "relation": 2}
    first = len(places) + 1
    return sorted(
        results, key=lambda each: first + last[each.check] if each.check in last else places.get(each.column, 0)
    )


def _of_rows(rows: int, promised: SchemaSettings) -> Iterator[CheckResult]:
    """The promises about the number of rows."""
    least, most = promised.min_rows, promised.max_rows
    if least is not None and least > 0:
        message = f"The table has {rows} rows; {least} were promised." if rows < least else ""
        yield CheckResult("", "min_rows", f"at least {least} rows", "fail" if message else "pass", rows=rows,
                          message=message)  # fmt: skip
    if most is not None:
        message = f"The table has {rows} rows; at most {most} were promised." if rows > most else ""
        yield CheckResult("", "max_rows", f"at most {most} rows", "fail" if message else "pass", rows=rows,
                          message=message)  # fmt: skip


def _pass(batches: Iterable[pa.RecordBatch], gathering: "_Gathering") -> int:
    """Check batch after batch, the columns dealt out to threads, while the next is read; returns the number of rows."""
    shares = [gathering.groups[at::_THREADS] for at in range(min(_THREADS, len(gathering.groups)))]
    running: list[Future[None]] = []
    rows = 0
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="checks") as pool:
        for batch in _parts(batches):
            for each in running:
                each.result()
            running = [pool.submit(_take, share, batch, rows) for share in shares]
            rows += len(batch)
        for each in running:
            each.result()
    return rows


def _take(groups: Sequence["_Group"], batch: pa.RecordBatch, first_row: int) -> None:
    for each in groups:
        each.take(batch, first_row)


def _parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, len(batch), _ROWS):
            yield batch.slice(start, _ROWS)


@dataclass
class _Tally:
    """The rows of a promise that break it, counted batch by batch, and the first of them."""

    asked: Asked
    broken: int = 0
    sample: list[FailingRow] = field(default_factory=list)

    def take(self, batch: pa.RecordBatch, first_row: int, columns: Sequence[Seen]) -> None:
        if self.asked.rule is None:
            return
        mask = self.asked.rule.broken(*columns)
        if mask is None:
            return
        self.broken += int(pc.sum(mask).as_py() or 0)
        self._keep(mask, batch, first_row)

    def _keep(self, mask: Mask, batch: pa.RecordBatch, first_row: int) -> None:
        wanted = SAMPLE - len(self.sample)
        if wanted <= 0:
            return
        for at in pc.indices_nonzero(pc.fill_null(mask, fill_value=False))[:wanted].to_pylist():
            values = {name: short(batch.column(name)[at]) for name in self.asked.promise.columns}
            self.sample.append(FailingRow(first_row + at + 1, values))

    def result(self, rows: int) -> CheckResult:
        return _counted(self.asked.promise, self.broken, rows, self.sample)


@dataclass
class _Repeats:
    """The keys of a promise of uniqueness."""

    promise: Promise
    keys: Keys

    def take(self, batch: pa.RecordBatch, first_row: int, columns: Sequence[Seen]) -> None:  # noqa: ARG002 - as a tally
        self.keys.gather(first_row, columns)

    def result(self, rows: int) -> CheckResult:
        broken, repeats = self.keys.repeated(SAMPLE)
        sample = [
            FailingRow(row + 1, {name: short(each) for name, each in zip(self.promise.columns, values, strict=True)})
            for row, values in repeats
        ]
        return _counted(self.promise, broken, rows, sample)


@dataclass
class _Newest:
    """The newest instant of a column."""

    promise: Promise
    checks: ColumnChecks
    kind: pa.DataType | None = None
    newest: pa.Scalar | None = None

    def take(self, batch: pa.RecordBatch, first_row: int, columns: Sequence[Seen]) -> None:  # noqa: ARG002 - as a tally
        seen = columns[0]
        _, highest = seen.extremes
        if highest.is_valid and (self.newest is None or highest.value > self.newest.value):
            self.newest, self.kind = highest, seen.type

    def result(self, rows: int, now: datetime) -> CheckResult:
        if self.newest is None or self.kind is None or self.checks.max_age is None:
            return self._said("inconclusive", rows, "has no value: nothing tells how old the newest is")
        if self.newest.value >= instant_ticks(self.kind, now - self.checks.max_age):
            return self._said("pass", rows, "")
        age, newest = format_duration(self.checks.max_age), short(self.newest)
        return self._said(self.promise.severity, rows, f"has {newest} as its newest value, older than {age} at {now}")

    def _said(self, outcome: Outcome, rows: int, what: str) -> CheckResult:
        promise, message = self.promise, f"{self.promise.subject} {what}." if what else ""
        return CheckResult(promise.columns[0], promise.check, promise.promise, outcome, rows=rows, message=message)


@dataclass
class _Group:
    """What is asked of the same columns, so that each is prepared once a batch."""

    columns: tuple[str, ...]
    members: list[_Tally | _Repeats | _Newest]
    has_values: bool = False

    def take(self, batch: pa.RecordBatch, first_row: int) -> None:
        columns = [Seen(batch.column(name)) for name in self.columns]
        self.has_values = self.has_values or has_values(columns)
        for each in self.members:
            each.take(batch, first_row, columns)


@dataclass(frozen=True)
class _Gathering:
    tallies: list[_Tally]
    keys: list[_Repeats]
    newest: list[_Newest]
    groups: list[_Group]

    @classmethod
    def of(cls, plan: Plan, folder: Path) -> "_Gathering":
        tallies = [_Tally(each) for each in plan.rules]
        budget = BUDGET // max(1, len(plan.keys))
        keys = [
            _Repeats(each, Keys(len(each.columns), folder / f"keys-{at}", budget)) for at, each in enumerate(plan.keys)
        ]
        newest = [_Newest(promise, checks) for promise, checks in plan.newest]
        members: list[tuple[tuple[str, ...], Any]] = [
            *((each.asked.promise.columns, each) for each in tallies),
            *((each.promise.columns, each) for each in keys),
            *((each.promise.columns, each) for each in newest),
        ]
        groups: dict[tuple[str, ...], _Group] = {}
        for columns, member in members:
            groups.setdefault(columns, _Group(columns, [])).members.append(member)
        return cls(tallies, keys, newest, list(groups.values()))

    def results(self, rows: int) -> Iterator[CheckResult]:
        """What was counted; a promise that no value could break is no pass."""
        valued = {each.columns: each.has_values for each in self.groups}
        for tally in self.tallies:
            yield judged(tally.asked.promise, tally.result(rows), valued=valued[tally.asked.promise.columns])
        for key in self.keys:
            yield judged(key.promise, key.result(rows), valued=valued[key.promise.columns])


def _counted(promise: Promise, broken: int, rows: int, sample: Sequence[FailingRow]) -> CheckResult:
    """The result of a promise that rows break."""
    share = broken / max(1, rows)
    outcome: Outcome = promise.severity if share > promise.tolerance else "pass"
    message = "" if outcome == "pass" else f"{promise.subject}: {broken} of {rows} rows ({share:.2%}) {promise.phrase}."
    return CheckResult(
        ", ".join(promise.columns), promise.check, promise.promise, outcome, broken, rows, promise.tolerance, message,
        tuple(sample),
    )  # fmt: skip


def short(value: pa.Scalar) -> object:
    """A value as JSON has it: numbers and truths as they are, the rest as text of bounded length."""
    try:
        found = value.as_py()
    except (ValueError, OverflowError, ImportError):  # an instant that Python cannot hold
        found = str(value)
    if found is None or isinstance(found, bool | int | float):
        return found
    text = str(found)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
