"""Bodies of every kind at every endpoint that takes rows: never a 5xx, and never a changed value.

What is accepted is in the journal as it was sent, bit by bit, and the answer is what the bundle itself says of that
row. What was sent is read here by Python's own decoder, which the server does not use.
"""

import base64
import csv
import io
import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.bundling import BuiltBundle
from modelyard.core import Scalar
from modelyard.inference import load_bundle
from modelyard.journal import OutcomeRecord, PredictionRecord, Record, TruthRecord, read_segment, segments
from modelyard.online import LocalOnlineStore

from .harness import Server, live
from .hostile import ANY_JSON, NUMBERS, ODD_NUMBERS, ODD_STRINGS, STRINGS, Client, bits, mangled, parsed

Row = list[Scalar]
ENDPOINTS = (
    "/predict",
    "/batch_predict",
    "/feedback",
    "/v2/models/fraud/infer",
    "/v1/models/fraud:predict",
    "/invocations",
)
COLUMNS = ("amount", "country", "visits")
FIELDS = ("amount", "country", "customer")


@dataclass(frozen=True)
class Body:
    """One request: `rows_in` reads the rows back out of what was sent; `valid` says that it must be taken."""

    path: str
    text: bytes
    rows_in: Callable[["Body"], list[Row]]
    valid: bool = False
    headers: dict[str, str] = field(default_factory=dict)


# ---- what was sent, as a second reader understands it


def cell(value: Any) -> Scalar:
    """A value of a foreign protocol: alone in a list, or as base64; NaN is missing."""
    if isinstance(value, list):
        (value,) = value
    if isinstance(value, dict):
        value = base64.b64decode(value["b64"]).decode()
    return None if isinstance(value, float) and math.isnan(value) else cast("Scalar", value)


def of_names(row: dict[str, Any]) -> Row:
    """A row by name: without a customer in the online store there are no visits."""
    return [cell(row.get(name)) for name in COLUMNS]


def native(body: Body) -> list[Row]:
    """The rows of /predict."""
    return _native_rows(parsed(body.text))


def batch(body: Body) -> list[Row]:
    """The rows of /batch_predict."""
    return [row for each in parsed(body.text) for row in _native_rows(each)]


def _native_rows(given: dict[str, Any]) -> list[Row]:
    if given.get("inputs") is not None:
        return [[row.get(name) for name in COLUMNS] for row in given["inputs"]]
    features = given["features"]
    return features if isinstance(features[0], list) else [features]


def _loose(rows: Any) -> list[Row]:
    if isinstance(rows, dict):
        count = len(next(iter(rows.values())))
        return [of_names({name: column[at] for name, column in rows.items()}) for at in range(count)]
    return [of_names(row) if isinstance(row, dict) else [cell(each) for each in row] for row in rows]


def tensorflow(body: Body) -> list[Row]:
    """The rows of :predict."""
    given = parsed(body.text)
    return _loose(given["instances"] if given.get("instances") is not None else given["inputs"])


def mlflow(body: Body) -> list[Row]:
    """The rows of /invocations, in JSON."""
    given = parsed(body.text)
    if (split := given.get("dataframe_split")) is not None:
        if split.get("columns") is None:
            return _loose(split["data"])
        return [of_names(dict(zip(split["columns"], row, strict=True))) for row in split["data"]]
    forms = ("dataframe_records", "instances", "inputs")
    return _loose(next(given[name] for name in forms if given.get(name) is not None))


def table(body: Body) -> list[Row]:
    """The rows of /invocations, in CSV."""
    names, *lines = [line for line in csv.reader(io.StringIO(body.text.decode(), newline="")) if line]
    return [of_names({name: _typed(name, text) for name, text in zip(names, line, strict=True)}) for line in lines]


def _typed(name: str, text: str) -> Scalar:
    if not text:
        return None
    if name in ("country", "customer"):
        return text
    return float(text) if any(mark in text for mark in ".eE") else int(text)


def tensors(body: Body) -> list[Row]:
    """The rows of /infer, their tensors in JSON or behind it."""
    length = int(body.headers.get("Inference-Header-Content-Length", len(body.text)))
    raw = body.text[length:]
    columns: dict[str, Sequence[Scalar]] = {}
    for tensor in parsed(body.text[:length])["inputs"]:
        size = tensor.get("parameters", {}).get("binary_data_size")
        if size is not None:
            columns[tensor["name"]], raw = _unpacked(tensor, raw[:size]), raw[size:]
        elif len(tensor["shape"]) == 2 and tensor["shape"][1] > 1:
            flat = _flat(tensor["data"])
            return [[cell(each) for each in flat[at : at + 3]] for at in range(0, len(flat), 3)]
        else:
            columns[tensor["name"]] = _flat(tensor["data"])
    return _loose(columns)


