"""From columns of Arrow to the matrix a model reads: what `inference.Encoder` makes of rows, bit for bit, at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.inference import Encoder, Field, InvalidRow, Signature, TensorEncoder

from .arrays import texts_of, values_of

NAN = float("nan")
_WHOLE = 2.0**53 - 1
"""Up to here every whole number is a float64, whichever neighbour rounding came from."""

_CACHED = 2048

Matrix: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class EncodedColumns:
    """Rows that a model takes, and those that it does not.

    `matrix` (n_rows, n_fields) and `arrays` as in `inference.Encoded`; `refused` gives the reason by row, and those
    rows are not in the matrix. `unknown`: unseen levels met in the rows that are, by field.
    """

    matrix: Matrix
    refused: Mapping[int, str]
    unknown: Mapping[str, int]
    arrays: Mapping[str, NDArray[Any]] | None = None


class ColumnEncoder:
    """Encodes columns for one signature. Immutable; safe for any thread.

    Columns come in the signature's order as Arrow arrays of any type. Flags are 1 and 0, as training reads them; every
    other value is what `Encoder` makes of it, null is missing, and what that refuses is refused for the same reason.
    """

    def __init__(self, signature: Signature) -> None:
        self._fields = signature.fields
        self._tensors = TensorEncoder(signature) if signature.has_tensors else None
        self._encoder = Encoder(signature.plain)
        self._codes = [{level: float(at) for at, level in enumerate(each.categories)} for each in signature.fields]

    def __call__(self, columns: Sequence[pa.Array], numbers: Numbers | None = None) -> EncodedColumns:
        """Encode rows; `numbers` (n_rows,) are theirs in what is said of refused ones, by default from 0."""
        rows = len(columns[0])
        numbers = np.arange(rows) if numbers is None else numbers
        if self._tensors is not None:
            return self._by_rows(self._tensors, columns, numbers)
        refused: dict[int, str] = {}
        unseen: dict[str, Flags] = {}
        read = [
            self._numbers(column, field) if field.kind == "number" else self._levels(column, at, unseen)
            for at, (field, column) in enumerate(zip(self._fields, columns, strict=True))
        ]
        matrix = _side_by_side([values for values, _ in read], rows)
        for at, (column, (_, odd)) in enumerate(zip(columns, read, strict=True)):
            for index in () if odd is None else np.flatnonzero(odd).tolist():
                self._closely(index, at, column, int(numbers[index]), matrix, refused, unseen)
        taken = np.ones(rows, dtype=bool)
        taken[list(refused)] = False
        unknown = {name: int((flags & taken).sum()) for name, flags in unseen.items()}
        return EncodedColumns(
            matrix if not refused else matrix[taken], refused, {name: count for name, count in unknown.items() if count}
        )

    def _numbers(self, column: pa.Array, field: Field) -> tuple[Matrix, Flags | None]:
        """A column of numbers, and which of its values need a closer look; None where none does."""
        kind = column.type
        whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        if not (whole or pa.types.is_floating(kind) or pa.types.is_null(kind)):
            return np.full(len(column), NAN), np.ones(len(column), dtype=bool)
        plain = column.cast(pa.uint8()) if pa.types.is_boolean(kind) else column
        values = values_of(plain.cast(pa.float64(), safe=False), np.float64)
        limit = min(field.limit, _WHOLE) if whole else field.limit
        if len(values) and -limit <= values.min() and values.max() <= limit:  # never so where there is a NaN
            return values, None
        odd = ~(np.abs(values) <= limit)
        if field.nullable and odd.any():
            odd &= ~np.isnan(values)
        return values, odd

    def _levels(self, column: pa.Array, at: int, unseen: dict[str, Flags]) -> tuple[Matrix, Flags]:
        """A column of categories as codes, and which of its values need a closer look."""
        field, coded = self._fields[at], _dictionary(column)
        if coded is None:
            return np.full(len(column), NAN), np.ones(len(column), dtype=bool)
        codes, levels = self._codes[at], [*coded.dictionary.to_pylist(), None]
        other = codes.get("other", NAN) if field.unknown == "other" else NAN
        known = np.array([each in codes for each in levels])
        missing = np.array([each is None for each in levels])
        table = np.array([codes.get(each, NAN if each is None else other) for each in levels])
        odd = missing & (not field.nullable) | ~known & ~missing & (field.unknown == "error")
        strange = ~known & ~missing & ~odd
        places = pc.fill_null(coded.indices.cast(pa.int64()), len(levels) - 1).to_numpy(zero_copy_only=False)
        if strange.any():
            unseen[field.name] = strange[places]
        return table[places], odd[places]

    def _closely(
        self,
        index: int,
        at: int,
        column: pa.Array,
        number: int,
        matrix: Matrix,
        refused: dict[int, str],
        unseen: dict[str, Flags],
    ) -> None:
        """One value, as a row would have it."""
        if index in refused:
            return
        value, strange = column[index].as_py(), dict[str, int]()
        try:
            matrix[index, at] = self._encoder.value(
                number, at, int(value) if isinstance(value, bool) else value, strange
            )
        except InvalidRow as error:
            refused[index] = error.message
        for name in strange:
            unseen.setdefault(name, np.zeros(len(matrix), dtype=bool))[index] = True

    def _by_rows(self, encoder: TensorEncoder, columns: Sequence[pa.Array], numbers: Numbers) -> EncodedColumns:
        """Rows with tensors or text: together, or one by one where one of them is refused."""
        rows = list(zip(*(each.to_pylist() for each in columns), strict=True))
        refused: dict[int, str] = {}
        try:
            found = encoder(rows)
        except InvalidRow:
            kept = []
            for index, row in enumerate(rows):
                try:
                    encoder([row])
                    kept.append(row)
                except InvalidRow as error:
                    refused[index] = error.message.replace("row 0 ", f"row {numbers[index]} ", 1)
            found = encoder(kept)
        return EncodedColumns(found.matrix, refused, found.unknown, found.arrays)


def _side_by_side(columns: Sequence[Matrix], rows: int) -> Matrix:
    """Columns as a matrix, (n_rows, n_columns); so many rows at a time that they stay in the processor's cache."""
    matrix = np.empty((rows, len(columns)))
    for begin in range(0, rows, _CACHED):
        some = slice(begin, begin + _CACHED)
        for at, values in enumerate(columns):
            matrix[some, at] = values[some]
    return matrix


