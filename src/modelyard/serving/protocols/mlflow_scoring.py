"""MLflow's scoring protocol, which SageMaker's containers share: `/invocations`, `/ping`, `/health`, `/version`.

Specifications: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally (the REST endpoints and the inputs
they accept) and https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html. The only
deployment answers, or the one in the path. CSV has a header unless its content type says `header=absent` (RFC 4180);
an empty cell is a missing value, and a number is written as in JSON.
"""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.access import Permission
from modelyard.core import ModelyardError

from ..arms import Input, LoadedArm
from ..dataplane import DataPlane
from ..errors import BadRequest, NotReady
from .answering import answering, answers, ready
from .contract import JSON, Call, Reply, Route, decode_json, json_reply, sentence, status_of
from .open_inference import server_version
from .rows import RowReader, check_rows
from .tensorflow_serving import rows_of_columns, rows_of_instances, value_of
from .tensors import text_of

CSV = "text/csv"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    data: list[list[Any]]
    columns: list[str] | None = None
    index: list[Any] | None = None


class _Invocation(msgspec.Struct, forbid_unknown_fields=True):
    dataframe_split: _Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[Any] | dict[str, list[Any]] | None = None
    inputs: list[Any] | dict[str, list[Any]] | None = None
    params: dict[str, Any] | None = None


_REMEDY = 'Send {"dataframe_records": [{"name": value, …}, …]}, say.'
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,400})(\.\d{1,400})?([eE][+-]?\d{1,4})?", re.ASCII)


def error_reply(error: ModelyardError) -> Reply:
    """`{"error_code": …, "message": …}`, as MLflow's own server answers."""
    return json_reply({"error_code": error.code, "message": sentence(error)}, status_of(error))


async def _ping(plane: DataPlane, call: Call) -> Reply:
    if not ready(plane, call):
        raise NotReady("This server does not take requests now.", remedy="Try again, or see its log.")
    return Reply(200, {"content-type": JSON}, b"\n")


async def _version(_plane: DataPlane, _call: Call) -> Reply:
    return Reply(200, {"content-type": "text/plain; charset=utf-8"}, server_version().encode())


async def _invocations(plane: DataPlane, call: Call) -> Reply:
    kind, options = _content_type(call)
    deployment = answering(plane, call.parts.get("model"))
    if kind == CSV:
        rows = _csv_rows(deployment.live, call, header=options.get("header", "present") == "present")
    else:
        rows = _json_rows(deployment.live, decode_json(_Invocation, call.body, _REMEDY), call.rows_limit)
    answered = await answers(plane, call, deployment, rows)
    return json_reply(
        {
            "predictions": [answer.prediction for answer in answered],
            "prediction_ids": [answer.prediction_id for answer in answered],
        }
    )


def _content_type(call: Call) -> tuple[str, dict[str, str]]:
    text = call.headers.get("content-type", JSON)
    kind, *rest = [part.strip().lower() for part in text.split(";")]
    pairs = [part.partition("=") for part in rest if part]
    options = {name.strip(): value.strip(' "') for name, _, value in pairs}
    known = {"charset": ("utf-8", "utf8", "us-ascii")} | ({"header": ("present", "absent")} if kind == CSV else {})
    if kind in (JSON, CSV) and all(value in known.get(name, ()) for name, value in options.items()):
        return kind, options
    raise BadRequest(
        f"The content type is {text[:80]!r}.",
        context={"path": "Content-Type"},
        remedy=f"Send {JSON} or {CSV} in UTF-8; CSV without a header as '{CSV}; header=absent'.",
    )


