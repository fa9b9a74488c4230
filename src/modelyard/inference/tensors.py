"""Rows with tensors and text: one array an input, beside the matrix of numbers and categories."""

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any, cast
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import Value

from .encode import Encoded, Encoder
from .errors import InvalidRow
from .records import Field, Signature

Row = Sequence[Value]

_ROWS, _SCORES = "rows", "scores"
_KINDS = {"float32": "fiu", "float64": "fiu", "int64": "iu", "int32": "iu", "uint8": "iu", "bool": "b"}
"""numpy's kinds of numbers that JSON may write for each dtype."""


class TensorEncoder:
    """Encodes rows for one signature with tensors or text. Immutable; safe for any thread."""

    def __init__(self, signature: Signature) -> None:
        self._fields = signature.fields
        self._plain = [at for at, field in enumerate(signature.fields) if field.kind in ("number", "category")]
        self._encode = Encoder(signature.plain)

    def __call__(self, rows: Sequence[Row]) -> Encoded:
        """Encode raw rows in the signature's order: tensors as arrays of their dtype or nested lists, text as strings.

        InvalidRow names row and field, as `Encoder` does; also for elements that are not finite numbers.
        """
        checked = [self.row(row, index) for index, row in enumerate(rows)]
        plain = self._encode([[row[at] for at in self._plain] for row in checked])
        arrays = {
            field.name: _stacked(field, [row[at] for row in checked])
            for at, field in enumerate(self._fields)
            if field.kind in ("tensor", "text")
        }
        return Encoded(plain.matrix, plain.unknown, arrays)

    def row(self, row: Row, index: int = 0) -> tuple[Value, ...]:
        """The row with its tensors as arrays, checked; numbers and categories are left for `__call__`."""
        if len(row) != len(self._fields):
            raise InvalidRow(
                f"Row {index} has {len(row)} values; the model takes {len(self._fields)}: "
                f"{', '.join(each.name for each in self._fields)}.",
                context={"row": index, "path": f"[{index}]"},
                remedy="Send the values in this order, or by name.",
            )
        return tuple([_checked(field, value, index) for field, value in zip(self._fields, row, strict=True)])


def encoder_of(signature: Signature) -> Encoder | TensorEncoder:
    """What encodes rows of a signature."""
    return TensorEncoder(signature) if signature.has_tensors else Encoder(signature)


def tensor_of(field: Field, value: object, *, rows: int | None = None) -> NDArray[Any]:
    """A value as the array of a tensor field; ValueError says what it is instead.

    With `rows`, so many rows of it at once. Arrays must have the field's dtype. Of lists, numbers are taken that the
    dtype holds: whole ones exactly, decimals as near as it can.
    """
    wanted = field.shape if rows is None else (rows, *field.shape)
    if isinstance(value, np.ndarray):
        array = value
        if array.dtype != np.dtype(field.dtype):
            raise ValueError(f"elements of {array.dtype}")
    else:
        array = _of_lists(field, value)
    if array.shape != wanted:
        raise ValueError(f"shape {list(array.shape)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("elements that are not finite numbers")
    return array


def described(field: Field) -> str:
    """What a tensor field holds, in words."""
    return f"{field.dtype} of shape {list(field.shape)}"


def pack_golden(signature: Signature, rows: Sequence[Row], scores: NDArray[np.float64]) -> bytes:
    """Rows and the original's scores for them as `golden.npz`: tensors as arrays, the rest as JSON."""
    tensors = _places(signature)
    rest = [[None if at in tensors else value for at, value in enumerate(row)] for row in rows]
    arrays = {f"tensor_{at}": np.stack([np.asarray(row[at]) for row in rows]) for at in tensors}
    packed = BytesIO()
    encoded = np.frombuffer(msgspec.json.encode(rest), dtype=np.uint8)
    np.savez_compressed(packed, **cast("Any", {_ROWS: encoded, _SCORES: scores, **arrays}))
    return packed.getvalue()


def unpack_golden(signature: Signature, data: bytes) -> tuple[list[list[Value]], NDArray[np.float64]]:
    """What `pack_golden` packed; ValueError when it is something else."""
    try:
        with np.load(BytesIO(data), allow_pickle=False) as held:
            rows: list[list[Value]] = msgspec.json.decode(held[_ROWS].tobytes(), type=list[list[Any]])
            for at in _places(signature):
                for row, array in zip(rows, held[f"tensor_{at}"], strict=True):
                    row[at] = array
            return rows, np.asarray(held[_SCORES], dtype=np.float64)
    except (
        OSError,
        EOFError,
        KeyError,
        IndexError,
        ValueError,
        BadZipFile,
        struct.error,
        msgspec.MsgspecError,
    ) as error:
        raise ValueError(f"it holds no golden rows: {error}") from error


def typical(example: Encoded, rows: int) -> Encoded:
    """So many copies of the first row of an encoded example."""
    arrays = {name: np.repeat(array[:1], rows, axis=0) for name, array in (example.arrays or {}).items()}
    return Encoded(np.repeat(example.matrix[:1], rows, axis=0), {}, arrays)


def _places(signature: Signature) -> list[int]:
    return [at for at, field in enumerate(signature.fields) if field.kind == "tensor"]


def _checked(field: Field, value: Value, index: int) -> Value:
    if field.kind == "tensor":
        try:
            return tensor_of(field, value)
        except ValueError as error:
            raise _refused(field, index, f"has {error}", described(field)) from error
    if field.kind == "text" and not isinstance(value, str):
        raise _refused(field, index, f"is {str(value)[:60]}", "a string")
    return value


def _of_lists(field: Field, value: object) -> NDArray[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{'nothing' if value is None else f'a {type(value).__name__}'} in place of a tensor")  # noqa: TRY004
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        raise ValueError("lists of unequal length or depth") from None
    if array.dtype.kind not in _KINDS[field.dtype or "float32"] or _mixed(array, value):
        raise ValueError(f"elements that are no {field.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        cast_down = array.astype(field.dtype)
    if array.dtype.kind in "iu" and not np.array_equal(cast_down, array):
        raise ValueError(f"whole numbers that {field.dtype} does not hold")
    return cast_down


def _mixed(array: NDArray[Any], value: list[Any]) -> bool:
    """Whether truth values stand among numbers, which numpy would take for 0 and 1."""
    if array.dtype.kind == "b" or not array.size:
        return False
    flat: list[Any] = value
    for _ in range(array.ndim - 1):
        flat = [each for part in flat for each in part]
    return bool in set(map(type, flat))


def _stacked(field: Field, values: Sequence[Value]) -> NDArray[Any]:
    if field.kind == "text":
        return np.array(values, dtype=object).reshape(len(values), *field.shape)
    if not values:
        return np.empty((0, *field.shape), dtype=field.dtype)
    return np.stack(cast("list[NDArray[Any]]", list(values)))


def _refused(field: Field, index: int, what: str, expected: str) -> InvalidRow:
    return InvalidRow(
        f"Field '{field.name}' of row {index} {what}; expected {expected}.",
        context={"row": index, "field": field.name, "path": f"[{index}].{field.name}"},
        remedy="Send rows as the model's signature says: GET /v2/models/NAME shows datatypes and shapes.",
    )
