"""What is counted of every row of a column as the batches go by."""

from collections import Counter
from math import isfinite

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.stats import Moments

from .distinct import Distinct
from .hashing import Hashes
from .kinds import kind_of, plain, quantities
from .records import Count, Lengths, Level

DISTINCT = 1 << 16
"""So many different values are counted exactly."""

LEVELS = 10_000
"""So many levels of a text column have exact counts."""

TOP = 50


class ColumnTally:
    """Counts of one column: nulls, different values, and what its kind adds."""

    def __init__(self, field: pa.Field, read_as: pa.DataType) -> None:
        self.name = field.name
        self.type = field.type
        self.kind = kind_of(read_as)
        self.nulls = 0
        self._distinct = Distinct(DISTINCT)
        self.numbers = NumberTally() if self.kind in ("number", "time") else None
        self.texts = TextTally() if self.kind == "text" else None
        self.levels = LevelTally() if self.kind in ("text", "flag") else None

    def add(self, column: pa.Array, hashes: Hashes) -> None:
        """The next values, and the hashes of those that are there."""
        self.nulls += column.null_count
        self._distinct.add(hashes)
        if self.numbers is not None:
            self.numbers.add(column)
        if self.texts is not None:
            self.texts.add(column)
        if self.levels is not None:
            self.levels.add(plain(column))

    @property
    def distinct(self) -> Count:
        """Different values; null and NaN are none."""
        return self._distinct.distinct()


class NumberTally:
    """Of numbers and instants: what is not finite, zeros, extremes, moments."""

    def __init__(self) -> None:
        self.nans = self.infinities = self.zeros = self.negatives = 0
        self.minimum: float | int | None = None
        self.maximum: float | int | None = None
        self.moments = Moments()

    def add(self, column: pa.Array) -> None:
        """The next values."""
        values = quantities(column)
        finite = values[np.isfinite(values)]
        nans = int(np.isnan(values).sum())
        self.nans += nans
        self.infinities += len(values) - len(finite) - nans
        self.zeros += int((finite == 0).sum())
        self.negatives += int((finite < 0).sum())
        self.moments = self.moments.merge(Moments.of(finite))
        if len(finite):
            self._widen(column if pa.types.is_integer(column.type) else pa.array(finite))

    @property
    def mean(self) -> float | None:
        """The mean of the finite values."""
        return self.moments.mean if self.moments.count and isfinite(self.moments.mean) else None

    def _widen(self, column: pa.Array) -> None:
        """Integers keep all their digits."""
        found = pc.min_max(column).as_py()
        self.minimum = found["min"] if self.minimum is None else min(self.minimum, found["min"])
        self.maximum = found["max"] if self.maximum is None else max(self.maximum, found["max"])


class TextTally:
    """Of strings: lengths, and how many say nothing."""

    def __init__(self) -> None:
        self._shortest = self._longest = 0
        self._total = self._count = self._empty = self._blank = 0

    def add(self, column: pa.Array) -> None:
        """The next values."""
        there = column.drop_null().cast(pa.large_string())
        if not len(there):
            return
        lengths = pc.utf8_length(there)
        found = pc.min_max(lengths).as_py()
        self._shortest = min(self._shortest, found["min"]) if self._count else found["min"]
        self._longest = max(self._longest, found["max"])
        self._total += pc.sum(lengths).as_py()
        self._count += len(there)
        self._empty += pc.sum(pc.equal(lengths, 0)).as_py()
        self._blank += pc.sum(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(there)), 0)).as_py()

    def lengths(self) -> Lengths | None:
        """None where there is no string."""
        if not self._count:
            return None
        blank = self._blank - self._empty
        return Lengths(self._shortest, self._longest, self._total / self._count, self._empty, blank)


class LevelTally:
    """Counts by level, given up when there are too many levels."""

    def __init__(self) -> None:
        self._counts: Counter[str] | None = Counter()

    def add(self, column: pa.Array) -> None:
        """The next values, as strings of bounded length."""
        if self._counts is None:
            return
        self._counts.update(counts_of(column))
        if len(self._counts) > LEVELS:
            self._counts = None

    def top(self) -> tuple[Level, ...] | None:
        """The commonest levels, equally common ones by name; None where they were too many to count."""
        return None if self._counts is None else top_of(self._counts)


def counts_of(column: pa.Array) -> dict[str, int]:
    """How often each string is there."""
    found = column.drop_null().value_counts()
    return dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))


def top_of(counts: dict[str, int]) -> tuple[Level, ...]:
    """The commonest of some counted levels."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return tuple(Level(*each) for each in ordered[:TOP])