def _flat(data: list[Any]) -> list[Any]:
    return [each for row in data for each in (row if isinstance(row, list) else [row])]


def _unpacked(tensor: dict[str, Any], raw: bytes) -> Sequence[Scalar]:
    if tensor["datatype"] != "BYTES":
        kind = {"FP64": "d", "FP32": "f", "INT64": "q", "UINT8": "B"}[tensor["datatype"]]
        return struct.unpack(f"<{tensor['shape'][0]}{kind}", raw)
    found = []
    while raw:
        (length,) = struct.unpack_from("<I", raw)
        found.append(raw[4 : 4 + length].decode())
        raw = raw[4 + length :]
    return found


# ---- bodies

_levels = st.one_of(st.sampled_from(['"de"', '"fr"', '"unseen"']), STRINGS)
_rows = st.lists(st.tuples(NUMBERS, _levels, st.one_of(NUMBERS, st.just("null"))), min_size=1, max_size=4)
_odd_cell = st.sampled_from([*ODD_NUMBERS, *ODD_STRINGS])
Cells = list[tuple[str, ...]]


def _object(names: Sequence[str], cells: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{name}": {value}' for name, value in zip(names, cells, strict=True)) + "}"


def _by_name(rows: Cells) -> str:
    return "[" + ", ".join(_object(FIELDS[:2], row[:2]) for row in rows) + "]"


def _in_order(rows: Cells) -> str:
    return "[" + ", ".join(f"[{', '.join(row)}]" for row in rows) + "]"


def _as_columns(rows: Cells) -> str:
    return _object(FIELDS[:2], [f"[{', '.join(column)}]" for column in list(zip(*rows, strict=True))[:2]])


def _as_tensors(rows: Cells) -> str:
    given = [
        f'{{"name": "{name}", "datatype": "{kind}", "shape": [{len(rows)}], "data": [{", ".join(column)}]}}'
        for name, kind, column in zip(FIELDS, ("FP64", "BYTES"), zip(*rows, strict=True), strict=False)
    ]
    return f'{{"inputs": [{", ".join(given)}]}}'


_FORMS: dict[str, tuple[str, Callable[[Body], list[Row]], Callable[[Cells], str]]] = {
    "a row": ("/predict", native, lambda rows: f'{{"features": [{", ".join(rows[0])}]}}'),
    "rows": ("/predict", native, lambda rows: f'{{"features": {_in_order(rows)}}}'),
    "by name": ("/deployments/fraud/predict", native, lambda rows: f'{{"inputs": {_by_name(rows)}}}'),
    "batch": (
        "/batch_predict",
        batch,
        lambda rows: f'[{{"features": {_in_order(rows)}}}, {{"inputs": {_by_name(rows)}}}]',
    ),
    "tensors": ("/v2/models/fraud/infer", tensors, _as_tensors),
    "instances": ("/v1/models/fraud:predict", tensorflow, lambda rows: f'{{"instances": {_by_name(rows)}}}'),
    "columns": ("/v1/models/fraud/versions/1:predict", tensorflow, lambda rows: f'{{"inputs": {_as_columns(rows)}}}'),
    "records": ("/invocations", mlflow, lambda rows: f'{{"dataframe_records": {_by_name(rows)}}}'),
    "split": (
        "/deployments/fraud/invocations",
        mlflow,
        lambda rows: f'{{"dataframe_split": {{"columns": {json.dumps(COLUMNS)}, "data": {_in_order(rows)}}}}}',
    ),
    "lists": ("/invocations", mlflow, lambda rows: f'{{"instances": {_in_order(rows)}}}'),
}


@st.composite
def json_bodies(draw: st.DrawFn) -> Body:
    """A body in one of the forms: whole, with an odd value in it, or mangled."""
    path, rows_in, form = _FORMS[draw(st.sampled_from(sorted(_FORMS)))]
    rows = draw(_rows)
    how = draw(st.sampled_from(("whole", "whole", "odd", "odd", "mangled", "other")))
    if how == "other":
        return Body(path, json.dumps(draw(ANY_JSON)).encode(), rows_in)
    if how == "odd":
        at, column = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, 1))
        rows[at] = (*rows[at][:column], draw(_odd_cell), *rows[at][column + 1 :])  # type: ignore[assignment]
    text = form(cast("Cells", rows)).encode()
    return Body(path, draw(mangled(text)) if how == "mangled" else text, rows_in, valid=how == "whole")


