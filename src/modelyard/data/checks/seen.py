"""A column of one batch as checks see it: plain values, missing ones null."""

from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.data.schema.types import stored_type

Mask: TypeAlias = pa.Array
"""Booleans, one a row; true where a promise is broken, null or false elsewhere."""

_PROBE = 1024
"""So many values tell whether a text column has few levels."""


class Seen:
    """One column of one batch. NaN is missing, and how values are stored does not show.

    What has few levels is looked at a level at a time: `mask` asks its question of `values`, which are the levels
    where the column is, or is worth being, a dictionary, and the rows otherwise.
    """

    def __init__(self, array: pa.Array) -> None:
        self._indices: pa.Array | None = None
        array = _stored(array)
        if pa.types.is_dictionary(array.type):
            levels = plain(array.dictionary)
            if levels.null_count:
                array = levels.take(array.indices)
            else:
                self._indices, array = array.indices, levels
        self.values: pa.Array = plain(array)
        if self._indices is None and _has_few_levels(self.values):
            encoded = self.values.dictionary_encode()
            self._indices, self.values = encoded.indices, encoded.dictionary

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of the values."""
        return self.values.type

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def _rows(self) -> pa.Array:
        return self.values if self._indices is None else self._indices

    @property
    def missing(self) -> int:
        """How many rows have no value."""
        return int(self._rows.null_count)

    def missing_mask(self) -> Mask | None:
        """Where no value is."""
        return pc.is_null(self._rows) if self.missing else None

    @cached_property
    def array(self) -> pa.Array:
        """The values row by row, null where missing."""
        return self.values if self._indices is None else self.values.take(self._indices)

    @cached_property
    def extremes(self) -> tuple[pa.Scalar, pa.Scalar]:
        """The smallest and the largest value; of a dictionary, of its levels, used or not."""
        if pa.types.is_floating(self.type) and len(self.values) and not self.values.null_count:
            whole = self.values.to_numpy()
            return pa.scalar(whole.min(), self.type), pa.scalar(whole.max(), self.type)
        found = pc.min_max(self.values)
        return found["min"], found["max"]

    @cached_property
    def lengths(self) -> pa.Array:
        """Characters of texts, bytes of binary values, elements of lists."""
        return length_of(self.values)

    @cached_property
    def length_extremes(self) -> tuple[int | None, int | None]:
        """The smallest and the largest of the lengths."""
        found = pc.min_max(self.lengths)
        return found["min"].as_py(), found["max"].as_py()

    def mask(self, question: Callable[[pa.Array], pa.Array]) -> Mask | None:
        """The rows for which the answer about the value is true; None when there are none."""
        return self.spread(question(self.values))

    def spread(self, answers: pa.Array) -> Mask | None:
        """Answers about `values` as answers about rows."""
        if not pc.any(answers).as_py():
            return None
        return answers if self._indices is None else answers.take(self._indices)


def _has_few_levels(values: pa.Array) -> bool:
    """Whether so few texts are there, by the look of the first, that it pays to find out which."""
    if len(values) <= _PROBE or not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return False
    return bool(pc.count_distinct(values.slice(0, _PROBE)).as_py() <= _PROBE // 8)


def _stored(array: pa.Array) -> pa.Array:
    """The array without the wrappings that are no encoding by dictionary."""
    if isinstance(array, pa.ExtensionArray):
        return _stored(array.storage)
    if pa.types.is_run_end_encoded(array.type):
        return _stored(pc.run_end_decode(array))
    return array


def seen_type(kind: pa.DataType) -> pa.DataType:
    """The type that `Seen.values` has of a column of this one."""
    kind = stored_type(kind)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    return pa.float32() if pa.types.is_float16(kind) else kind


def plain(array: pa.Array) -> pa.Array:
    """Values that every kernel takes, NaN as null."""
    array = _stored(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    wanted = seen_type(array.type)
    if wanted != array.type:
        array = array.cast(wanted)
    if not pa.types.is_floating(array.type) or not _has_nan(array):
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def _has_nan(array: pa.Array) -> bool:
    if len(array) and not array.null_count:
        return bool(np.isnan(array.to_numpy().min()))  # the smallest of numbers with a NaN among them is NaN
    return bool(pc.any(pc.is_nan(array)).as_py())


def length_of(values: pa.Array) -> pa.Array:
    """The lengths of texts, bytes or lists."""
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return pc.utf8_length(values)
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return pc.binary_length(values)
    return pc.list_value_length(values)


def positive_zero(values: pa.Array) -> pa.Array:
    """Floats with 0.0 for -0.0, for what compares their bits; other values as they are."""
    return pc.add(values, pa.scalar(0.0, values.type)) if pa.types.is_floating(values.type) else values
