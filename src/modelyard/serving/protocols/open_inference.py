"""The Open Inference Protocol, version 2, over REST, with its binary tensor data extension.

Specification: https://github.com/kserve/open-inference-protocol (`specification/protocol/inference_rest.md`) and
https://github.com/triton-inference-server/server (`docs/protocol/extension_binary_data.md`). `{model}` is the
deployment. Parameters that are not named here are refused, since they would be asked for in vain.
"""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version as version_of_package
from typing import Any

import msgspec
from numpy.typing import NDArray

from modelyard.access import Permission
from modelyard.core import ModelyardError, did_you_mean

from ..arms import LoadedArm
from ..dataplane import Answer, DataPlane
from ..deployments import Deployment
from ..errors import BadRequest, NotReady
from .answering import answering, answers, arm_of, ready, versions_of
from .contract import Call, Reply, Route, decode_json, json_reply, text_error
from .tensors import (
    Tensor,
    TensorSpec,
    check_shape,
    check_values,
    from_binary,
    inputs_of,
    outputs_of,
    rows_of,
    tensor_field,
    tensor_from_binary,
    tensor_rows,
    tensors_of,
    to_binary,
)

SERVER = "modelyard"
EXTENSIONS = ("binary_tensor_data",)
HEADER_LENGTH = "inference-header-content-length"

_Parameters = dict[str, bool | int | float | str]


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: _Parameters = {}


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parameters: _Parameters = {}