@st.composite
def binary_bodies(draw: st.DrawFn) -> Body:
    """Binary tensors, of the right size or not."""
    count = draw(st.integers(1, 3))
    kind, code = draw(st.sampled_from((("FP64", "d"), ("FP32", "f"), ("INT64", "q"), ("UINT8", "B"))))
    values = st.integers(0, 255) if kind == "UINT8" else st.integers(-(2**53), 2**53)
    floats = st.floats(allow_nan=False, allow_infinity=False, width=64 if kind == "FP64" else 32)
    numbers = draw(st.lists(floats if kind.startswith("FP") else values, min_size=count, max_size=count))
    levels = [level.encode() for level in draw(st.lists(st.text(max_size=5), min_size=count, max_size=count))]
    blobs = [
        struct.pack(f"<{count}{code}", *numbers),
        b"".join(struct.pack("<I", len(level)) + level for level in levels),
    ]
    valid = draw(st.booleans())
    if not valid:
        which, change = draw(st.integers(0, 1)), draw(st.sampled_from((b"", b"\xff", b"\x00" * 8, b"\xff\xff\xff\xff")))
        blobs[which] = draw(st.sampled_from((blobs[which][:-1], blobs[which] + change, change)))
    sizes = [len(blob) + (0 if valid else draw(st.sampled_from((0, 0, 1, -1, 2**40)))) for blob in blobs]
    header = json.dumps(
        {
            "inputs": [
                {"name": name, "datatype": datatype, "shape": [count], "parameters": {"binary_data_size": size}}
                for name, datatype, size in zip(FIELDS, (kind, "BYTES"), sizes, strict=False)
            ]
        }
    ).encode()
    length = len(header) + (0 if valid else draw(st.sampled_from((0, 0, 0, 1, -1, 10**9))))
    headers = {"Inference-Header-Content-Length": str(length), "Content-Type": "application/octet-stream"}
    return Body("/v2/models/fraud/infer", b"".join([header, *blobs]), tensors, valid, headers)


@st.composite
def csv_bodies(draw: st.DrawFn) -> Body:
    """Tables, whole or mangled."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    levels = st.text(st.characters(exclude_characters="\r\n\x00", exclude_categories=["Cs"]), max_size=6)
    for _ in range(draw(st.integers(1, 3))):
        writer.writerow([draw(NUMBERS), draw(levels), draw(NUMBERS)])
    whole = text.getvalue().encode()
    valid = draw(st.booleans())
    odd = draw(st.sampled_from((b"\x00", b'"', b"\r\r", b",,,", b"\xff", b"1_0", b"\xd9\xa3", b"1e999", b"nan", b"")))
    at = draw(st.integers(0, len(whole)))
    body = whole if valid else whole[:at] + odd + whole[at:]
    return Body("/invocations", body, table, valid, {"Content-Type": "text/csv"})


_BODIES = st.one_of(json_bodies(), json_bodies(), json_bodies(), binary_bodies(), csv_bodies())

_labels = st.one_of(
    st.sampled_from([each for each in (*ODD_NUMBERS, *ODD_STRINGS) if len(each) < 300]), NUMBERS, STRINGS
)


@st.composite
def feedback_bodies(draw: st.DrawFn) -> bytes:
    """Truths and outcomes, with odd values or mangled."""
    truth = f'{{"prediction_id": {draw(STRINGS)}, "label": {draw(_labels)}}}'
    outcome = f'{{"entity": {draw(STRINGS)}, "metric": "m", "value": {draw(st.one_of(_labels, NUMBERS))}}}'
    text = draw(st.sampled_from((truth, outcome, f"[{truth}]", f"[{outcome}]", f"[{truth}, {outcome}]"))).encode()
    return draw(mangled(text)) if draw(st.integers(0, 4)) == 0 else text


# ---- the proof


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Iterator[Server]:
    """One running server with an empty online store."""
    server = Server(tmp_path_factory.mktemp("hostile"))
    server.feed.put_bundle(built.path, built.digest)
    LocalOnlineStore(server.folder / "online").close()
    server.publish(live(built))
    server.start()
    yield server
    assert server.stop() == 0


def told(answer: dict[str, Any]) -> list[tuple[str, str, float | None]]:
    """Prediction id, label and probability of each row of any protocol's answer."""
    if "outputs" in answer and isinstance(answer["outputs"], list):
        by_name = {each["name"]: each["data"] for each in answer["outputs"]}
        ids = answer["parameters"]["prediction_ids"].split(",")
        return list(zip(ids, by_name["prediction"], by_name["probability"], strict=True))
    if "outputs" in answer:
        columns = answer["outputs"]
        return list(zip(columns["prediction_id"], columns["prediction"], columns["probability"], strict=True))
    if "prediction" in answer:
        return [(answer["prediction_id"], answer["prediction"], answer["probability"])]
    if answer["predictions"] and isinstance(answer["predictions"][0], dict):
        return [(each["prediction_id"], each["prediction"], each["probability"]) for each in answer["predictions"]]
    probabilities = answer.get("probabilities", [None] * len(answer["predictions"]))
    return list(zip(answer["prediction_ids"], answer["predictions"], probabilities, strict=True))


