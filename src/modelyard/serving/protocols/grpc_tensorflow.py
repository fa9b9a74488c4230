"""TensorFlow Serving over gRPC: the service `tensorflow.serving.PredictionService`, its Predict and GetModelMetadata.

Field numbers and their sources are in `messages`; the meaning is that of `tensorflow_serving`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from modelyard.access import Permission
from modelyard.core import Scalar

from ..arms import LoadedArm
from ..dataplane import DataPlane
from ..errors import BadRequest
from .answering import answering, answers, arm_of, version_of_label
from .contract import Call
from .grpc_contract import Method
from .messages import TENSORFLOW
from .open_inference import chosen
from .tensorflow_serving import METHOD, SIGNATURE, check_signature, given_outputs, given_tensors
from .tensors import (
    Tensor,
    TensorSpec,
    check_shape,
    check_values,
    from_binary,
    inputs_of,
    rows_of,
    tensor_field,
    tensor_from_binary,
    tensor_rows,
    text_of,
)

SERVICE = "tensorflow.serving.PredictionService"
SIGNATURES = "signature_def"

_DTYPES = {
    1: ("FP32", "float_val"),
    2: ("FP64", "double_val"),
    3: ("INT32", "int_val"),
    4: ("UINT8", "int_val"),
    5: ("INT16", "int_val"),
    6: ("INT8", "int_val"),
    7: ("BYTES", "string_val"),
    9: ("INT64", "int64_val"),
    10: ("BOOL", "bool_val"),
    17: ("UINT16", "int_val"),
    19: ("FP16", "half_val"),
    22: ("UINT32", "uint32_val"),
    23: ("UINT64", "uint64_val"),
}
"""TensorFlow's data types (`types.proto`): the datatype here, and the field that holds the elements."""

_NUMBERS = {datatype: number for number, (datatype, _) in _DTYPES.items()}
_NOT_ELEMENTS = ("dtype", "tensor_shape", "version_number")


async def _predict(plane: DataPlane, request: Any, call: Call) -> Any:
    check_signature(request.model_spec.signature_name, "model_spec.signature_name")
    deployment = answering(plane, request.model_spec.name, _version(plane, request.model_spec))
    plane.admit(deployment)
    names = list(request.output_filter)
    empty = [Tensor(spec.name, spec.datatype, (), ()) for spec in given_outputs(deployment.live)]
    chosen(empty, names)
    tensors = [_tensor(deployment.live, name, request.inputs[name], call.rows_limit) for name in sorted(request.inputs)]
    answered = await answers(plane, call, deployment, rows_of(deployment.live, tensors, call.rows_limit))
    versions = {answer.model_version for answer in answered}
    response = TENSORFLOW["PredictResponse"](
        model_spec=_spec(deployment.route.deployment, versions.pop() if len(versions) == 1 else "")
    )
    for tensor in chosen(given_tensors(deployment, answered), names):
        response.outputs[tensor.name].CopyFrom(_proto(tensor))
    return response


async def _metadata(plane: DataPlane, request: Any, _call: Call) -> Any:
    if strangers := set(request.metadata_field) - {SIGNATURES}:
        raise BadRequest(
            f"There is no metadata '{min(strangers)[:80]}'.",
            context={"path": "metadata_field"},
            remedy=f"Ask for {SIGNATURES}.",
        )
    arm = arm_of(plane, request.model_spec.name, _version(plane, request.model_spec))
    signature = TENSORFLOW["SignatureDef"](
        inputs={spec.name: _info(spec) for spec in inputs_of(arm)},
        outputs={spec.name: _info(spec) for spec in given_outputs(arm)},
        method_name=METHOD,
    )
    signatures = TENSORFLOW["SignatureDefMap"](signature_def={SIGNATURE: signature})
    packed = TENSORFLOW["Any"](
        type_url="type.googleapis.com/tensorflow.serving.SignatureDefMap", value=signatures.SerializeToString()
    )
    return TENSORFLOW["GetModelMetadataResponse"](
        model_spec=_spec(request.model_spec.name, arm.arm.version), metadata={SIGNATURES: packed}
    )


def _version(plane: DataPlane, spec: Any) -> str | None:
    if spec.version_label:
        return version_of_label(plane, spec.name, spec.version_label)
    return str(spec.version.value) if spec.HasField("version") else None