def _json_rows(arm: LoadedArm, body: _Invocation, limit: int) -> list[Input]:
    forms = [name for name in FORMS if getattr(body, name) is not None]
    if len(forms) != 1:
        raise BadRequest(
            f"The body has {' and '.join(forms) or 'no rows'}.",
            context={"path": forms[0] if forms else FORMS[0]},
            remedy=f"Send exactly one of {', '.join(FORMS)}.",
        )
    if body.params:
        raise BadRequest("These models take no params.", context={"path": "params"}, remedy="Leave them out.")
    (form,) = forms
    given = getattr(body, form)
    if isinstance(given, _Split):
        return _split_rows(arm, given, limit)
    if isinstance(given, dict):
        return rows_of_columns(arm, given, limit, form)
    check_rows(len(given), limit, form)
    return rows_of_instances(arm, given, form)


def _split_rows(arm: LoadedArm, split: _Split, limit: int) -> list[Input]:
    path = "dataframe_split"
    check_rows(len(split.data), limit, f"{path}.data")
    if split.index is not None and len(split.index) != len(split.data):
        raise BadRequest(
            f"The index has {len(split.index)} entries for {len(split.data)} rows.",
            context={"path": f"{path}.index"},
            remedy="Leave it out: it is not used.",
        )
    if split.columns is None:
        return rows_of_instances(arm, split.data, f"{path}.data")
    return _table_rows(arm, split.columns, split.data, f"{path}.columns", f"{path}.data")


def _table_rows(
    arm: LoadedArm, columns: Sequence[str], rows: Sequence[Sequence[Any]], path: str, data: str
) -> list[Input]:
    """Rows of a table with named columns."""
    reader = RowReader(arm)
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise BadRequest(
            f"The column '{twice[:80]}' is there twice.",
            context={"path": path},
            remedy="Name each column once.",
        )
    return [_table_row(reader, columns, cells, f"{data}[{index}]") for index, cells in enumerate(rows)]


def _table_row(reader: RowReader, columns: Sequence[str], cells: Sequence[Any], path: str) -> Input:
    def where(name: str) -> str:
        return f"{path}.{name[:80]}"

    if len(cells) != len(columns):
        raise BadRequest(
            f"A row has {len(cells)} values for {len(columns)} columns.",
            context={"path": path},
            remedy="Send one value for each column.",
        )
    return reader.named({name: value_of(cell, where(name)) for name, cell in zip(columns, cells, strict=True)}, where)


def _csv_rows(arm: LoadedArm, call: Call, *, header: bool) -> list[Input]:
    text = text_of(call.body, "").removeprefix("\ufeff")
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise BadRequest(
            f"The body is no CSV: {error}.", remedy="Separate by commas, quote by double quotes."
        ) from error
    check_rows(len(lines) - header if lines else 0, call.rows_limit, "")
    reader = RowReader(arm)
    kinds: dict[str, str] = {field.name: field.kind for field in reader.signature}
    kinds |= {field.name: field.kind for field in reader.request.values()}
    if header:
        names, *body = lines
        cells = [_cells(line, [kinds.get(name) for name in names]) for line in body]
        return _table_rows(arm, names, cells, "header", "rows")
    order = [field.kind for field in reader.signature]
    return rows_of_instances(arm, [_cells(line, order) for line in lines], "rows")


def _cells(line: Sequence[str], kinds: Sequence[str | None]) -> list[object]:
    """The cells of a line; those beyond what was expected stay text, for whoever counts them."""
    expected = [_cell(text, kind) for text, kind in zip(line, kinds, strict=False)]
    return [*expected, *line[len(expected) :]]


def _cell(text: str, kind: str | None) -> object:
    """A cell of CSV: missing when empty, a number where the field is one and the text is, else the text."""
    if not text:
        return None
    if kind != "number" or not (number := _NUMBER.fullmatch(text.strip())):
        return text
    return float(text) if number[2] or number[3] else int(text)


_PREFIXES = ("", "/deployments/{model}")

ROUTES: list[Route] = [
    Route("GET", "/ping", _ping, None, error_reply),
    Route("GET", "/health", _ping, None, error_reply),
    Route("GET", "/version", _version, None, error_reply),
    *(Route("POST", f"{prefix}/invocations", _invocations, Permission.PREDICT, error_reply) for prefix in _PREFIXES),
]
"""The paths of the protocol."""
