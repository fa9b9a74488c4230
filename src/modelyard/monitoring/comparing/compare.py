"""Two tables: which columns are compared, each by its kind, and what follows for the whole."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.core import InvalidInput, did_you_mean
from modelyard.stats import quantile_edges

from .categories import Tally, judge_levels
from .joint import ROWS, Sampled, judge_together
from .memory import Memory
from .numbers import judge_histograms, judge_numbers
from .options import CompareOptions
from .reading import Taken, read_histogram, read_sample, read_tally, read_thinned
from .records import ColumnDrift, Comparison, Verdict
from .tables import Columns, Held, held_in
from .vectors import LOOKED_AT, judge_vectors

BINS = 4096
"""Bins in which rows beyond `exact_rows` are counted: KS is then too small by less than a thousandth."""

_EDGES_OF = 1 << 20
_SHOWN = 40

Source = str | Path | Sequence[str | Path]
Kinds = dict[str, Held | None]


def compare_data(
    reference: Source, current: Source, options: CompareOptions | None = None, *, columns: Sequence[str] = ()
) -> Comparison:
    """Compare two sources of files, whatever `data.open_data` reads; by default all columns that both have.

    Memory holds a column or two at a time, and beyond `exact_rows` rows not even one. UnreadableData, or InvalidInput
    when nothing can be compared.
    """
    with Columns.of_source(reference) as before, Columns.of_source(current) as now:
        return _compared(before, now, options or CompareOptions(), columns)


def compare_columns(
    reference: pa.Table | Mapping[str, Any],
    current: pa.Table | Mapping[str, Any],
    options: CompareOptions | None = None,
    *,
    columns: Sequence[str] = (),
) -> Comparison:
    """Compare two tables in memory, or mappings of names to arrays. See `compare_data`."""
    before, now = (each if isinstance(each, pa.Table) else pa.table(dict(each)) for each in (reference, current))
    return _compared(Columns.of_table(before), Columns.of_table(now), options or CompareOptions(), columns)


def _compared(reference: Columns, current: Columns, options: CompareOptions, wanted: Sequence[str]) -> Comparison:
    kinds, skipped = _chosen(reference.schema, current.schema, wanted)
    if not reference.rows or not current.rows:
        side = "The reference" if not reference.rows else "The current data"
        raise InvalidInput(f"{side} has no rows.", code="NO_ROWS", remedy="Give data with rows on both sides.")
    work = _Work(reference, current, options, kinds)
    with ThreadPoolExecutor(options.threads) as pool:
        try:
            done = list(pool.map(work.column, kinds))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    judged = tuple(found for found, _ in done)
    joint = judge_together([each for _, each in done if each is not None], options) if options.joint else None
    verdict, reasons = _whole(judged, joint.verdict if joint else None, joint.reason if joint else "")
    counted = [each for each in judged if each.verdict != "inconclusive"]
    return Comparison(
        verdict=verdict,
        reasons=reasons,
        share=sum(each.verdict == "fail" for each in counted) / len(counted) if counted else None,
        rows_ref=reference.rows,
        rows_cur=current.rows,
        columns=judged,
        joint=joint,
        skipped=skipped,
    )


def _whole(columns: Sequence[ColumnDrift], joint: Verdict | None, why: str) -> tuple[Verdict, tuple[str, ...]]:
    """Fails when a column or the table as a whole drifted; passes when the columns that hold values all do."""
    reasons = [f"{each.name}: {each.reason}" for each in columns if each.verdict == "fail"]
    if joint == "fail":
        reasons.append(f"all columns together: {why}")
    if reasons:
        return "fail", tuple(reasons)
    telling = [each for each in columns if not (each.missing_ref == each.missing_cur == 1.0)]
    unclear = [each for each in telling if each.verdict == "inconclusive"]
    if telling and not unclear:
        return "pass", ()
    return "inconclusive", tuple(f"{each.name}: {each.reason}" for each in unclear or columns)


def _chosen(before: pa.Schema, now: pa.Schema, wanted: Sequence[str]) -> tuple[Kinds, dict[str, str]]:
    """What each column is compared as, None where its kinds differ; and what is left out, and why."""
    for name in dict.fromkeys(wanted):
        for side, schema in (("reference", before), ("current data", now)):
            if name not in schema.names:
                remedy = did_you_mean(name, [each[:80] for each in schema.names])
                raise InvalidInput(f"The {side} has no column '{name[:80]}'.", code="NO_COLUMN", remedy=remedy)
    skipped = {} if wanted else _alone(before, now)
    kinds: Kinds = {}
    for name in wanted or [each for each in before.names if each in now.names]:
        kind = _kind(before.field(name).type, now.field(name).type)
        if kind == "other" or (kind == "time" and not wanted):
            why = (
                "instants move by themselves; name it to compare it" if kind == "time" else f"{before.field(name).type}"
            )
            skipped[name] = why[:120]
        else:
            kinds[name] = kind
    if kinds:
        return kinds, skipped
    seen = ", ".join(each[:80] for each in before.names[:_SHOWN])
    raise InvalidInput(
        f"No column can be compared. The reference has: {seen}.",
        code="NOTHING_TO_COMPARE",
        remedy="Both sides need a column of one name that holds numbers, text, truths or vectors.",
    )


def _alone(before: pa.Schema, now: pa.Schema) -> dict[str, str]:
    gone = {name: "only in the reference" for name in before.names if name not in now.names}
    return gone | {name: "only in the current data" for name in now.names if name not in before.names}


def _kind(before: pa.DataType, now: pa.DataType) -> Held | None:
    first, second = held_in(before), held_in(now)
    if first == "empty" or second == "empty":
        return second if first == "empty" else first
    return first if first == second else None


@dataclass(frozen=True)
class _Work:
    """What the threads share."""

    reference: Columns
    current: Columns
    options: CompareOptions
    kinds: Kinds
    memory: Memory = field(default_factory=Memory)

    def column(self, name: str) -> tuple[ColumnDrift, Sampled | None]:
        """The verdict on a column, and its values at the rows of the joint sample."""
        kind = self.kinds[name]
        if kind is None or kind == "empty":
            return self._without_comparison(name, kind), None
        takers = Taken(_places(self.reference.rows, ROWS)), Taken(_places(self.current.rows, ROWS))
        sides = takers[0].watch(self.reference.column(name)), takers[1].watch(self.current.column(name))
        if kind == "vector":
            return self._vectors(name), None
        found = self._levels(name, *sides) if kind == "category" else self._numbers(name, *sides)
        if found.verdict == "inconclusive" and (found.missing_ref == 1 or found.missing_cur == 1):
            return found, None
        types = self.reference.schema.field(name).type, self.current.schema.field(name).type
        values = [each.values(type_) for each, type_ in zip(takers, types, strict=True)]
        return found, Sampled(name, kind != "category", *values)

    @property
    def _many(self) -> bool:
        return max(self.reference.rows, self.current.rows) > self.options.exact_rows

    def _facts(self, name: str) -> dict[str, Any]:
        first, second = (str(each.schema.field(name).type) for each in (self.reference, self.current))
        return {"type_ref": first, "type_cur": second}

    def _numbers(self, name: str, before: Any, now: Any) -> ColumnDrift:
        facts, columns = self._facts(name), len(self.kinds)
        if not self._many:
            first = read_sample(before, self.reference.rows, self.memory, "reference")
            second = read_sample(now, self.current.rows, self.memory, "current data")
            return judge_numbers(name, first, second, self.options, columns=columns, **facts)
        some = read_thinned(self.reference.column(name), strewn(self.reference.rows, _EDGES_OF))
        edges = quantile_edges(some, BINS)
        sides = read_histogram(before, edges), read_histogram(now, edges)
        return judge_histograms(name, *sides, self.options, columns=columns, **facts)

    def _levels(self, name: str, before: Any, now: Any) -> ColumnDrift:
        first, second = read_tally(before), read_tally(now)
        named = first is not None and second is not None
        if first is None or second is None:
            first, second = (_tally_of_hashes(each, name) for each in (self.reference, self.current))
        return judge_levels(
            name, first, second, self.options, columns=len(self.kinds), named=named, **self._facts(name)
        )

    def _vectors(self, name: str) -> ColumnDrift:
        rows = self.reference.rows, self.current.rows
        before, now = (_sampled(each, name, LOOKED_AT) for each in (self.reference, self.current))
        return judge_vectors(name, before, now, self.options, columns=len(self.kinds), rows=rows)

    def _without_comparison(self, name: str, kind: Held | None) -> ColumnDrift:
        """A column whose kind changed, or that has no value on either side."""
        facts = self._facts(name) | {"rows_ref": self.reference.rows, "rows_cur": self.current.rows}
        if kind == "empty":
            return ColumnDrift(
                name=name, kind="empty", verdict="inconclusive", reason="no value on either side",
                missing_ref=1.0, missing_cur=1.0, **facts,
            )  # fmt: skip
        reason = f"its type changed from {facts['type_ref'][:60]} to {facts['type_cur'][:60]}"
        return ColumnDrift(name=name, kind="mixed", verdict="fail", reason=reason, method="type", **facts)


def _sampled(table: Columns, name: str, most: int) -> pa.Array:
    taken = Taken(_places(table.rows, most))
    for _ in taken.watch(table.column(name)):
        pass
    return taken.values(table.schema.field(name).type)


def _tally_of_hashes(table: Columns, name: str) -> Tally:
    found = read_tally(table.column(name), hashed=True)
    if found is None:
        raise AssertionError("65,536 hashes are fewer than a million levels")
    return found


@lru_cache(maxsize=8)
def _places(rows: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows of an even sample, ascending; the same for every column of a table."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(rows).choice(rows, most, replace=False))


@lru_cache(maxsize=2)
def strewn(rows: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """About `most` rows, ascending, in memory of no more: one drawn from each of as many parts of equal length."""
    if rows <= most:
        return np.arange(rows)
    inside = np.random.default_rng(rows).random(most)
    return np.unique(((np.arange(most) + inside) * (rows / most)).astype(np.int64))
