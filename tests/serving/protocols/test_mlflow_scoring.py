"""MLflow's scoring protocol: its own client, every form of input, SageMaker's conventions, and every refusal."""

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.inference import Bundle
from modelyard.serving.protocols import answering

from ...conftest import NOON
from .service import Service, live, route

JSON, CSV = {"content-type": "application/json"}, {"content-type": "text/csv"}
ROW = {"amount": 120.25, "country": "de", "customer": "anna"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Any:
    """A service with one deployment, which is what `/invocations` asks."""
    service = Service(tmp_path_factory.mktemp("alone"), (route("fraud", live(built)),), (built,), ManualClock(NOON))
    service.start()
    yield service
    service.close()


def test_mlflows_client_gets_the_models_own_answers(alone: Service, fraud_model: Bundle) -> None:
    """A data frame goes in, with a missing value; labels come back."""
    client = pytest.importorskip("mlflow.pyfunc.scoring_server.client").ScoringServerClient("127.0.0.1", alone.port)
    client.ping()
    assert client.get_version()
    frame = pd.DataFrame({"amount": [120.25, 3.5], "country": ["de", None]})
    answer = client.invoke(frame)
    expected = fraud_model.predict([(120.25, "de", None), (3.5, None, None)])
    assert tuple(answer.get_predictions()[0]) == expected.labels
    assert len(answer["prediction_ids"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["amount", "country"], "index": [0], "data": [[120.25, "de"]]}},
        {"dataframe_split": {"columns": ["visits", "amount", "country"], "data": [[None, 120.25, "de"]]}},
        {"dataframe_split": {"data": [[120.25, "de", None]]}},
        {"dataframe_records": [{"amount": 120.25, "country": "de"}]},
        {"instances": [{"amount": 120.25, "country": "de"}]},
        {"instances": [[120.25, "de", None]]},
        {"inputs": {"amount": [120.25], "country": ["de"]}},
        {"inputs": [{"amount": 120.25, "country": "de"}], "params": {}},
        {"inputs": [[120.25, "de", None]]},
    ],
)
def test_every_form_of_json_is_the_same_row(alone: Service, body: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """By request fields, by the whole signature, or in its order."""
    seen: list[Any] = []

    async def answers(plane: Any, call: Any, deployment: Any, rows: Any) -> Any:
        seen.extend(rows)
        return await answering.answers(plane, call, deployment, rows)

    monkeypatch.setattr("modelyard.serving.protocols.mlflow_scoring.answers", answers)
    status, answer, _ = alone.ask("POST", "/invocations", body, JSON)
    assert status == 200, answer
    assert set(answer) == {"predictions", "prediction_ids"}
    (row,) = seen
    if row.named is not None:
        assert row.named == {"amount": 120.25, "country": "de", "customer": None}
    else:
        assert row.ordered == [120.25, "de", None]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"amount,country\n120.25,de\n", "text/csv"),
        (b'\xef\xbb\xbfcountry,amount\r\n"de",120.25', "text/csv; charset=utf-8; header=present"),
        (b"120.25,de,\n", "text/csv;header=absent"),
        (b"amount,country,visits\n1.2025e2,de,\n\n", "text/csv"),
    ],
)
def test_csv_comes_with_and_without_a_header(alone: Service, body: bytes, kind: str) -> None:
    """MLflow's has one, SageMaker's has none and says so."""
    status, answer, _ = alone.ask("POST", "/invocations", body, {"content-type": kind})
    assert status == 200, answer
    assert len(answer["predictions"]) == 1


