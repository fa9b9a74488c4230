"""From a stream of batches to a profile, in one pass and bounded memory."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import from_micros

from .associations import associations
from .distinct import Distinct
from .findings import findings
from .hashing import Hasher
from .kinds import plain, quantities, ready
from .records import Column, Count, Level, Profile, Quantities
from .sample import RowSample, sample_size
from .shape import distribution, histogram, outliers, quantiles
from .tallies import ColumnTally, counts_of, top_of

REPEATS = 1 << 20
"""So many different rows are told apart exactly."""

GATHERED = 16_384
"""So many rows are looked at together, at least."""

_WIDEST = 1e300
"""Beyond it squares and differences are no floats any more: the picture ends there."""

_COUNTED = 1_000
"""A number of more different values in the sample has no commonest ones worth telling."""


def profile(schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, seed: int = 0) -> Profile:
    """Describe a table that comes as batches of one schema, read once; memory does not grow with the rows.

    Counts, extremes, means and spreads are of all rows. Quantiles, histograms, outliers, associations, and the
    commonest values of numbers and of texts of more than 10,000 levels are of an even sample drawn by `seed`, which is
    all rows up to 100,000 (fewer where there are more than 80 columns). Different values are counted exactly up to
    65,536 a column, repeated rows up to 1,048,576 different ones, and estimated beyond; the result says which.
    """
    read = pa.schema([pa.field(each.name, ready(pa.array([], each.type)).type) for each in schema])
    tallies = [ColumnTally(field, each.type) for field, each in zip(schema, read, strict=True)]
    sample, repeats, hasher = RowSample(read, sample_size(len(read)), seed), Distinct(REPEATS), Hasher(read)
    rows = 0
    try:
        for batch in _gathered(schema, batches):
            made = pa.RecordBatch.from_arrays([ready(each) for each in batch.columns], schema=read)
            rows += len(batch)
            hashes, whole = hasher(made)
            repeats.add(whole)
            sample.add(made)
            for tally, column, each in zip(tallies, made.columns, hashes, strict=True):
                tally.add(column, each)
    finally:
        hasher.close()
    return _described(tallies, sample.table(), rows, repeats.repeats())


def _gathered(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of some size: each batch costs the same few milliseconds, however small."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += len(batch)
        if rows >= GATHERED:
            yield from pa.Table.from_batches(held, schema).combine_chunks().to_batches()
            held, rows = [], 0
    yield from pa.Table.from_batches(held, schema).combine_chunks().to_batches()


def _described(tallies: list[ColumnTally], sample: pa.Table, rows: int, duplicates: Count) -> Profile:
    columns = tuple(
        _column(tally, column, rows=rows, whole=len(sample) == rows)
        for tally, column in zip(tallies, sample.columns, strict=True)
    )
    associated, pairs = associations(sample, columns)
    return Profile(
        rows=rows,
        sampled=len(sample),
        duplicates=duplicates,
        columns=columns,
        associations=pairs,
        associated=associated,
        findings=findings(rows, duplicates, columns, pairs),
    )


def _column(tally: ColumnTally, sampled: pa.ChunkedArray, *, rows: int, whole: bool) -> Column:
    values = plain(sampled.combine_chunks())
    top = tally.levels.top() if tally.levels is not None else None
    first, last = _range(tally)
    missing = tally.nulls + (tally.numbers.nans if tally.numbers else 0)
    distinct = tally.distinct
    return Column(
        name=tally.name,
        type=str(tally.type),
        kind="empty" if tally.distinct.value == 0 and tally.kind != "number" else tally.kind,
        nulls=tally.nulls,
        missing=missing,
        distinct=Count(min(distinct.value, rows - missing), distinct.exact, distinct.error),
        top=_top(tally, values) if top is None else top,
        top_exact=whole or top is not None,
        quantities=_quantities(tally, values),
        lengths=tally.texts.lengths() if tally.texts else None,
        earliest=first,
        latest=last,
    )


def _top(tally: ColumnTally, sampled: pa.Array) -> tuple[Level, ...]:
    """The commonest values of the sample, of numbers where there are few."""
    if tally.kind == "text":
        return top_of(counts_of(sampled))
    if tally.kind != "number" or tally.distinct.value > _COUNTED:
        return ()
    there = sampled if not pa.types.is_floating(sampled.type) else sampled.filter(pc.invert(pc.is_nan(sampled)))
    return top_of({str(value): count for value, count in counts_of(there).items()})


def _quantities(tally: ColumnTally, sampled: pa.Array) -> Quantities | None:
    numbers = tally.numbers
    if numbers is None:
        return None
    found = quantities(sampled)
    values = np.clip(found[np.isfinite(found)], -_WIDEST, _WIDEST)
    return Quantities(
        minimum=numbers.minimum,
        maximum=numbers.maximum,
        mean=numbers.mean,
        deviation=numbers.moments.deviation,
        skew=numbers.moments.skew,
        quantiles=quantiles(values),
        histogram=histogram(values),
        outliers=outliers(values) if tally.kind == "number" else None,
        distribution=distribution(tally.name, values, len(sampled) - len(values)),
        nans=numbers.nans,
        infinities=numbers.infinities,
        zeros=numbers.zeros if tally.kind == "number" else 0,
        negatives=numbers.negatives if tally.kind == "number" else 0,
    )


def _range(tally: ColumnTally) -> tuple[str | None, str | None]:
    """The first and last instant, as text."""
    numbers = tally.numbers
    if tally.kind != "time" or numbers is None or numbers.minimum is None or numbers.maximum is None:
        return None, None
    return _instant(numbers.minimum), _instant(numbers.maximum)


def _instant(micros: float) -> str:
    try:
        return from_micros(int(micros)).isoformat()
    except (OverflowError, ValueError):
        return f"{micros:.0f} µs from 1970"  # beyond the years 1 to 9999, which Arrow holds and Python does not
