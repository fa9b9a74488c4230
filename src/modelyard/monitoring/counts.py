"""Counts of one column between its reference's bins: all that drift and quality need of a window, however long."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import Scalar
from modelyard.inference import CategoryProfile, ColumnProfile, Field, NumberProfile
from modelyard.stats import count_between

MOST_LEVELS = 1000
"""Levels of a segment, and unknown levels of a feature, that are told apart; later ones count together."""

Codes = NDArray[np.int64]


class ColumnCounts(msgspec.Struct, frozen=True):
    """How the rows of one column fall into bins or levels; `missing`, `mistyped` apart.

    Of a number: bins in order; of a category: its levels and, last, all that are unknown. `outside`: numbers beyond
    the signature's range. `new`: the commonest unknown levels with their rows.
    """

    name: str
    kind: Literal["number", "category"]
    bins: tuple[int, ...]
    missing: int
    mistyped: int = 0
    outside: int = 0
    new: dict[str, int] = {}
    mean: float | None = None
    deviation: float | None = None

    @property
    def rows(self) -> int:
        """All rows, missing and mistyped ones too."""
        return sum(self.bins) + self.missing + self.mistyped


def counts_of(profile: ColumnProfile) -> ColumnCounts:
    """A reference profile as counts."""
    if isinstance(profile, CategoryProfile):
        return ColumnCounts(profile.name, "category", (*profile.counts, profile.unknown), profile.nulls)
    bins = (0, sum(profile.counts), 0) if profile.is_constant else profile.counts
    return ColumnCounts(profile.name, "number", bins, profile.nulls, mean=profile.mean, deviation=profile.deviation)


class ColumnCounter:
    """Counts a column, whole and by the levels of each grouping, a batch at a time."""

    def __init__(self, profile: ColumnProfile, field: Field | None, groupings: int = 0) -> None:
        self.profile = profile
        self._field = field
        self._numeric = isinstance(profile, NumberProfile)
        self._width = len(counts_of(profile).bins) + 2  # and those that are missing, and mistyped
        self._whole = np.zeros(self._width, np.int64)
        self._by_level = [np.zeros((MOST_LEVELS + 1, self._width), np.int64) for _ in range(groupings)]
        self._sums = np.zeros(2)
        self._outside = 0
        self._new: Counter[str] = Counter()
        if isinstance(profile, CategoryProfile):
            self._places = {level: place for place, level in enumerate(profile.levels)}
        else:
            edges = np.array(profile.edges)  # the one value of a constant has a bin of its own
            self._cuts = np.append(np.nextafter(edges, -np.inf), edges) if profile.is_constant else edges

    def add(self, values: pa.Array | pa.ChunkedArray | Sequence[Scalar], groups: Sequence[Codes] = ()) -> None:
        """Count values (n,), raw as they were logged, whose rows have these codes (n,) in each grouping."""
        if self._numeric and not self._by_level:
            self._whole += self._sorted(values)
            return
        codes = self._numbers(values) if self._numeric else self._levels(values)
        self._whole += np.bincount(codes, minlength=self._width)
        for counts, group in zip(self._by_level, groups, strict=True):
            flat = np.bincount(group * self._width + codes, minlength=counts.size)
            np.add(counts, flat.reshape(counts.shape), out=counts)

    def whole(self) -> ColumnCounts:
        """Of all rows."""
        present = int(self._whole[:-2].sum())
        mean, deviation = None, None
        if self._numeric and present and np.isfinite(self._sums).all():
            mean = float(self._sums[0] / present)
            deviation = float(np.sqrt(max(0.0, self._sums[1] / present - mean**2)))
        new = dict(self._new.most_common(20))
        return self._record(self._whole, outside=self._outside, new=new, mean=mean, deviation=deviation)

    def level(self, grouping: int, code: int) -> ColumnCounts:
        """Of the rows with one code in a grouping."""
        return self._record(self._by_level[grouping][code])

    def _record(self, counts: Codes, **facts: Any) -> ColumnCounts:
        *bins, missing, mistyped = (int(each) for each in counts)
        kind: Literal["number", "category"] = "number" if self._numeric else "category"
        return ColumnCounts(self.profile.name, kind, tuple(bins), missing, mistyped, **facts)

    def _sorted(self, values: Any) -> Codes:
        """Rows in each bin (width,), by sorting: an eighth of what it costs to look for the bin of each value."""
        numbers, mistyped = as_numbers(values)
        ordered = np.sort(numbers)  # NaN last
        known = ordered[: np.searchsorted(ordered, np.nan)]
        self._sum(known)
        strange = int(np.count_nonzero(mistyped))
        return np.array([*count_between(known, self._cuts), len(numbers) - len(known) - strange, strange], np.int64)

    def _numbers(self, values: Any) -> Codes:
        """The bin of each value (n,)."""
        numbers, mistyped = as_numbers(values)
        absent = np.isnan(numbers)
        known = numbers[~absent]
        self._sum(known)
        codes = np.full(len(numbers), self._width - 2, np.int64)
        codes[~absent] = np.searchsorted(self._cuts, known, side="left")
        codes[mistyped] = self._width - 1
        return codes

    def _sum(self, known: NDArray[np.float64]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # nobody knows the mean of infinities and the like
            self._sums += (known.sum(), np.square(known).sum())
        self._outside += self._beyond(known)

    def _beyond(self, known: NDArray[np.float64]) -> int:
        if self._field is None or self._field.minimum is None or self._field.maximum is None:
            return 0
        return int(np.count_nonzero((known < self._field.minimum) | (known > self._field.maximum)))

    def _levels(self, values: Any) -> Codes:
        column = _combined(values)
        encoded = (texts(column) if pa.types.is_binary(column.type) else column).dictionary_encode()
        names = [str(each) for each in encoded.dictionary.to_pylist()]
        unknown = self._width - 3
        places = np.array([self._places.get(name, unknown) for name in names] or [0], dtype=np.int64)
        indices = encoded.indices
        codes = np.full(len(indices), self._width - 2, np.int64)
        present = np.asarray(indices.is_valid())
        at = indices.drop_null().to_numpy()
        codes[present] = places[at]
        if unknown in places[: len(names)]:
            self._note(names, at, places == unknown)
        return codes

    def _note(self, names: Sequence[str], at: Codes, unknown: NDArray[np.bool_]) -> None:
        rows = np.bincount(at, minlength=len(names))
        for place in np.flatnonzero(unknown & (rows > 0)).tolist():
            name = names[place][:120]
            if name in self._new or len(self._new) < MOST_LEVELS:
                self._new[name] += int(rows[place])


def as_numbers(values: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logged values (n,) as numbers, NaN where there is none; and which of them are something else than a number."""
    column = _combined(values)
    mistyped = np.zeros(len(column), bool)
    if pa.types.is_boolean(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    if pa.types.is_floating(column.type):
        return column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False), mistyped
    numbers = np.full(len(column), np.nan)
    for row, value in enumerate(_plain(column)):
        if isinstance(value, int | float):
            numbers[row] = float(value)
        elif value is not None:
            mistyped[row] = True
    return numbers, mistyped


def _combined(values: Any) -> pa.Array:
    """Values as one array; packed ones as what they are, where that is of one kind, else as text."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pack = msgspec.msgpack.Encoder().encode
        return pa.array([None if each is None else pack(each) for each in values], pa.binary())


def _plain(column: pa.Array) -> list[Any]:
    if not pa.types.is_binary(column.type):
        found: list[Any] = column.to_pylist()
        return found
    decode = msgspec.msgpack.Decoder().decode
    return [None if each is None else decode(each) for each in column.to_pylist()]


def texts(values: Any) -> pa.Array:
    """Logged values (n,) as text; null where there is none."""
    column = _combined(values)
    if pa.types.is_string(column.type):
        return column
    return pa.array([None if each is None else str(each) for each in _plain(column)], pa.string())
