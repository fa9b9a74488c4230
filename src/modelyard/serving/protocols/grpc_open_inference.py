"""The Open Inference Protocol, version 2, over gRPC: the service `inference.GRPCInferenceService`.

Field numbers and their sources are in `messages`; the meaning is that of `open_inference`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from modelyard.access import Permission
from modelyard.inference import Field

from ..arms import LoadedArm
from ..dataplane import DataPlane
from ..errors import BadRequest
from .answering import answering, answers, arm_of, ready
from .contract import Call
from .grpc_contract import Method
from .messages import OPEN_INFERENCE
from .open_inference import EXTENSIONS, SERVER, answer_facts, check_parameters, chosen, model_facts, server_version
from .tensors import (
    Tensor,
    check_shape,
    check_values,
    from_binary,
    outputs_of,
    rows_of,
    tensor_field,
    tensor_from_binary,
    tensor_rows,
    tensors_of,
    text_of,
    to_binary,
)

SERVICE = "inference.GRPCInferenceService"

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where the elements of each datatype are; FP16 has no place and comes raw."""


async def _server_live(_plane: DataPlane, _request: Any, _call: Call) -> Any:
    return OPEN_INFERENCE["ServerLiveResponse"](live=True)


async def _server_ready(plane: DataPlane, _request: Any, call: Call) -> Any:
    return OPEN_INFERENCE["ServerReadyResponse"](ready=ready(plane, call))


async def _server(_plane: DataPlane, _request: Any, _call: Call) -> Any:
    return OPEN_INFERENCE["ServerMetadataResponse"](name=SERVER, version=server_version(), extensions=EXTENSIONS)


async def _model_ready(plane: DataPlane, request: Any, _call: Call) -> Any:
    arm_of(plane, request.name, request.version or None)
    return OPEN_INFERENCE["ModelReadyResponse"](ready=True)


async def _model(plane: DataPlane, request: Any, _call: Call) -> Any:
    arm = arm_of(plane, request.name, request.version or None)
    return OPEN_INFERENCE["ModelMetadataResponse"](**model_facts(arm, plane.deployments.find(request.name)))


async def _infer(plane: DataPlane, request: Any, call: Call) -> Any:
    check_parameters(list(request.parameters), [], "")
    deployment = answering(plane, request.model_name, request.model_version or None)
    plane.admit(deployment)
    info = deployment.live.bundle.info
    names = [each.name for each in request.outputs]
    for index, each in enumerate(request.outputs):
        check_parameters(list(each.parameters), [], f"outputs[{index}].")
    chosen([Tensor(each.name, each.datatype, (), ()) for each in outputs_of(info)], names)
    rows = rows_of(deployment.live, _tensors(deployment.live, request, call.rows_limit), call.rows_limit)
    answered = await answers(plane, call, deployment, rows)
    version, parameters = answer_facts(deployment, answered)
    response = OPEN_INFERENCE["ModelInferResponse"](
        model_name=deployment.route.deployment, model_version=version or "", id=request.id
    )
    for name, value in parameters.items():
        response.parameters[name].string_param = value
    for tensor in chosen(tensors_of(info, answered), names):
        _add_output(response, tensor, raw=bool(request.raw_input_contents))
    return response


def _tensors(arm: LoadedArm, request: Any, rows_limit: int) -> list[Tensor]:
    raws = list(request.raw_input_contents)
    if raws and len(raws) != len(request.inputs):
        raise BadRequest(
            f"{len(raws)} raw contents are not one for each of {len(request.inputs)} inputs.",
            context={"path": "raw_input_contents"},
            remedy="Send all inputs raw, in their order, or none.",
        )
    tensors = []
    for index, given in enumerate(request.inputs):
        path = f"inputs[{index}]"
        check_parameters(list(given.parameters), [], f"{path}.")
        field = tensor_field(arm, given.name)
        count = check_shape(given.datatype, given.shape, rows_limit, path, field)
        raw = raws[index] if raws else None
        values = _values(given, raw, count, path, field)
        tensors.append(Tensor(given.name, given.datatype, tuple(given.shape), values, path))
    return tensors


def _values(given: Any, raw: bytes | None, count: int, path: str, field: Field | None) -> Sequence[Any] | NDArray[Any]:
    filled = [field.name for field, _ in given.contents.ListFields()]
    if raw is not None:
        if filled:
            raise BadRequest(
                f"'{given.name[:80]}' comes raw and as {filled[0]}.",
                context={"path": f"{path}.contents"},
                remedy="Send one of the two.",
            )
        if field is not None:
            return tensor_from_binary(field, given.datatype, raw, given.shape, path)
        return from_binary(given.datatype, raw, count, path)
    place = _CONTENTS.get(given.datatype, "raw_input_contents")
    values = getattr(given.contents, place, ())
    if filled not in ([], [place]) or len(values) != count:
        raise BadRequest(
            f"'{given.name[:80]}' has {len(values)} elements in {place}; its shape has {count}.",
            context={"path": f"{path}.contents"},
            remedy=f"Elements of {given.datatype} belong into {place}, and nowhere else.",
        )
    if field is not None:
        return tensor_rows(field, list(values), given.shape, f"{path}.contents.{place}")
    if given.datatype == "BYTES":
        return [text_of(each, f"{path}.contents.{place}[{at}]") for at, each in enumerate(values)]
    return check_values(given.datatype, values, f"{path}.contents.{place}")


def _add_output(response: Any, tensor: Tensor, *, raw: bool) -> None:
    output = response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    if raw:
        response.raw_output_contents.append(to_binary(tensor))
    elif tensor.datatype == "BYTES":
        output.contents.bytes_contents.extend(str(value).encode() for value in tensor.values)
    else:
        output.contents.fp64_contents.extend(tensor.values)


def _on_stream(answer: Any, error: str) -> Any:
    return OPEN_INFERENCE["ModelStreamInferResponse"](infer_response=answer, error_message=error)


def _name(request: Any) -> str:
    return str(request.name)


def _model_name(request: Any) -> str:
    return str(request.model_name)


_INFER_REQUEST = OPEN_INFERENCE["ModelInferRequest"]

METHODS: Mapping[str, Method] = {
    "ServerLive": Method(OPEN_INFERENCE["ServerLiveRequest"], _server_live, None),
    "ServerReady": Method(OPEN_INFERENCE["ServerReadyRequest"], _server_ready, None),
    "ModelReady": Method(OPEN_INFERENCE["ModelReadyRequest"], _model_ready, None),
    "ServerMetadata": Method(OPEN_INFERENCE["ServerMetadataRequest"], _server, None),
    "ModelMetadata": Method(OPEN_INFERENCE["ModelMetadataRequest"], _model, Permission.PREDICT, _name),
    "ModelInfer": Method(_INFER_REQUEST, _infer, Permission.PREDICT, _model_name),
    "ModelStreamInfer": Method(_INFER_REQUEST, _infer, Permission.PREDICT, _model_name, _on_stream),
}
"""The methods of the service."""
