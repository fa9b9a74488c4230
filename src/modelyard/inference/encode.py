"""From raw rows to the matrix a model reads. Training and serving use this same code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Scalar

from .errors import InvalidRow
from .records import Field, Signature

NAN = float("nan")


@dataclass(frozen=True)
class Encoded:
    """`matrix`: float64, C-contiguous, (n_rows, n_fields), NaN for missing; `unknown`: unseen levels met, by field."""

    matrix: NDArray[np.float64]
    unknown: Mapping[str, int] = field(default_factory=dict)


class Encoder:
    """Encodes rows for one signature. Immutable; safe for any thread."""

    def __init__(self, signature: Signature) -> None:
        self._fields = signature.fields
        self._codes: list[dict[str | None, float]] = [
            {level: float(code) for code, level in enumerate(each.categories)} for each in signature.fields
        ]

    def __call__(self, rows: Sequence[Sequence[Scalar]]) -> Encoded:
        """Encode raw rows, shape (n_rows, n_fields) in the signature's order.

        None and NaN are missing. InvalidRow names row and field for a wrong count of values, a wrong type, an infinite
        number, a missing value in a field that is not nullable, and an unseen level where the signature refuses those.
        """
        matrix = np.empty((len(rows), len(self._fields)), dtype=np.float64)
        unknown: dict[str, int] = {}
        for index, row in enumerate(rows):
            if len(row) != len(self._fields):
                raise _wrong_width(index, row, self._fields)
            matrix[index] = [
                self._number(index, spec, value) if spec.kind == "number" else self._code(index, at, value, unknown)
                for at, (spec, value) in enumerate(zip(self._fields, row, strict=True))
            ]
        return Encoded(matrix, unknown)

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
            fine = np.isfinite(matrix[:, at])
            if spec.kind == "number" and spec.nullable:
                fine |= np.isnan(matrix[:, at])
            for index in np.flatnonzero(~fine).tolist():  # the few that need a closer look go the way of single rows
                value = column[index]
                plain = value if value is None or isinstance(value, str) else float(value)
                matrix[index, at] = self._one(index, at, plain, unknown)
        return Encoded(matrix, unknown)

    def _one(self, index: int, at: int, value: Scalar, unknown: dict[str, int]) -> float:
        spec = self._fields[at]
        return self._number(index, spec, value) if spec.kind == "number" else self._code(index, at, value, unknown)

    def _number(self, index: int, spec: Field, value: Scalar) -> float:
        if type(value) is float or type(value) is int:
            if value - value == 0:  # finite: infinities and NaN minus themselves are NaN
                return float(value)
            if isnan(value):
                return _missing(index, spec)
            raise _refused(index, spec, value, "a finite number")
        if value is None:
            return _missing(index, spec)
        raise _refused(index, spec, value, "a number or null")

    def _code(self, index: int, at: int, value: Scalar, unknown: dict[str, int]) -> float:
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


def _wrong_width(index: int, row: Sequence[Scalar], fields: Sequence[Field]) -> InvalidRow:
    names = ", ".join(spec.name for spec in fields)
    return InvalidRow(
        f"Row {index} has {len(row)} values; the model takes {len(fields)}: {names}.",
        context={"row": index, "path": f"[{index}]"},
        remedy="Send the values in this order, or by name.",
    )
