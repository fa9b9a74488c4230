"""TensorFlow Serving's REST API: status, metadata and predictions in rows or columns.

Specification: https://www.tensorflow.org/tfx/serving/api_rest. `{model}` is the deployment, a label is the name of an
arm. There is one signature, `serving_default`; its outputs are the prediction, a classifier's probability or scores,
and the prediction id.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.access import Permission
from modelyard.core import ModelyardError, Scalar

from ..arms import Input, LoadedArm
from ..dataplane import Answer, DataPlane
from ..deployments import Deployment
from ..errors import BadRequest
from .answering import answering, answers, arm_of, version_of_label
from .contract import Call, Reply, Route, decode_json, json_reply, text_error
from .errors import NotOffered
from .rows import RowReader, check_rows
from .tensors import Tensor, TensorSpec, inputs_of, outputs_of, tensors_of, text_of

SIGNATURE = "serving_default"
METHOD = "tensorflow/serving/predict"
_TYPES = {
    "BYTES": "DT_STRING",
    "FP64": "DT_DOUBLE",
    "FP32": "DT_FLOAT",
    "INT64": "DT_INT64",
    "INT32": "DT_INT32",
    "UINT8": "DT_UINT8",
    "BOOL": "DT_BOOL",
}
PREDICTION_ID = TensorSpec("prediction_id", "BYTES", (-1,))


class _Predict(msgspec.Struct, forbid_unknown_fields=True):
    signature_name: str = SIGNATURE
    instances: list[Any] | None = None
    inputs: dict[str, list[Any]] | list[Any] | None = None


_REMEDY = 'Send {"instances": [{"name": value, …}, …]} or {"inputs": {"name": [value, …], …}}.'


def error_reply(error: ModelyardError) -> Reply:
    """`{"error": "text"}`."""
    return text_error(error)


def check_signature(name: str, path: str) -> None:
    """Refuse signatures that these models do not have."""
    if name not in (SIGNATURE, ""):
        raise BadRequest(
            f"There is no signature '{name[:80]}'.",
            context={"path": path},
            remedy=f"There is {SIGNATURE}; leave the name out.",
        )


def given_outputs(arm: LoadedArm) -> tuple[TensorSpec, ...]:
    """What a model gives in this protocol."""
    return (*outputs_of(arm.bundle.info), PREDICTION_ID)


def given_tensors(deployment: Deployment, answered: Sequence[Answer]) -> list[Tensor]:
    """Answers as those tensors."""
    ids = [answer.prediction_id for answer in answered]
    return [
        *tensors_of(deployment.live.bundle.info, answered),
        Tensor(PREDICTION_ID.name, PREDICTION_ID.datatype, (len(ids),), ids),
    ]


async def _status(plane: DataPlane, call: Call) -> Reply:
    version = _version(plane, call)
    arm_of(plane, call.parts["model"], version)
    route = plane.deployments.find(call.parts["model"]).route
    loaded = plane.deployments.find(call.parts["model"]).arms
    described = [
        {
            "version": arm.version,
            "state": "AVAILABLE" if arm.name in loaded else "START",
            "status": {"error_code": "OK", "error_message": ""},
        }
        for arm in route.arms
        if version in (None, arm.version)
    ]
    return json_reply({"model_version_status": described})


async def _metadata(plane: DataPlane, call: Call) -> Reply:
    arm = arm_of(plane, call.parts["model"], _version(plane, call))
    signature = {
        "inputs": {spec.name: _info(spec) for spec in inputs_of(arm)},
        "outputs": {spec.name: _info(spec) for spec in given_outputs(arm)},
        "method_name": METHOD,
    }
    return json_reply(
        {
            "model_spec": {"name": call.parts["model"], "signature_name": "", "version": arm.arm.version},
            "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
        }
    )


async def _predict(plane: DataPlane, call: Call) -> Reply:
    body = decode_json(_Predict, call.body, _REMEDY)
    check_signature(body.signature_name, "signature_name")
    if (body.instances is None) == (body.inputs is None):
        raise BadRequest(
            "The body has neither or both of 'instances' and 'inputs'.", context={"path": "instances"}, remedy=_REMEDY
        )
    deployment = answering(plane, call.parts["model"], _version(plane, call))
    if body.instances is not None:
        check_rows(len(body.instances), call.rows_limit, "instances")
        rows = rows_of_instances(deployment.live, body.instances, "instances")
        tensors = given_tensors(deployment, await answers(plane, call, deployment, rows))
        return json_reply({"predictions": _by_row(tensors)})
    if isinstance(body.inputs, dict):
        rows = rows_of_columns(deployment.live, body.inputs, call.rows_limit, "inputs")
    else:
        check_rows(len(body.inputs or []), call.rows_limit, "inputs")
        rows = rows_of_instances(deployment.live, body.inputs or [], "inputs")
    tensors = given_tensors(deployment, await answers(plane, call, deployment, rows))
    return json_reply({"outputs": {tensor.name: _nested(tensor) for tensor in tensors}})


async def _not_offered(plane: DataPlane, call: Call) -> Reply:
    plane.deployments.find(call.parts["model"])
    raise NotOffered(
        "Classify and regress take tf.Example, which these models do not.",
        remedy=f"POST /v1/models/{call.parts['model'][:80]}:predict; its outputs have classes and scores.",
    )


def rows_of_instances(arm: LoadedArm, instances: Sequence[Any], path: str) -> list[Input]:
    """Rows from a list: of named values, of values in the signature's order, or of the only value there is."""
    reader = RowReader(arm)
    return [_instance(reader, each, f"{path}[{index}]") for index, each in enumerate(instances)]