def journaled(server: Server, family: Any) -> list[Record]:
    """What the server wrote down, read by the journal's own reader."""
    return [
        record for segment in segments(server.folder / "journal", family) for record in read_segment(segment).records
    ]


def prove_rows(server: Server, built: BuiltBundle, count: int) -> tuple[int, int]:
    """Send bodies and compare; how many were taken, and how many refused."""
    client, taken, refused = Client(server.port), list[tuple[list[Row], Any]](), 0

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(_BODIES)
    def send(body: Body) -> None:
        nonlocal refused
        status, answer = client.post(body.path, body.text, body.headers)
        assert status in (200, 400, 413), (status, answer)
        assert status == 200 or not body.valid, answer
        if status == 200:
            taken.append((body.rows_in(body), answer))
        else:
            refused += 1

    with closing(client):
        send()
    assert client.opened == 1
    compare(taken, server, built)
    return len(taken), refused


def compare(taken: Sequence[tuple[list[Row], Any]], server: Server, built: BuiltBundle) -> None:
    """Each row taken is on record once as it was sent, and was answered as the bundle itself does."""
    bundle = load_bundle(built.path)
    records: dict[str, PredictionRecord] = {}
    for record in journaled(server, "predictions"):
        assert isinstance(record, PredictionRecord)
        assert record.prediction_id not in records
        records[record.prediction_id] = record
    for rows, answer in taken:
        answered = told(answer)
        assert len(answered) == len(rows)
        if not rows:
            continue
        together = bundle.predict(rows)
        assert together.labels == tuple(label for _, label, _ in answered)
        for sent, score, (identity, _, probability) in zip(rows, together.scores, answered, strict=True):
            assert bits(records[identity].features) == bits(sent)
            assert records[identity].scores == tuple(score.tolist())
            assert probability in (None, score[0])
            # alone, numpy's exponential may round the last bit otherwise than among others
            assert score == pytest.approx(bundle.predict([sent]).scores[0], rel=1e-14)


def prove_feedback(server: Server, count: int) -> int:
    """Send truths and outcomes and compare them with the journal; how many were taken."""
    client, sent = Client(server.port), list[dict[str, Any]]()

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(feedback_bodies())
    def send(body: bytes) -> None:
        status, answer = client.post("/feedback", body)
        assert status in (200, 400, 413), answer
        if status == 200:
            given = parsed(body)
            sent.extend(given if isinstance(given, list) else [given])

    before = len(journaled(server, "truths")), len(journaled(server, "outcomes"))
    with closing(client):
        send()
    assert client.opened == 1
    truths = [each for each in journaled(server, "truths")[before[0] :] if isinstance(each, TruthRecord)]
    outcomes = [each for each in journaled(server, "outcomes")[before[1] :] if isinstance(each, OutcomeRecord)]
    wanted = [each for each in sent if each.get("prediction_id") is not None and each.get("label") is not None]
    assert [bits([each["prediction_id"], each["label"]]) for each in wanted] == [
        bits([each.prediction_id, each.label]) for each in truths
    ]
    rest = [each for each in sent if each.get("prediction_id") is None or each.get("label") is None]
    assert [(each["entity"], each["metric"], each["value"]) for each in rest] == [
        (each.entity, each.metric, each.value) for each in outcomes
    ]
    return len(sent)


def test_a_thousand_bodies_change_no_value(server: Server, built: BuiltBundle) -> None:
    """And leave the server whole: one connection carries them all."""
    taken, refused = prove_rows(server, built, 1000)
    assert taken > 200
    assert refused > 200


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_ten_thousand_bodies_change_no_value(server: Server, built: BuiltBundle) -> None:
    """The same, longer."""
    taken, refused = prove_rows(server, built, 10_000)
    assert taken > 2000
    assert refused > 2000


def test_feedback_changes_no_value(server: Server) -> None:
    """A label stays what it was; an outcome's number is the one that was sent, or refused."""
    assert prove_feedback(server, 300) > 50


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_much_feedback_changes_no_value(server: Server) -> None:
    """The same, longer."""
    assert prove_feedback(server, 10_000) > 1000


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("deep", [33, 5000, 500_000])
def test_a_body_that_nests_too_deep_is_refused_by_name_of_the_limit(server: Server, path: str, deep: int) -> None:
    """Whole or cut off, before a decoder descends into it."""
    for body in (b"[" * deep + b"]" * deep, b"[" * deep, b'{"inputs": ' + b'[{"a":' * deep):
        with closing(Client(server.port)) as client:
            status, text = client.post(path, body[: 1 << 20])
        assert status == 400
        assert "deeper than 32" in json.dumps(text)