def test_a_regression_answers_numbers_and_a_deployment_may_be_named(service: Service) -> None:
    """Where a server has several, the path says which."""
    body = {"dataframe_records": [{"a": 1.5}]}
    assert service.ask("POST", "/invocations", body, JSON)[0] == 404
    status, answer, _ = service.ask("POST", "/deployments/price/invocations", body, JSON)
    assert status == 200
    assert isinstance(answer["predictions"][0], float)


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_sagemaker_sees_a_server_that_drains(alone: Service, path: str) -> None:
    """200 with nothing to read, then 503."""
    assert alone.ask("GET", path)[0] == 200
    alone.draining = True
    try:
        status, answer, _ = alone.ask("GET", path)
        assert (status, answer["error_code"]) == (503, "NOT_READY")
    finally:
        alone.draining = False


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "dataframe_split"),
        ({"inputs": [], "instances": []}, "instances"),
        ({"inputs": []}, "inputs"),
        ({"rows": [ROW]}, "rows"),
        ({"inputs": [ROW], "params": {"temperature": 1}}, "params"),
        ({"dataframe_records": [ROW | {"amount": "120"}]}, "dataframe_records[0].amount"),
        ({"dataframe_records": [ROW, {"country": "de"}]}, "dataframe_records[1].amount"),
        ({"dataframe_records": [ROW | {"contry": "de"}]}, "dataframe_records[0].contry"),
        ({"dataframe_records": [ROW | {"amount": 10**400}]}, "dataframe_records[0].amount"),
        ({"dataframe_records": [1]}, "dataframe_records[0]"),
        ({"dataframe_split": {"columns": ["amount"], "data": [[1, 2]]}}, "dataframe_split.data[0]"),
        ({"dataframe_split": {"columns": ["amount", "amount"], "data": [[1, 2]]}}, "dataframe_split.columns"),
        ({"dataframe_split": {"columns": ["amount"], "data": [[1]], "index": []}}, "dataframe_split.index"),
        ({"dataframe_split": {"columns": ["amount"], "data": []}}, "dataframe_split.data"),
        ({"dataframe_split": {"columns": ["amount"], "data": [[{}]]}}, "dataframe_split.data[0].amount"),
        ({"dataframe_split": {"columns": ["amount"]}}, "dataframe_split"),
        ({"inputs": {"amount": [1, 2], "country": ["de"]}}, "inputs.country"),
        (b'{"dataframe_records": [{"amount": 1, "amount": 2}]}', "amount"),
        (b'{"dataframe_records": [{"amount": NaN}]}', "dataframe_records[0].amount"),
        (b'{"dataframe_records": [{"amount": -Infinity}]}', "dataframe_records[0].amount"),
        (b'{"dataframe_records": [{"amount": 1, "country": "\\ud800", "customer": NaN}]}', "not what this path takes"),
        (b'{"dataframe_records": [{"amount": 1, "country": NaN, "country": NaN}]}', "country"),
        (b"amount\n1\n", ""),
    ],
)
def test_json_that_cannot_be_taken_as_it_is_is_refused_with_its_path(alone: Service, body: object, path: str) -> None:
    """A 400 that names the place, in MLflow's words."""
    status, answer, _ = alone.ask("POST", "/invocations", body, JSON)
    assert status == 400, answer
    assert set(answer) == {"error_code", "message"}
    assert path in answer["message"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", ""),
        (b"amount\n", ""),
        (b"amount\n1,2\n", "rows[0]"),
        (b"amount,amount\n1,2\n", "header"),
        (b"contry\nde\n", "rows[0].contry"),
        (b"amount\nx\n", "rows[0].amount"),
        (b"amount\nNaN\n", "rows[0].amount"),
        (b"amount\ninf\n", "rows[0].amount"),
        (b"amount\n1e999\n", "rows[0].amount"),
        (b"amount\n1_000\n", "rows[0].amount"),
        (b"amount\n9007199254740993\n", "rows[0].amount"),
        (b"amount,country\n,de\n", "rows[0].amount"),
        (b'amount\n"1"2\n', "CSV"),
        (b"amount\n\xff\n", "UTF-8"),
    ],
)
def test_csv_that_cannot_be_taken_as_it_is_is_refused_with_its_path(alone: Service, body: bytes, path: str) -> None:
    """A cell is empty, or what its field takes."""
    status, answer, _ = alone.ask("POST", "/invocations", body, CSV)
    assert status == 400, answer
    assert path in answer["message"]


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/json; format=pandas-split", "text/csv; header=maybe", "text/csv; charset=latin-1"],
)
def test_another_content_type_is_refused(alone: Service, kind: str) -> None:
    """With those that are taken."""
    status, answer, _ = alone.ask("POST", "/invocations", {"inputs": [ROW]}, {"content-type": kind})
    assert status == 400
    assert "text/csv" in answer["message"]


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["de", 1.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["amount", "b64"]), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["amount", "country", "customer", "visits", "x"])
RECORDS = st.lists(st.dictionaries(NAMES, CELLS) | st.lists(CELLS, max_size=4) | CELLS, max_size=3)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "dataframe_split": st.fixed_dictionaries(
            {"data": st.lists(st.lists(CELLS, max_size=3), max_size=3)},
            optional={"columns": st.lists(NAMES, max_size=3), "index": CELLS},
        ),
        "dataframe_records": RECORDS,
        "instances": RECORDS | st.dictionaries(NAMES, st.lists(CELLS, max_size=2)),
        "inputs": RECORDS | st.dictionaries(NAMES, st.lists(CELLS, max_size=2)),
        "params": st.none() | CELLS,
    },
)
LINES = st.lists(
    st.lists(st.sampled_from(["amount", "country", "visits", "1", "de", "", '"', "1e5", "-0", "x\0", "é"]), max_size=3),
    max_size=4,
).map(lambda lines: "\n".join(map(",".join, lines)).encode())
KINDS = st.sampled_from(["application/json", "text/csv", "text/csv;header=absent", "", ";", "text/csv; a=b"])


@settings(max_examples=400, deadline=None)
@given(body=BODIES.map(lambda body: json.dumps(body).encode()) | LINES | st.binary(max_size=40), kind=KINDS)
def test_no_body_whatever_gets_anything_but_an_answer_or_a_refusal(alone: Service, body: bytes, kind: str) -> None:
    """Malformed in a thousand ways: 2xx or 4xx, and always JSON."""
    status, answer, _ = alone.ask("POST", "/invocations", body, {"content-type": kind})
    assert 200 <= status < 300 or 400 <= status < 500, answer
    assert set(answer) in ({"predictions", "prediction_ids"}, {"error_code", "message"})
