"""Typed tensors, whatever the transport: into rows of a model, and out of its answers.

Datatypes are those of the Open Inference Protocol (https://github.com/kserve/open-inference-protocol), which are also
what TensorFlow's are turned into. Binary data is little-endian and row-major; elements of BYTES each follow their
length in 4 bytes, as in the protocol's binary tensor data extension.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import Scalar, did_you_mean
from modelyard.inference import BundleInfo, Field, tensor_of
from modelyard.online import RequestField

from ..arms import Input, LoadedArm
from ..dataplane import Answer
from ..errors import BadRequest, ModelFailed
from .rows import RowReader, check_rows, tensor_refused

DTYPES: Mapping[str, str] = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""numpy's name of each datatype of a fixed width; BYTES is the one without."""

DATATYPES: Mapping[str, str] = {
    "float32": "FP32",
    "float64": "FP64",
    "int64": "INT64",
    "int32": "INT32",
    "uint8": "UINT8",
    "bool": "BOOL",
}
"""The datatype of each dtype that a model's tensor may have."""

_LARGEST = {name: float(np.finfo(kind).max) for name, kind in DTYPES.items() if name.startswith("FP")}
_LIMITS = {name: (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for name, kind in DTYPES.items() if "INT" in name}
_LARGEST_SIDE = 1 << 31


@dataclass(frozen=True)
class Tensor:
    """`values` are flat and row-major; those of BYTES are strings. `path` is where the caller wrote the tensor.

    Where a model takes a tensor itself, `values` are its rows, arrays each.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[Any] | NDArray[Any]
    path: str = ""


@dataclass(frozen=True)
class TensorSpec:
    """What a model takes or gives: `shape` has -1 for the number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def check_shape(datatype: str, shape: Sequence[int], rows_limit: int, path: str, field: Field | None = None) -> int:
    """The number of elements. Rows first: shape (n,) or (n, columns), at most `rows_limit` rows.

    With `field`, a tensor of the model's, datatype and shape must be its own.
    """
    if datatype not in DTYPES and datatype != "BYTES":
        raise BadRequest(
            f"There is no datatype {datatype[:40]!r} here.",
            context={"path": f"{path}.datatype"},
            remedy=did_you_mean(datatype, [*DTYPES, "BYTES"], shown=len(DTYPES) + 1),
        )
    if field is not None:
        if datatype != DATATYPES[field.dtype or "float32"]:
            raise tensor_refused(field, f"datatype {datatype}", f"{path}.datatype")
        if not shape or tuple(shape[1:]) != field.shape or not 0 <= shape[0] < _LARGEST_SIDE:
            raise tensor_refused(field, f"shape {str(list(shape))[:60]}, rows first", f"{path}.shape")
    elif len(shape) not in (1, 2) or not all(0 <= side < _LARGEST_SIDE for side in shape):
        raise BadRequest(
            f"The shape is {str(list(shape))[:60]}.",
            context={"path": f"{path}.shape"},
            remedy="Send [rows], [rows, 1], or all columns as [rows, columns].",
        )
    check_rows(shape[0], rows_limit, f"{path}.shape")
    return prod(shape)


def tensor_field(arm: LoadedArm, name: str) -> Field | None:
    """The model's field of this name when it is a tensor."""
    return arm.tensors.get(name)


def tensor_rows(field: Field, values: object, shape: Sequence[int], path: str) -> NDArray[Any]:
    """A tensor's rows, checked, from elements that came flat or nested, as JSON or as numbers."""
    try:
        given = values
        if isinstance(values, list) and not any(isinstance(each, list) for each in values) and len(field.shape) > 0:
            flat = tensor_of(msgspec.structs.replace(field, shape=(prod(shape),)), values)
            given = flat.reshape(tuple(shape))
        return tensor_of(field, given, rows=shape[0])
    except ValueError as error:
        raise tensor_refused(field, str(error), path) from error


def tensor_from_binary(field: Field, datatype: str, raw: bytes, shape: Sequence[int], path: str) -> NDArray[Any]:
    """A tensor's rows from binary data."""
    dtype = np.dtype(DTYPES[datatype])
    _check_size(datatype, len(raw), prod(shape), dtype.itemsize, path)
    if datatype == "BOOL" and raw.translate(None, b"\0\1"):
        raise tensor_refused(field, "bytes that are neither 0 nor 1", path)
    array = np.frombuffer(raw, dtype).astype(field.dtype, copy=False).reshape(tuple(shape))
    return tensor_rows(field, array, shape, path)


def check_values(datatype: str, values: Sequence[object], path: str) -> list[Scalar]:
    """Values that came as JSON or as protobuf numbers, as they are; BadRequest for what the datatype cannot hold.

    A decimal given for FP16 or FP32 stays the decimal that was written. None stays, as missing.
    """
    return [_checked(datatype, value, path, index) for index, value in enumerate(values)]


def from_binary(datatype: str, raw: bytes, count: int, path: str) -> list[Scalar]:
    """The `count` elements of a binary tensor; BadRequest for too few or too many bytes."""
    if datatype == "BYTES":
        return _strings(raw, count, path)
    dtype = np.dtype(DTYPES[datatype])
    _check_size(datatype, len(raw), count, dtype.itemsize, path)
    values: list[Scalar] = np.frombuffer(raw, dtype).tolist()
    return values


def _check_size(datatype: str, given: int, count: int, width: int, path: str) -> None:
    if given != count * width:
        raise BadRequest(
            f"{given} bytes are not {count} elements of {datatype}.",
            context={"path": path},
            remedy=f"Send {count * width} bytes, little-endian.",
        )


def to_binary(tensor: Tensor) -> bytes:
    """The elements of a tensor as bytes."""
    if tensor.datatype != "BYTES":
        return np.array(tensor.values, DTYPES[tensor.datatype]).tobytes()
    return b"".join(struct.pack("<I", len(each)) + each for each in (str(value).encode() for value in tensor.values))


def text_of(raw: bytes, path: str) -> str:
    """A string of UTF-8; BadRequest when it is not."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"{raw[:20]!r} is not UTF-8.", context={"path": path}, remedy="Categories are strings of UTF-8."
        ) from error


def rows_of(arm: LoadedArm, tensors: Sequence[Tensor], rows_limit: int) -> list[Input]:
    """Rows from one tensor for each field, shape (n,) or (n, 1), or from a single one with all columns in order."""
    reader = RowReader(arm)
    names = [tensor.name for tensor in tensors]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadRequest(f"'{twice[:80]}' is given twice.", context={"path": "inputs"}, remedy="Name each input once.")
    if not tensors:
        raise BadRequest(
            "There are no inputs.", context={"path": "inputs"}, remedy=f"Send {', '.join(reader.request)}."
        )
    if len(tensors) == 1 and names[0] not in reader.request and len(tensors[0].shape) == 2:
        return _matrix_rows(reader, tensors[0], rows_limit)
    return _column_rows(reader, tensors, rows_limit)


def inputs_of(arm: LoadedArm) -> tuple[TensorSpec, ...]:
    """The tensors a model takes: its request fields."""
    return tuple(_spec_of(arm, field) for field in arm.plan.request)


def outputs_of(info: BundleInfo) -> tuple[TensorSpec, ...]:
    """The tensors a model gives: its prediction, and the probability or scores of a classifier."""
    if info.task == "regression":
        return (TensorSpec("prediction", "FP64", (-1,)),)
    label = TensorSpec("prediction", "BYTES", (-1,))
    if info.task == "binary":
        return label, TensorSpec("probability", "FP64", (-1,))
    return label, TensorSpec("scores", "FP64", (-1, len(info.classes)))


def tensors_of(info: BundleInfo, answers: Sequence[Answer]) -> list[Tensor]:
    """Answers as those tensors."""
    label, *scores = outputs_of(info)
    values = [answer.prediction if info.task == "regression" else str(answer.prediction) for answer in answers]
    tensors = [Tensor("prediction", label.datatype, (len(answers),), values)]
    for spec in scores:
        width = abs(prod(spec.shape))
        if any(len(answer.scores) != width for answer in answers):
            raise ModelFailed(
                f"An arm gives {len(answers[0].scores)} scores where live gives {width}.",
                remedy="Deploy versions of the same task and classes behind one deployment.",
            )
        flat = [score for answer in answers for score in answer.scores]
        tensors.append(Tensor(spec.name, spec.datatype, (len(answers), *spec.shape[1:]), flat))
    return tensors


def _spec_of(arm: LoadedArm, field: RequestField) -> TensorSpec:
    if (tensor := tensor_field(arm, field.name)) is not None:
        return TensorSpec(field.name, DATATYPES[tensor.dtype or "float32"], (-1, *tensor.shape))
    return TensorSpec(field.name, "FP64" if field.kind == "number" else "BYTES", (-1,))


def _column_rows(reader: RowReader, tensors: Sequence[Tensor], rows_limit: int) -> list[Input]:
    rows = tensors[0].shape[0]
    for tensor in tensors:
        flat = tensor.name in reader.tensors or tensor.shape[1:] in ((), (1,))
        if not flat or tensor.shape[0] != rows:
            raise BadRequest(
                f"'{tensor.name[:80]}' has shape {list(tensor.shape)}.",
                context={"path": f"{tensor.path}.shape"},
                remedy=f"One value a row in each of {', '.join(reader.request)}, and {rows} rows as in the first.",
            )
    check_rows(rows, rows_limit, "inputs")
    paths = {tensor.name: tensor.path for tensor in tensors}
    return [
        reader.named(
            {tensor.name: tensor.values[row] for tensor in tensors},
            lambda name, row=row: f"{paths[name]}.data[{row}]" if name in paths else "inputs",  # type: ignore[misc]
        )
        for row in range(rows)
    ]


def _matrix_rows(reader: RowReader, tensor: Tensor, rows_limit: int) -> list[Input]:
    rows, columns = tensor.shape
    check_rows(rows, rows_limit, f"{tensor.path}.shape")
    if columns != len(reader.signature):
        raise BadRequest(
            f"'{tensor.name[:80]}' has {columns} columns; the model takes {len(reader.signature)}.",
            context={"path": f"{tensor.path}.shape"},
            remedy=f"One column each for {', '.join(field.name for field in reader.signature)}; "
            f"or one input each for {', '.join(reader.request)}.",
        )
    return [
        reader.ordered(
            list(tensor.values[row * columns : (row + 1) * columns]),
            lambda name, row=row: f"{tensor.path}.data[{row}].{name}".rstrip("."),  # type: ignore[misc]
        )
        for row in range(rows)
    ]


def _checked(datatype: str, value: object, path: str, index: int) -> Scalar:
    if value is None or _holds(datatype, value):
        return value  # type: ignore[return-value]  # a Scalar, as was just seen
    shown = repr(value)
    raise BadRequest(
        f"{shown[:60]} is no {datatype}.",
        context={"path": f"{path}[{index}]"},
        remedy="Send values that the tensor's datatype holds as they are.",
    )


def _holds(datatype: str, value: object) -> bool:
    if datatype in _LARGEST:
        return type(value) in (int, float) and _within(value, _LARGEST[datatype])
    if datatype in _LIMITS:
        least, largest = _LIMITS[datatype]
        return type(value) is int and least <= value <= largest
    return type(value) is (str if datatype == "BYTES" else bool)


def _within(value: object, largest: float) -> bool:
    """Whether a float type holds a number; infinities and NaN are left to the model's fields."""
    if isinstance(value, float) and not isfinite(value):
        return True
    return isinstance(value, int | float) and abs(value) <= largest


def _strings(raw: bytes, count: int, path: str) -> list[Scalar]:
    values: list[Scalar] = []
    at = 0
    while at + 4 <= len(raw) and len(values) < count:
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        if end > len(raw):
            break
        values.append(text_of(raw[at + 4 : end], f"{path}[{len(values)}]"))
        at = end
    if len(values) != count or at != len(raw):
        raise BadRequest(
            f"{len(raw)} bytes are not {count} elements of BYTES.",
            context={"path": path},
            remedy="Send each element's length in 4 bytes, little-endian, then the element.",
        )
    return values
