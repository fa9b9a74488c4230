"""One column of a table as what its kind is judged by, in bounded memory, with the rows of the joint sample beside."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.core import Conflict
from modelyard.stats import QuantileHistogram

from .categories import Tally
from .memory import Memory
from .numbers import Sample, sort_sample

MOST_LEVELS = 1_000_000
_LONGEST = 200
_UNJOINED = 65_536

Places = NDArray[np.int64]
"""Rows of the table, ascending."""


@dataclass
class Taken:
    """Collects the values at some places of a column while it is read."""

    places: Places
    parts: list[pa.Array] = field(default_factory=list)
    _at: int = 0

    def watch(self, arrays: Iterable[pa.Array]) -> Iterator[pa.Array]:
        """The same arrays."""
        for array in arrays:
            low, high = np.searchsorted(self.places, [self._at, self._at + len(array)])
            if high > low:
                self.parts.append(array.take(pa.array(self.places[low:high] - self._at)))
            self._at += len(array)
            yield array

    def values(self, kind: pa.DataType) -> pa.Array:
        """What was collected."""
        plain = [_plain(each) for each in self.parts]
        return pa.concat_arrays(plain) if plain else _plain(pa.array([], kind))


def numbers_of(array: pa.Array) -> tuple[NDArray[Any], int]:
    """The values of a column that are there, integers as they are, instants as microseconds; and how many are null."""
    there = _plain(array).drop_null() if array.null_count else _plain(array)
    kind = there.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        there = there.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.int64())
    elif pa.types.is_decimal(kind):
        there = there.cast(pa.float64(), safe=False)
    elif pa.types.is_float16(kind):
        there = there.cast(pa.float32())
    elif pa.types.is_null(kind):
        there = pa.array([], pa.float64())
    return there.to_numpy(zero_copy_only=False), array.null_count


def read_sample(arrays: Iterable[pa.Array], rows: int, memory: Memory, side: str) -> Sample:
    """All values, sorted, in the memory of this side: they last until the next column is read into it."""
    held, at, nulls = np.empty(0), 0, 0
    for array in arrays:
        values, missing = numbers_of(array)
        held = held if at else memory.array(side, values.dtype, rows)
        if at + len(values) > len(held):
            raise Conflict(
                f"The {side} grew while it was compared: it had {rows:,} rows.",
                code="CHANGED_WHILE_READ",
                remedy="Compare files that nobody writes to any more.",
            )
        held[at : at + len(values)] = values
        at += len(values)
        nulls += missing
    found = sort_sample(held[:at])
    return Sample(found.values, found.missing + nulls)


def read_histogram(arrays: Iterable[pa.Array], edges: NDArray[np.float64]) -> QuantileHistogram:
    """Counts between edges, a batch a time."""
    found, nulls = QuantileHistogram.empty(edges), 0
    for array in arrays:
        values, missing = numbers_of(array)
        nulls += missing
        found = found.add(values)
    return found.with_missing(nulls)


def read_thinned(arrays: Iterable[pa.Array], places: Places) -> NDArray[Any]:
    """Sorted finite values of these rows."""
    taken, parts = Taken(places), []
    for _ in taken.watch(arrays):
        pass
    for array in taken.parts:
        values, _ = numbers_of(array)
        parts.append(values[np.isfinite(values)])
    return np.sort(np.concatenate(parts)) if parts else np.empty(0)


def read_tally(arrays: Iterable[pa.Array], *, hashed: bool = False) -> Tally | None:
    """Rows by level, text being told apart by its first 200 characters; None beyond a million levels.

    `hashed`: by 65,536 levels that are made of the text's CRC-32, in memory that does not grow.
    """
    parts, unjoined, most, nulls = [], 0, _UNJOINED, 0
    for array in arrays:
        nulls += array.null_count
        levels, counts = _counted(array)
        parts.append((_hashed(levels) if hashed else levels, counts))
        unjoined += len(levels)
        if unjoined > most:
            parts, unjoined = [_joined(parts)], 0
            most = max(_UNJOINED, len(parts[0][0]))
            if most > MOST_LEVELS:
                return None
    levels, counts = _joined(parts)
    return Tally(levels, counts, nulls) if len(levels) <= MOST_LEVELS else None


def _hashed(levels: pa.Array) -> pa.Array:
    return pa.array([f"{crc32(each.encode()) & 0xFFFF:04x}" for each in levels.to_pylist()], pa.large_string())


def _counted(array: pa.Array) -> tuple[pa.Array, NDArray[np.float64]]:
    """Levels as text, and how many rows have each; what is alike in its first characters may stand there twice."""
    if not pa.types.is_dictionary(array.type):
        found = _plain(array).drop_null().value_counts()
        return _text(found.field("values")), found.field("counts").to_numpy().astype(np.float64)
    indices = array.indices.drop_null() if array.null_count else array.indices
    counts = np.bincount(indices.to_numpy(zero_copy_only=False), minlength=len(array.dictionary))
    there = np.flatnonzero(counts)
    return _text(array.dictionary.take(pa.array(there))), counts[there].astype(np.float64)


def _joined(parts: Sequence[tuple[pa.Array, NDArray[np.float64]]]) -> tuple[pa.Array, NDArray[np.float64]]:
    """Tallies as one; a level stands once."""
    if not parts:
        return pa.array([], pa.large_string()), np.empty(0)
    joined = pa.concat_arrays([levels for levels, _ in parts]).dictionary_encode()
    counts = np.concatenate([counts for _, counts in parts])
    return joined.dictionary, np.bincount(joined.indices.to_numpy(), counts, len(joined.dictionary)).astype(np.float64)


def _text(values: pa.Array) -> pa.Array:
    values = _plain(values)
    text = values.cast(pa.large_string())
    return text if pa.types.is_boolean(values.type) else pc.utf8_slice_codeunits(text, 0, _LONGEST)


def _plain(array: pa.Array) -> pa.Array:
    """Without dictionary or extension."""
    if isinstance(array.type, pa.BaseExtensionType):
        return _plain(array.storage)
    return _plain(array.dictionary_decode()) if pa.types.is_dictionary(array.type) else array


def text_of(array: pa.Array) -> pa.Array:
    """A column of levels as text of bounded length, nulls kept."""
    return _text(array)