class _Infer(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: _Parameters = {}


_ENCODE = msgspec.json.Encoder().encode
_REMEDY = 'Send {"inputs": [{"name": …, "datatype": "FP64", "shape": [1], "data": [1.0]}, …]}, say.'


@cache
def server_version() -> str:
    """The version of this package."""
    return version_of_package("modelyard")


def error_reply(error: ModelyardError) -> Reply:
    """`{"error": "text"}`."""
    return text_error(error)


def answer_facts(deployment: Deployment, answered: Sequence[Answer]) -> tuple[str | None, dict[str, str]]:
    """The version that answered, None when there were several, and the parameters of a response.

    `prediction_ids` has one for each row, joined by commas: a parameter of this protocol is a single value. So has
    `model_versions`, when the route gave the rows to several.
    """
    versions = [answer.model_version for answer in answered] or [deployment.route.live.version]
    parameters = {"prediction_ids": ",".join(answer.prediction_id for answer in answered)}
    if len(set(versions)) == 1:
        return versions[0], parameters
    return None, parameters | {"model_versions": ",".join(versions)}


def chosen(tensors: Sequence[Tensor], names: Sequence[str]) -> list[Tensor]:
    """The outputs asked for, in that order; all without names. BadRequest for a stranger or a repetition."""
    by_name = {tensor.name: tensor for tensor in tensors}
    for index, name in enumerate(names):
        if name not in by_name or name in names[:index]:
            what = "is asked for twice" if name in by_name else "is no output of this model"
            raise BadRequest(
                f"'{name[:80]}' {what}.",
                context={"path": f"outputs[{index}].name"},
                remedy=did_you_mean(name, by_name),
            )
    return [by_name[name] for name in names] if names else list(tensors)


def check_parameters(given: Sequence[str], known: Sequence[str], path: str) -> None:
    """Refuse parameters that would have no effect."""
    if strangers := sorted(set(given) - set(known)):
        raise BadRequest(
            f"The parameter '{strangers[0][:80]}' is not offered.",
            context={"path": f"{path}parameters.{strangers[0][:80]}"},
            remedy=f"Parameters here: {', '.join(known) or 'none'}.",
        )


def model_facts(arm: LoadedArm, deployment: Deployment) -> dict[str, Any]:
    """What a model takes and gives, under the protocol's names."""
    return {
        "name": deployment.route.deployment,
        "versions": versions_of(deployment),
        "platform": f"modelyard_{arm.bundle.info.runtime}",
        "inputs": [_spec(each) for each in inputs_of(arm)],
        "outputs": [_spec(each) for each in outputs_of(arm.bundle.info)],
    }


async def _server(_plane: DataPlane, _call: Call) -> Reply:
    return json_reply({"name": SERVER, "version": server_version(), "extensions": EXTENSIONS})


async def _live(_plane: DataPlane, _call: Call) -> Reply:
    return json_reply({"live": True})


async def _ready(plane: DataPlane, call: Call) -> Reply:
    if not ready(plane, call):
        raise NotReady("This server does not take requests now.", remedy="Try again, or see its log.")
    return json_reply({"ready": True})


async def _model_ready(plane: DataPlane, call: Call) -> Reply:
    arm_of(plane, call.parts["model"], call.parts.get("version"))
    return json_reply({"name": call.parts["model"], "ready": True})


async def _model(plane: DataPlane, call: Call) -> Reply:
    arm = arm_of(plane, call.parts["model"], call.parts.get("version"))
    return json_reply(model_facts(arm, plane.deployments.find(call.parts["model"])))


async def _infer(plane: DataPlane, call: Call) -> Reply:
    header, raw = _split(call)
    request = decode_json(_Infer, header, _REMEDY)
    check_parameters(list(request.parameters), ["binary_data_output"], "")
    deployment = answering(plane, call.parts["model"], call.parts.get("version"))
    asked = [
        _binary(each.parameters, "binary_data", f"outputs[{at}].") for at, each in enumerate(request.outputs or [])
    ]
    default = _binary(request.parameters, "binary_data_output", "") or False
    info = deployment.live.bundle.info
    names = [each.name for each in request.outputs or []]
    chosen([Tensor(each.name, each.datatype, (), ()) for each in outputs_of(info)], names)
    rows = rows_of(deployment.live, _tensors(deployment.live, request, raw, call.rows_limit), call.rows_limit)
    answered = await answers(plane, call, deployment, rows)
    outputs = chosen(tensors_of(info, answered), names)
    binary = [default if each is None else each for each in asked] or [default] * len(outputs)
    version, parameters = answer_facts(deployment, answered)
    facts: dict[str, Any] = {"model_name": deployment.route.deployment, "parameters": parameters}
    facts |= {"model_version": version} if version is not None else {}
    facts |= {"id": request.id} if request.id is not None else {}
    return _shaped(facts, outputs, binary)


def _split(call: Call) -> tuple[bytes, memoryview | None]:
    """The JSON of a body and the binary data behind it, None when the header does not announce any."""
    length = call.headers.get(HEADER_LENGTH)
    if length is None:
        return call.body, None
    if not (length.isascii() and length.isdecimal() and len(length) < 20) or int(length) > len(call.body):
        raise BadRequest(
            f"{length[:40]!r} is no length of JSON within a body of {len(call.body)} bytes.",
            context={"path": "Inference-Header-Content-Length"},
            remedy="Write the number of bytes of the JSON that the body begins with.",
        )
    return call.body[: int(length)], memoryview(call.body)[int(length) :]


def _tensors(arm: LoadedArm, request: _Infer, raw: memoryview | None, rows_limit: int) -> list[Tensor]:
    tensors = []
    for index, given in enumerate(request.inputs):
        path = f"inputs[{index}]"
        check_parameters(list(given.parameters), ["binary_data_size"], f"{path}.")
        field = tensor_field(arm, given.name)
        count = check_shape(given.datatype, given.shape, rows_limit, path, field)
        size = _size(given, path)
        values: Sequence[Any] | NDArray[Any]
        if size is None and field is not None:
            values = tensor_rows(field, given.data, given.shape, f"{path}.data")
        elif size is None:
            flat = _flat(given.data or [], given.shape, f"{path}.data")
            values = check_values(given.datatype, flat, f"{path}.data")
        else:
            if raw is None or len(raw) < size:
                raise BadRequest(
                    f"The body has no {size} bytes of binary data for '{given.name[:80]}'.",
                    context={"path": f"{path}.parameters.binary_data_size"},
                    remedy="Send them behind the JSON, with the JSON's length as Inference-Header-Content-Length.",
                )
            data = bytes(raw[:size])
            values = (
                from_binary(given.datatype, data, count, path)
                if field is None
                else tensor_from_binary(field, given.datatype, data, given.shape, path)
            )
            raw = raw[size:]
        tensors.append(Tensor(given.name, given.datatype, tuple(given.shape), values, path))
    if raw:
        raise BadRequest(
            f"{len(raw)} bytes behind the JSON belong to no input.",
            context={"path": "inputs"},
            remedy="Give each input with binary data its binary_data_size.",
        )
    return tensors


def _size(given: _Input, path: str) -> int | None:
    """The size of an input's binary data; None when it comes as JSON. BadRequest for both or neither."""
    size = given.parameters.get("binary_data_size")
    if (size is None) == (given.data is None):
        raise BadRequest(
            f"'{given.name[:80]}' has {'no' if size is None else 'both JSON and binary'} data.",
            context={"path": f"{path}.data"},
            remedy="Send its elements as data, or their number of bytes as parameters.binary_data_size.",
        )
    if size is not None and (type(size) is not int or size < 0):
        raise BadRequest(
            f"{str(size)[:40]!r} is no number of bytes.",
            context={"path": f"{path}.parameters.binary_data_size"},
            remedy="Write a whole number.",
        )
    return size if type(size) is int else None


def _flat(data: list[Any], shape: Sequence[int], path: str) -> list[Any]:
    """Elements of nested or flat lists; BadRequest when they do not make up the shape."""
    flat = data
    nested = len(shape) > 1 and any(isinstance(each, list) for each in data)
    if nested:
        for index, row in enumerate(data):
            if not isinstance(row, list) or len(row) != shape[1]:
                raise BadRequest(
                    f"A row is not {shape[1]} elements.", context={"path": f"{path}[{index}]"}, remedy="See shape."
                )
        flat = [each for row in data for each in row]
    expected = shape[0] * (shape[1] if len(shape) > 1 else 1)
    if len(flat) != expected or (nested and len(data) != shape[0]):
        raise BadRequest(
            f"{len(flat)} elements do not make up the shape {list(shape)}.",
            context={"path": path},
            remedy=f"Send {expected}, row by row.",
        )
    return flat


def _binary(parameters: _Parameters, name: str, path: str) -> bool | None:
    check_parameters(list(parameters), [name], path)
    value = parameters.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise BadRequest(
        f"{str(value)[:40]!r} is neither true nor false.",
        context={"path": f"{path}parameters.{name}"},
        remedy="Write true or false.",
    )


def _shaped(facts: dict[str, Any], outputs: Sequence[Tensor], binary: Sequence[bool]) -> Reply:
    described, blobs = [], []
    for tensor, as_bytes in zip(outputs, binary, strict=True):
        output: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if as_bytes:
            blobs.append(to_binary(tensor))
            output["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            output["data"] = tensor.values
        described.append(output)
    if not blobs:
        return json_reply(facts | {"outputs": described})
    header = _ENCODE(facts | {"outputs": described})
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(header))}
    return Reply(200, headers, b"".join([header, *blobs]))


def _spec(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


_MODEL, _VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"

ROUTES: list[Route] = [
    Route("GET", "/v2", _server, None, error_reply),
    Route("GET", "/v2/health/live", _live, None, error_reply),
    Route("GET", "/v2/health/ready", _ready, None, error_reply),
    *(
        route
        for model in (_MODEL, _VERSION)
        for route in (
            Route("GET", model, _model, Permission.PREDICT, error_reply),
            Route("GET", f"{model}/ready", _model_ready, None, error_reply),
            Route("POST", f"{model}/infer", _infer, Permission.PREDICT, error_reply),
        )
    ),
]
"""The paths of the protocol."""
