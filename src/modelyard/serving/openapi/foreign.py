"""The other servers' protocols: Open Inference v2, TensorFlow Serving, MLflow and SageMaker."""

import csv
import io
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.core import Scalar
from modelyard.online import RequestField

from ..protocols.tensors import DATATYPES, DTYPES, outputs_of
from .described import ASKED, JSON, PROBE, SENT, Described, Example, Facts
from .native import label, score
from .samples import ROWS, Sample, Schema, list_of, object_of

CSV = "text/csv"
BYTES = "application/octet-stream"

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBERS = [name for name in DTYPES if name != "BOOL"]

_OPEN = "Open Inference Protocol v2"
_FLOW = "TensorFlow Serving"
_MLFLOW = "MLflow and SageMaker"
_HEADER = "Inference-Header-Content-Length"


def _tensor(name: Schema, datatypes: Sequence[str], element: Schema, limit: int, sides: int = 2) -> Schema:
    """A tensor; that its shape and its elements agree no schema can say."""
    data = {"anyOf": [element, list_of(element)]}
    fields: dict[str, Schema] = {
        "name": name,
        "datatype": {"enum": list(datatypes)},
        "shape": {"type": "array", "items": _COUNT, "minItems": 1, "maxItems": sides},
    }
    plain = object_of(fields | {"data": list_of(data), "parameters": object_of({})}, [*fields, "data"])
    sized = object_of({"binary_data_size": _COUNT})
    return {"anyOf": [plain, object_of(fields | {"parameters": sized})]} if limit else plain


def _inputs(sample: Sample, limit: int) -> Schema:
    """One tensor a field, or all columns as one."""
    each = [_input(sample, field, limit) for field in sample.request]
    cells = {"anyOf": [sample.cell(field) for field in sample.signature]}
    whole = _tensor(_TEXT, [*_NUMBERS, "BYTES"], cells, limit)
    return {"anyOf": [list_of({"anyOf": each}, len(each), least=1), list_of(whole, 1, least=1)]}


def _input(sample: Sample, field: RequestField, limit: int) -> Schema:
    name: Schema = {"const": field.name}
    if (tensor := sample.arm.tensors.get(field.name)) is not None:
        element: Schema = {"type": "boolean" if tensor.dtype == "bool" else "number"}
        datatype = DATATYPES[tensor.dtype or "float32"]
        return _tensor(name, [datatype], {"anyOf": [element, {"type": "array"}]}, limit, 1 + len(tensor.shape))
    return _tensor(name, _NUMBERS if field.kind == "number" else ["BYTES"], sample.cell(field), limit)


def _infer_takes(facts: Facts) -> Mapping[str, Schema]:
    output = object_of({"name": _TEXT, "parameters": object_of({"binary_data": _FLAG}, [])}, ["name"])

    def body(sample: Sample) -> Schema:
        fields = {
            "inputs": _inputs(sample, facts.rows_limit),
            "id": {"anyOf": [_TEXT, {"type": "null"}]},
            "outputs": {"anyOf": [list_of(output), {"type": "null"}]},
            "parameters": object_of({"binary_data_output": _FLAG}, []),
        }
        return object_of(fields, ["inputs"])

    return {JSON: facts.any_of(body), BYTES: {}}


def _infer_gives(_facts: Facts) -> Mapping[str, Schema]:
    fields: dict[str, Schema] = {
        "name": _TEXT,
        "datatype": _TEXT,
        "shape": list_of(_COUNT),
        "data": list_of({}),
        "parameters": {"type": "object"},
    }
    facts: dict[str, Schema] = {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "id": _TEXT,
        "parameters": {"type": "object", "additionalProperties": _TEXT},
        "outputs": list_of(object_of(fields, ["name", "datatype", "shape"])),
    }
    return {JSON: object_of(facts, ["model_name", "parameters", "outputs"]), BYTES: {}}


def _column(sample: Sample, name: str, rows: int) -> list[Scalar]:
    return [sample.named(at)[name] for at in range(rows)]


def _tensors(sample: Sample, rows: int) -> list[dict[str, Any]]:
    return [
        {
            "name": field.name,
            "datatype": "FP64" if field.kind == "number" else "BYTES",
            "shape": [rows],
            "data": _column(sample, field.name, rows),
        }
        for field in sample.columns_by_name
    ]


def _raw(datatype: str, values: Sequence[Scalar]) -> bytes:
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(values)}d", *values)


def _binary_example(sample: Sample) -> Example:
    tensors, blobs = [], []
    for tensor in _tensors(sample, ROWS):
        blobs.append(_raw(tensor["datatype"], tensor.pop("data")))
        tensors.append(tensor | {"parameters": {"binary_data_size": len(blobs[-1])}})
    header = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": False}}).encode()
    octets = "".join(f"\\{byte:03o}" for byte in b"".join([header, *blobs]))
    return Example("binary tensors", None, sample, BYTES, {_HEADER: str(len(header))}, f"printf '{octets}'")