def _spec(name: str, version: str) -> Any:
    """A model's name and, where it is a number, its version: the protocol has room for no other."""
    spec = TENSORFLOW["ModelSpec"](name=name, signature_name=SIGNATURE)
    if version.isascii() and version.isdecimal() and int(version) < 1 << 63:
        spec.version.value = int(version)
    return spec


def _tensor(arm: LoadedArm, name: str, given: Any, rows_limit: int) -> Tensor:
    path = f"inputs.{name[:80]}"
    if given.dtype not in _DTYPES or given.tensor_shape.unknown_rank:
        raise BadRequest(
            f"'{name[:80]}' has data type {given.dtype}{' and no rank' if given.tensor_shape.unknown_rank else ''}.",
            context={"path": f"{path}.dtype"},
            remedy="Send numbers, strings or booleans, with their shape.",
        )
    datatype, place = _DTYPES[given.dtype]
    shape = tuple(dim.size for dim in given.tensor_shape.dim)
    tensor = tensor_field(arm, name)
    count = check_shape(datatype, shape, rows_limit, path, tensor)
    filled = [field.name for field, _ in given.ListFields() if field.name not in _NOT_ELEMENTS]
    if filled == ["tensor_content"] and datatype != "BYTES":
        raw = given.tensor_content
        if tensor is not None:
            return Tensor(name, datatype, shape, tensor_from_binary(tensor, datatype, raw, shape, path), path)
        return Tensor(name, datatype, shape, from_binary(datatype, raw, count, path), path)
    if filled not in ([], [place]):
        raise BadRequest(
            f"'{name[:80]}' has elements in {' and '.join(filled)}.",
            context={"path": path},
            remedy=f"Elements of its type belong into {place}, and nowhere else.",
        )
    if tensor is not None:
        return Tensor(name, datatype, shape, tensor_rows(tensor, list(getattr(given, place)), shape, path), path)
    return Tensor(name, datatype, shape, _values(datatype, getattr(given, place), shape, count, path), path)


def _values(datatype: str, given: Any, shape: tuple[int, ...], count: int, path: str) -> list[Scalar]:
    """Elements as given; one for all rows of a column stands for each, as TensorFlow has it."""
    elements = list(given)
    if len(elements) == 1 and shape[1:] in ((), (1,)):
        elements *= count
    if len(elements) != count:
        raise BadRequest(
            f"{len(elements)} elements do not make up the shape {list(shape)}.",
            context={"path": path},
            remedy=f"Send {count}, row by row.",
        )
    if datatype == "BYTES":
        return [text_of(each, f"{path}[{at}]") for at, each in enumerate(elements)]
    return check_values(datatype, _halves(elements, path) if datatype == "FP16" else elements, path)


def _halves(bits: Iterable[int], path: str) -> list[float]:
    """Half-precision numbers, of which each field holds the 16 bits."""
    known = list(bits)
    if not all(0 <= each < 1 << 16 for each in known):
        raise BadRequest("A half has more than 16 bits.", context={"path": path}, remedy="See tensor.proto.")
    values: list[float] = np.array(known, "<u2").view("<f2").tolist()
    return values


def _proto(tensor: Tensor) -> Any:
    proto = TENSORFLOW["TensorProto"](dtype=_NUMBERS[tensor.datatype], tensor_shape=_shape(tensor.shape))
    if tensor.datatype == "BYTES":
        proto.string_val.extend(str(value).encode() for value in tensor.values)
    else:
        proto.double_val.extend(tensor.values)
    return proto


def _info(spec: TensorSpec) -> Any:
    return TENSORFLOW["TensorInfo"](
        name=f"{spec.name}:0", dtype=_NUMBERS[spec.datatype], tensor_shape=_shape(spec.shape)
    )


def _shape(shape: Iterable[int]) -> Any:
    return TENSORFLOW["TensorShape"](dim=[TENSORFLOW["TensorShapeDim"](size=side) for side in shape])


def _model(request: Any) -> str:
    return str(request.model_spec.name)


METHODS: Mapping[str, Method] = {
    "Predict": Method(TENSORFLOW["PredictRequest"], _predict, Permission.PREDICT, _model),
    "GetModelMetadata": Method(TENSORFLOW["GetModelMetadataRequest"], _metadata, Permission.PREDICT, _model),
}
"""The methods of the service."""
