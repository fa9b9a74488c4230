"""TensorFlow Serving's REST API: rows, columns, metadata, and every refusal."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.inference import Bundle

from .service import Service

PREDICT = "/v1/models/fraud:predict"
ROW = {"amount": 120.25, "country": "de", "customer": "anna"}


def test_rows_by_name_get_the_models_own_answers(service: Service, fraud_model: Bundle) -> None:
    """One object of outputs for each instance; what a row leaves out is missing."""
    body = {"signature_name": "serving_default", "instances": [ROW, {"amount": 3}]}
    status, answer, _ = service.ask("POST", PREDICT, body)
    assert status == 200
    expected = fraud_model.predict([(120.25, "de", 7.0), (3, None, None)])
    assert expected.labels is not None
    assert [each["prediction"] for each in answer["predictions"]] == list(expected.labels)
    assert [each["probability"] for each in answer["predictions"]] == expected.scores[:, 0].tolist()
    assert len({each["prediction_id"] for each in answer["predictions"]}) == 2


def test_columns_get_columns(service: Service) -> None:
    """The same answers, one list for each output."""
    rows = service.ask("POST", PREDICT, {"instances": [ROW, ROW | {"amount": 1}]})[1]["predictions"]
    columns = {"amount": [120.25, 1], "country": [["de"], ["de"]], "customer": ["anna", "anna"]}
    outputs = service.ask("POST", PREDICT, {"inputs": columns})[1]["outputs"]
    assert list(outputs) == ["prediction", "probability", "prediction_id"]
    assert outputs["probability"] == [each["probability"] for each in rows]


def test_rows_in_order_are_taken_too(service: Service) -> None:
    """All values of the signature, as a list for each row."""
    named = service.ask("POST", PREDICT, {"instances": [ROW]})[1]["predictions"]
    ordered = service.ask("POST", PREDICT, {"instances": [[120.25, "de", 7]]})[1]["predictions"]
    assert ordered[0]["probability"] == named[0]["probability"]
    matrix = {"inputs": [[1.0, 2.0], [3.0, 4.0]]}
    assert len(service.ask("POST", "/v1/models/price:predict", matrix)[1]["outputs"]["prediction"]) == 2


def test_bytes_come_as_base64(service: Service) -> None:
    """And mean the string they hold."""
    encoded = {"b64": base64.b64encode(b"de").decode()}
    plain, packed = (
        service.ask("POST", PREDICT, {"instances": [ROW | {"country": country}]})[1]["predictions"][0]
        for country in ("de", encoded)
    )
    assert plain["probability"] == packed["probability"]


def test_several_classes_give_a_row_of_scores_each(service: Service) -> None:
    """In rows and in columns."""
    instances = {"instances": [{"a": 3.0, "b": 0.0}]}
    (row,) = service.ask("POST", "/v1/models/kind:predict", instances)[1]["predictions"]
    columns = service.ask("POST", "/v1/models/kind:predict", {"inputs": {"a": [3.0], "b": [0.0]}})[1]["outputs"]
    assert row["prediction"] == "high"
    assert columns["scores"] == [row["scores"]]
    assert len(row["scores"]) == 3


def test_status_and_metadata_are_in_tensorflows_words(service: Service) -> None:
    """Versions that are available; what goes in and out."""
    status = service.ask("GET", "/v1/models/trial")[1]["model_version_status"]
    assert [(each["version"], each["state"]) for each in status] == [("1", "AVAILABLE"), ("2", "AVAILABLE")]
    (only,) = service.ask("GET", "/v1/models/trial/labels/canary")[1]["model_version_status"]
    assert only == {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    metadata = service.ask("GET", "/v1/models/fraud/versions/1/metadata")[1]
    assert metadata["model_spec"] == {"name": "fraud", "signature_name": "", "version": "1"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert {name: each["dtype"] for name, each in signature["inputs"].items()} == {
        "amount": "DT_DOUBLE",
        "country": "DT_STRING",
        "customer": "DT_STRING",
    }
    assert signature["outputs"]["probability"]["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}],
        "unknown_rank": False,
    }


def test_versions_and_labels_in_the_path_pin_the_live_one(service: Service) -> None:
    """Others are not found, with those that are."""
    body = {"instances": [ROW]}
    for place in ("versions/1", "labels/live"):
        assert service.ask("POST", f"/v1/models/trial/{place}:predict", body)[0] == 200
    for place in ("versions/2", "versions/9", "labels/canary", "labels/stable"):
        status, answer, _ = service.ask("POST", f"/v1/models/trial/{place}:predict", body)
        assert status == 404
        assert "live" in answer["error"]


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_classify_and_regress_are_refused_with_the_way_to_predict(service: Service, verb: str) -> None:
    """They take tf.Example."""
    status, answer, _ = service.ask("POST", f"/v1/models/fraud:{verb}", {"examples": [ROW]})
    assert status == 400
    assert "/v1/models/fraud:predict" in answer["error"]
    assert service.ask("POST", f"/v1/models/nothing:{verb}", {})[0] == 404


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "instances"),
        ({"instances": [ROW], "inputs": {"amount": [1]}}, "instances"),
        ({"instances": [ROW], "examples": []}, "examples"),
        ({"instances": [ROW], "signature_name": "other"}, "signature_name"),
        ({"instances": []}, "instances"),
        ({"instances": ROW}, "instances"),
        ({"instances": [ROW, ROW | {"amount": "1"}]}, "instances[1].amount"),
        ({"instances": [ROW | {"amount": True}]}, "instances[0].amount"),
        ({"instances": [ROW | {"amount": None}]}, "instances[0].amount"),
        ({"instances": [ROW | {"amount": 2**53 + 1}]}, "instances[0].amount"),
        ({"instances": [ROW | {"amount": [1, 2]}]}, "instances[0].amount"),
        ({"instances": [ROW | {"amount": {"x": 1}}]}, "instances[0].amount"),
        ({"instances": [ROW | {"country": 1}]}, "instances[0].country"),
        ({"instances": [ROW | {"country": {"b64": "?"}}]}, "instances[0].country"),
        ({"instances": [ROW | {"country": {"b64": "/w=="}}]}, "instances[0].country"),
        ({"instances": [ROW | {"contry": "de"}]}, "instances[0].contry"),
        ({"instances": [{"country": "de"}]}, "instances[0].amount"),
        ({"instances": [1.0]}, "instances[0]"),
        ({"instances": [[1.0, "de"]]}, "instances[0]"),
        ({"instances": [[1.0, "de", "x"]]}, "instances[0].visits"),
        ({"instances": [{"b64": "ZGU="}]}, "instances[0]"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": {"amount": []}}, "inputs"),
        ({"inputs": {"amount": 1}}, "inputs"),
        ({"inputs": {"amount": [1, 2], "country": ["de"]}}, "inputs.country"),
        ({"inputs": {"amount": [1, "2"]}}, "inputs.amount[1]"),
        ({"inputs": []}, "inputs"),
        (b'{"instances": [{"amount": 1, "amount": 2}]}', "amount"),
        (b'{"instances": [{"amount": NaN}]}', "instances[0].amount"),
        (b'{"instances": [{"amount": 1e999}]}', ""),
        (b"", ""),
    ],
)
def test_what_cannot_be_taken_as_it_is_is_refused_with_its_path(service: Service, body: object, path: str) -> None:
    """A 400 that names the place."""
    status, answer, _ = service.ask("POST", PREDICT, body)
    assert status == 400, answer
    assert list(answer) == ["error"]
    assert path in answer["error"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["amount", "b64", "x"]), inner),
    max_leaves=6,
)
CELLS = st.floats(-10, 10) | st.sampled_from(["de", {"b64": "ZGU="}]) | VALUES
ROWS = st.fixed_dictionaries({"amount": CELLS}, optional={"country": CELLS, "customer": CELLS, "visits": CELLS})
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "instances": st.lists(ROWS | st.lists(CELLS, max_size=4) | VALUES, max_size=3) | VALUES,
        "inputs": st.dictionaries(st.sampled_from(["amount", "country", "x"]), st.lists(CELLS, max_size=2)) | VALUES,
        "signature_name": st.sampled_from(["serving_default", "", "x"]) | VALUES,
    },
)


@settings(max_examples=400, deadline=None)
@given(body=BODIES, raw=st.none() | st.binary(max_size=40), verb=st.sampled_from(["predict"] * 5 + ["classify"]))
def test_no_body_whatever_gets_anything_but_an_answer_or_a_refusal(
    service: Service, body: Any, raw: bytes | None, verb: str
) -> None:
    """Malformed in a thousand ways: 2xx or 4xx, and always JSON."""
    status, answer, _ = service.ask(
        "POST", f"/v1/models/fraud:{verb}", json.dumps(body).encode() if raw is None else raw
    )
    assert 200 <= status < 300 or 400 <= status < 500, answer
    assert set(answer) <= {"predictions", "outputs", "error"}