def _infer_examples(sample: Sample) -> list[Example]:
    asked = {
        "id": "mine-1",
        "inputs": _tensors(sample, ROWS),
        "outputs": [{"name": spec.name} for spec in outputs_of(sample.arm.bundle.info)],
    }
    return [
        Example("one row", {"inputs": _tensors(sample, 1)}, sample),
        Example("rows, with an id and outputs by name", asked, sample),
        _binary_example(sample),
    ]


_SPEC = list_of(object_of({"name": _TEXT, "datatype": _TEXT, "shape": list_of({"type": "integer", "minimum": -1})}))
_MODEL = object_of({"name": _TEXT, "versions": list_of(_TEXT), "platform": _TEXT, "inputs": _SPEC, "outputs": _SPEC})


def _open_inference() -> dict[tuple[str, str], Described]:
    served = object_of({"name": _TEXT, "version": _TEXT, "extensions": list_of(_TEXT)})
    found = {
        ("GET", "/v2"): _probe(_OPEN, "The server's name, version and extensions", served),
        ("GET", "/v2/health/live"): _probe(_OPEN, "Whether the process answers", object_of({"live": _FLAG})),
        ("GET", "/v2/health/ready"): _probe(
            _OPEN, "Whether requests should come here", object_of({"ready": _FLAG}), (500, 503)
        ),
    }
    for place in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        found["GET", place] = Described(
            _OPEN,
            "What a model takes and gives",
            "Its tensors, with -1 for the number of rows.",
            "text",
            ASKED,
            lambda _facts: {JSON: _MODEL},
        )
        found["GET", f"{place}/ready"] = _probe(
            _OPEN, "Whether a model answers", object_of({"name": _TEXT, "ready": _FLAG}), (404, 500, 503)
        )
        found["POST", f"{place}/infer"] = Described(
            _OPEN,
            "Predict rows as tensors",
            "One tensor a field, or one with all columns. Shapes are [rows], [rows, 1] or [rows, columns], and "
            "[rows, …] of a field that is a tensor itself. With the binary tensor extension the elements follow the "
            "JSON, whose length is then a header.",
            "text",
            SENT,
            _infer_gives,
            _infer_takes,
            _infer_examples,
            headers={_HEADER: "Bytes of JSON that the body begins with, when binary tensors follow it."},
            rows=True,
        )
    return found


def _probe(tag: str, summary: str, answer: Schema, statuses: Sequence[int] = PROBE) -> Described:
    errors = "mlflow" if tag == _MLFLOW else "text"
    return Described(tag, summary, "", errors, statuses, lambda _facts: {JSON: answer})


def _flow_takes(facts: Facts) -> Mapping[str, Schema]:
    signature: Schema = {"enum": ["serving_default", ""]}
    null: Schema = {"type": "null"}

    def body(sample: Sample) -> Schema:
        rows = list_of(_instance(sample), facts.rows_limit, least=1)
        by_row = {"instances": rows, "inputs": null, "signature_name": signature}
        columns = {"anyOf": [rows, sample.columns(facts.rows_limit)]}
        by_column = {"inputs": columns, "instances": null, "signature_name": signature}
        return {"anyOf": [object_of(by_row, ["instances"]), object_of(by_column, ["inputs"])]}

    return {JSON: facts.any_of(body)}


def _instance(sample: Sample) -> Schema:
    forms = [sample.named_row(loose=True), sample.ordered_row(loose=True)]
    if len(sample.signature) == 1:
        forms.append(sample.loose_cell(sample.signature[0]))
    return {"anyOf": forms}


def _flow_gives(facts: Facts) -> Mapping[str, Schema]:
    def answer(sample: Sample) -> Schema:
        probability = score(sample)
        given = {"prediction": label(sample), "prediction_id": _TEXT}
        if probability is not None:
            given["probability" if probability["type"] == "number" else "scores"] = probability
        rows = object_of({"predictions": list_of(object_of(given))})
        return {
            "anyOf": [rows, object_of({"outputs": object_of({name: list_of(each) for name, each in given.items()})})]
        }

    return {JSON: facts.any_of(answer)}


def _flow_examples(sample: Sample) -> list[Example]:
    names = list(sample.named())
    return [
        Example("rows by name", {"instances": [sample.named(at) for at in range(ROWS)]}, sample),
        Example("rows in order", {"instances": [sample.ordered(at) for at in range(ROWS)]}, sample),
        Example(
            "columns",
            {"signature_name": "serving_default", "inputs": {name: _column(sample, name, ROWS) for name in names}},
            sample,
        ),
    ]


_STATUS = object_of(
    {
        "model_version_status": list_of(
            object_of(
                {
                    "version": _TEXT,
                    "state": {"enum": ["START", "AVAILABLE"]},
                    "status": object_of({"error_code": {"const": "OK"}, "error_message": _TEXT}),
                }
            )
        )
    }
)
_METADATA = object_of(
    {
        "model_spec": object_of({"name": _TEXT, "signature_name": _TEXT, "version": _TEXT}),
        "metadata": {"type": "object"},
    }
)


def _refused(sample: Sample) -> list[Example]:
    return [Example("refused", {"examples": [sample.named()]}, sample, status=400)]