def single(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, which costs nothing where it is one."""
    if column.num_chunks == 1:
        return column.chunk(0)
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def numbers_of_text(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Numbers that stand as text, as in CSV, and which of them are none; an empty text is missing.

    A text is read as the nearest float64; a whole number that no float64 holds is refused.
    """
    plain = pc.utf8_trim_whitespace(texts)
    plain = pc.if_else(pc.is_in(plain, value_set=_NOTHING), pa.scalar(None, plain.type), plain)
    fits = pc.fill_null(pc.match_substring_regex(plain, _NUMBER), fill_value=True)
    sound = plain if pc.all(fits).as_py() is not False else pc.if_else(fits, plain, pa.scalar(None, plain.type))
    numbers = sound.cast(pa.float64())
    large = pc.fill_null(pc.greater(pc.abs(numbers), _WHOLE), fill_value=False)
    if pc.any(large).as_py():
        lost = [
            index
            for index in np.flatnonzero(large.to_numpy(zero_copy_only=False)).tolist()
            if _loses(sound[index].as_py(), numbers[index].as_py())
        ]
        keep = np.ones(len(texts), dtype=bool)
        keep[lost] = False
        fits = pc.and_(fits, pa.array(keep))
    return numbers, pc.invert(fits)


_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NOTHING = texts_of(["", "NA"])


def _loses(text: str, number: float) -> bool:
    """Whether a whole number is not the one that was read."""
    digits = text.lstrip("+-")
    return digits.isdecimal() and (number in (np.inf, -np.inf) or int(text) != int(number))


def _dictionary(column: pa.Array) -> pa.DictionaryArray | None:
    """A column of text as levels and their places; None when it is no text."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string()).dictionary_encode()
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return None
    if pa.types.is_dictionary(column.type):
        return column
    return (column.cast(pa.string()) if pa.types.is_string_view(kind) else column).dictionary_encode()