def rows_of_columns(arm: LoadedArm, columns: Mapping[str, list[Any]], limit: int, path: str) -> list[Input]:
    """Rows from named columns of equal length."""
    reader = RowReader(arm)
    if not columns:
        raise BadRequest("There are no columns.", context={"path": path}, remedy=f"Send {', '.join(reader.request)}.")
    count = len(next(iter(columns.values())))
    check_rows(count, limit, path)
    for name, values in columns.items():
        if len(values) != count:
            raise BadRequest(
                f"'{name[:80]}' has {len(values)} values, where the first column has {count}.",
                context={"path": f"{path}.{name[:80]}"},
                remedy="Send one value a row in each column.",
            )
    return [_row_of_columns(reader, columns, row, path) for row in range(count)]


def value_of(cell: Any, path: str) -> object:
    """A cell's value: itself, alone in a list (a tensor of one column), or the string behind base64."""
    if isinstance(cell, list) and len(cell) == 1:
        cell = cell[0]
    if isinstance(cell, dict) and cell.keys() == {"b64"} and isinstance(cell["b64"], str):
        return text_of(_bytes(cell["b64"], path), path)
    if isinstance(cell, list | dict):
        raise BadRequest(
            f"A {'list' if isinstance(cell, list) else 'mapping'} stands where one value belongs.",
            context={"path": path},
            remedy='Send a number, a string, or {"b64": "…"}.',
        )
    return cell


def _row_of_columns(reader: RowReader, columns: Mapping[str, list[Any]], row: int, path: str) -> Input:
    def where(name: str) -> str:
        return f"{path}.{name[:80]}[{row}]"

    return reader.named({name: _cell(reader, name, each[row], where(name)) for name, each in columns.items()}, where)


def _cell(reader: RowReader, name: str, cell: Any, path: str) -> object:
    """A cell's value; that of a tensor is as nested as it is."""
    return cell if name in reader.tensors else value_of(cell, path)


def _instance(reader: RowReader, instance: Any, path: str) -> Input:
    if isinstance(instance, dict) and (instance.keys() != {"b64"} or "b64" in reader.request):
        named = {name: _cell(reader, name, cell, f"{path}.{name[:80]}") for name, cell in instance.items()}
        return reader.named(named, lambda name: f"{path}.{name}")
    if len(reader.signature) == 1 and reader.tensors:
        return reader.ordered([instance], lambda _name: path)
    cells = instance if isinstance(instance, list) else [instance]
    return reader.ordered(
        [value_of(cell, f"{path}[{index}]") for index, cell in enumerate(cells)],
        lambda name: f"{path}.{name}".rstrip("."),
    )


def _bytes(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(
            f"{text[:40]!r} is not base64.", context={"path": path}, remedy="Encode it anew, or send the string."
        ) from error


def _version(plane: DataPlane, call: Call) -> str | None:
    if "label" in call.parts:
        return version_of_label(plane, call.parts["model"], call.parts["label"])
    return call.parts.get("version")


def _nested(tensor: Tensor) -> list[Any]:
    if len(tensor.shape) == 1:
        return list(tensor.values)
    width = tensor.shape[1]
    return [list(tensor.values[row * width : (row + 1) * width]) for row in range(tensor.shape[0])]


def _by_row(tensors: Sequence[Tensor]) -> list[dict[str, Scalar | list[Scalar]]]:
    columns = [_nested(tensor) for tensor in tensors]
    names = [tensor.name for tensor in tensors]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _info(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": f"{spec.name}:0",
        "dtype": _TYPES[spec.datatype],
        "tensor_shape": {"dim": [{"size": str(side), "name": ""} for side in spec.shape], "unknown_rank": False},
    }


_PLACES = ("/v1/models/{model}", "/v1/models/{model}/versions/{version}", "/v1/models/{model}/labels/{label}")

ROUTES: list[Route] = [
    route
    for place in _PLACES
    for route in (
        Route("GET", place, _status, Permission.PREDICT, error_reply),
        Route("GET", f"{place}/metadata", _metadata, Permission.PREDICT, error_reply),
        Route("POST", f"{place}:predict", _predict, Permission.PREDICT, error_reply),
        Route("POST", f"{place}:classify", _not_offered, Permission.PREDICT, error_reply),
        Route("POST", f"{place}:regress", _not_offered, Permission.PREDICT, error_reply),
    )
]
"""The paths of the API."""