def _tensorflow() -> dict[tuple[str, str], Described]:
    found = {}
    for place in (
        "/v1/models/{model}",
        "/v1/models/{model}/versions/{version}",
        "/v1/models/{model}/labels/{label}",
    ):
        found["GET", place] = Described(
            _FLOW,
            "The state of a model's versions",
            "A label is the name of an arm.",
            "text",
            ASKED,
            lambda _facts: {JSON: _STATUS},
        )
        found["GET", f"{place}/metadata"] = Described(
            _FLOW,
            "What a model takes and gives",
            "One signature, serving_default.",
            "text",
            ASKED,
            lambda _facts: {JSON: _METADATA},
        )
        found["POST", f"{place}:predict"] = Described(
            _FLOW,
            "Predict rows or columns",
            "`instances` are rows, `inputs` columns. A value may stand alone in a list, a string as base64.",
            "text",
            SENT,
            _flow_gives,
            _flow_takes,
            _flow_examples,
            rows=True,
        )
        for verb in ("classify", "regress"):
            found["POST", f"{place}:{verb}"] = Described(
                _FLOW,
                f"Refused: {verb}",
                "Classify and regress take tf.Example, which these models do not. Ask :predict.",
                "text",
                SENT,
                lambda _facts: {},
                lambda _facts: {JSON: {"type": "object"}},
                _refused,
                refused=True,
            )
    return found


def _mlflow_takes(facts: Facts) -> Mapping[str, Schema]:
    null: Schema = {"type": "null"}
    params = {"anyOf": [object_of({}), null]}

    def body(sample: Sample) -> Schema:
        row = {"anyOf": [sample.named_row(loose=True)]}
        rows = list_of(_instance(sample), facts.rows_limit, least=1)
        index = {"anyOf": [list_of({}, facts.rows_limit), null]}
        loose = {"anyOf": [rows, sample.columns(facts.rows_limit)]}
        names = [field.name for field in sample.request]
        cells = [sample.loose_cell(field) for field in sample.request]
        table: Schema = {
            "type": "array",
            "prefixItems": cells,
            "items": False,
            "minItems": len(cells),
            "maxItems": len(cells),
        }
        split = object_of(
            {"columns": {"const": names}, "data": list_of(table, facts.rows_limit, least=1), "index": index},
            ["columns", "data"],
        )
        ordered = object_of(
            {
                "data": list_of(sample.ordered_row(loose=True), facts.rows_limit, least=1),
                "columns": null,
                "index": null,
            },
            ["data"],
        )
        forms = {
            "dataframe_split": {"anyOf": [split, ordered]},
            "dataframe_records": list_of(row, facts.rows_limit, least=1),
            "instances": loose,
            "inputs": loose,
        }
        absent = dict.fromkeys(forms, null) | {"params": params}
        return {"anyOf": [object_of(absent | {name: form}, [name]) for name, form in forms.items()]}

    return {JSON: facts.any_of(body), CSV: _TEXT}


def _mlflow_gives(facts: Facts) -> Mapping[str, Schema]:
    return {
        JSON: facts.any_of(
            lambda sample: object_of({"predictions": list_of(label(sample)), "prediction_ids": list_of(_TEXT)})
        )
    }


def _mlflow_examples(sample: Sample) -> list[Example]:
    names = list(sample.named())
    rows = [sample.named(at) for at in range(ROWS)]
    split = {"columns": names, "data": [[row[name] for name in names] for row in rows]}
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([names, *([row[name] for name in names] for row in rows)])
    return [
        Example("dataframe_split", {"dataframe_split": split}, sample),
        Example("dataframe_records", {"dataframe_records": rows}, sample),
        Example("instances", {"instances": [sample.ordered(at) for at in range(ROWS)]}, sample),
        Example("inputs", {"inputs": {name: _column(sample, name, ROWS) for name in names}}, sample),
        Example("CSV with a header", table.getvalue(), sample, CSV),
    ]


def _mlflow() -> dict[tuple[str, str], Described]:
    scoring = Described(
        _MLFLOW,
        "Predict a data frame",
        "Exactly one of dataframe_split, dataframe_records, instances and inputs; or CSV, with a header unless the "
        "content type says header=absent.",
        "mlflow",
        SENT,
        _mlflow_gives,
        _mlflow_takes,
        _mlflow_examples,
        rows=True,
    )
    version = Described(
        _MLFLOW, "The version of this server", "", "mlflow", (500,), lambda _facts: {"text/plain": _TEXT}
    )
    return {
        ("GET", "/ping"): Described(
            _MLFLOW,
            "Whether requests should come here",
            "A line break when they should: SageMaker looks at the status only.",
            "mlflow",
            (500, 503),
            lambda _facts: {JSON: {}},
        ),
        ("GET", "/version"): version,
        ("POST", "/invocations"): scoring,
        ("POST", "/deployments/{model}/invocations"): scoring,
    }


ENDPOINTS: Mapping[tuple[str, str], Described] = {**_open_inference(), **_tensorflow(), **_mlflow()}
"""The paths of the protocols."""
