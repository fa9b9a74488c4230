"""From raw rows to the matrix a model reads. Training and serving use this same code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Value

from .errors import InvalidRow
from .records import Field, Signature

NAN = float("nan")
EXACT = 2.0**53
"""Up to here every whole number is a float64; beyond, some are not."""

_NUMBERS = frozenset({float, int})


@dataclass(frozen=True)
class Encoded:
    """`matrix`: float64, C-contiguous, (n_rows, n_fields), NaN for missing; `unknown`: unseen levels met, by field.

    `arrays`, where the signature has tensors or text: each of them by name, (n_rows, *shape), strings as objects. The
    matrix then holds the other fields.
    """

    matrix: NDArray[np.float64]
    unknown: Mapping[str, int] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] | None = None


class Encoder:
    """Encodes rows for one signature. Immutable; safe for any thread."""

    def __init__(self, signature: Signature) -> None:
        self._fields = signature.fields
        self._codes: list[dict[str | None, float]] = [
            {level: float(code) for code, level in enumerate(each.categories)} for each in signature.fields
        ]
        self._largest = [each.limit for each in signature.fields]
        self._all_numbers = all(each.kind == "number" for each in signature.fields)
        self._surely_fine = np.minimum(self._largest, EXACT - 1)

    def __call__(self, rows: Sequence[Sequence[Value]]) -> Encoded:
        """Encode raw rows, shape (n_rows, n_fields) in the signature's order.

        None and NaN are missing. InvalidRow names row and field for a wrong count of values, a wrong type, an infinite
        or too large number where the model takes none, a missing value in a field that is not nullable, and an unseen
        level where the signature refuses those. Unseen levels become what the field's policy says, and are counted.
        """
        if self._all_numbers and (plain := self._numbers(rows)) is not None:
            return Encoded(plain)
        matrix = np.empty((len(rows), len(self._fields)), dtype=np.float64)
        unknown: dict[str, int] = {}
        for index, row in enumerate(rows):
            if len(row) != len(self._fields):
                raise _wrong_width(index, row, self._fields)
            matrix[index] = [self.value(index, at, value, unknown) for at, value in enumerate(row)]
        return Encoded(matrix, unknown)

    def _numbers(self, rows: Sequence[Sequence[Value]]) -> NDArray[np.float64] | None:
        """Rows of nothing but ordinary numbers, taken at once; None when any of them needs a closer look."""
        width = len(self._fields)
        if not ({width}.issuperset(map(len, rows)) and _NUMBERS.issuperset(map(type, chain.from_iterable(rows)))):
            return None
        try:
            matrix = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * width).reshape(len(rows), width)
        except OverflowError:  # a whole number beyond all floats
            return None
        return matrix if bool((np.abs(matrix) <= self._surely_fine).all()) else None

    def from_columns(self, columns: Sequence[NDArray[np.float64] | Sequence[str | None]]) -> Encoded:
        """Encode many rows at once, for training: one column a field, in the signature's order.

        Numbers come as float64 arrays (n_rows,) with NaN for missing, categories as strings and None. The answer is
        that of encoding row by row; what the signature refuses is refused the same way.
        """
        unknown: dict[str, int] = {}
        matrix = np.empty((len(columns[0]), len(self._fields)), dtype=np.float64)
        for at, (spec, column) in enumerate(zip(self._fields, columns, strict=True)):
            codes = self._codes[at]
            matrix[:, at] = column if spec.kind == "number" else [codes.get(value, NAN) for value in column]
            fine = np.abs(matrix[:, at]) <= self._largest[at]
            if spec.kind == "number" and spec.nullable:
                fine |= np.isnan(matrix[:, at])
            for index in np.flatnonzero(~fine).tolist():  # the few that need a closer look go the way of single rows
                value = column[index]
                plain = value if value is None or isinstance(value, str) else float(value)
                matrix[index, at] = self.value(index, at, plain, unknown)
        return Encoded(matrix, unknown)

    def value(self, index: int, at: int, value: Value, unknown: dict[str, int]) -> float:
        """What one value, of the field at a place, is in the matrix; for those who go by columns. See `__call__`.

        `index` is the row's in messages; unseen levels are counted in `unknown`.
        """
        spec = self._fields[at]
        return self._number(index, at, value) if spec.kind == "number" else self._code(index, at, value, unknown)

    def _number(self, index: int, at: int, value: Value) -> float:
        largest, spec = self._largest[at], self._fields[at]
        if type(value) is float or type(value) is int:
            if -largest <= value <= largest:
                return _exact(index, spec, value)
            if value != value:  # noqa: PLR0124 - NaN; `isnan` would choke on a whole number of 400 digits
                return _missing(index, spec)
            wanted = "a finite number" if spec.largest is None else f"a finite number up to {largest:.3g}"
            raise _refused(index, spec, value, wanted)
        if value is None:
            return _missing(index, spec)
        raise _refused(index, spec, value, "a number or null")

    def _code(self, index: int, at: int, value: Value, unknown: dict[str, int]) -> float:
        spec = self._fields[at]
        if isinstance(value, str):
            code = self._codes[at].get(value)
            return code if code is not None else self._unseen(index, at, value, unknown)
        if value is None or (type(value) is float and isnan(value)):
            return _missing(index, spec)
        raise _refused(index, spec, value, "a string or null")

    def _unseen(self, index: int, at: int, value: str, unknown: dict[str, int]) -> float:
        spec = self._fields[at]
        if spec.unknown == "error":
            raise _refused(index, spec, value, f"one of the {len(spec.categories)} levels seen in training")
        unknown[spec.name] = unknown.get(spec.name, 0) + 1
        return self._codes[at].get("other", NAN) if spec.unknown == "other" else NAN


def _exact(index: int, spec: Field, value: float) -> float:
    """The number as float64; refused when it is a whole one that would lose digits."""
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floats, in a field that takes infinities
        raise _refused(index, spec, value, "a number that float64 holds") from None
    if type(value) is float or -EXACT <= value <= EXACT or int(number) == value:
        return number
    raise _refused(index, spec, value, f"a number that float64 holds exactly, such as {number:.17g}")


def _missing(index: int, spec: Field) -> float:
    if spec.nullable:
        return NAN
    raise _refused(index, spec, None, f"a {spec.kind}: the model was trained without missing values of it")


def _refused(index: int, spec: Field, value: object, expected: str) -> InvalidRow:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:60] + "…"
    return InvalidRow(
        f"Field '{spec.name}' of row {index} is {shown}; expected {expected}.",
        context={"row": index, "field": spec.name, "path": f"[{index}].{spec.name}"},
        remedy="See the model's signature: modelyard model show NAME VERSION.",
    )


def _wrong_width(index: int, row: Sequence[Value], fields: Sequence[Field]) -> InvalidRow:
    names = ", ".join(spec.name for spec in fields)
    return InvalidRow(
        f"Row {index} has {len(row)} values; the model takes {len(fields)}: {names}.",
        context={"row": index, "path": f"[{index}]"},
        remedy="Send the values in this order, or by name.",
    )
