"""The Open Inference Protocol over REST: Triton's own client, every form of data, and every refusal."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.inference import Bundle

from .service import Service

triton: Any = pytest.importorskip("tritonclient.http")
InferenceServerException: Any = pytest.importorskip("tritonclient.utils").InferenceServerException

INFER = "/v2/models/fraud/infer"
HEADER = "inference-header-content-length"


def amount(values: list[Any], datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    """The tensor of amounts."""
    return {"name": "amount", "datatype": datatype, "shape": [len(values)], "data": values} | more


@pytest.fixture
def client(service: Service) -> Any:
    """Triton's HTTP client, unmodified."""
    client = triton.InferenceServerClient(f"127.0.0.1:{service.port}")
    yield client
    client.close()


def tensor(name: str, values: list[Any], datatype: str, *, binary: bool) -> Any:
    """An input of Triton's client."""
    kinds = {"BYTES": np.object_, "FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "UINT8": np.uint8}
    given = triton.InferInput(name, [len(values)], datatype)
    given.set_data_from_numpy(np.array(values, kinds[datatype]), binary_data=binary)
    return given


def test_tritons_client_finds_server_and_model(client: Any) -> None:
    """Live, ready, and what the model takes and gives."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("fraud")
    assert client.is_model_ready("trial", "2")
    assert not client.is_model_ready("nothing")
    assert client.get_server_metadata()["name"] == "modelyard"
    assert client.get_model_metadata("trial")["versions"] == ["1", "2"]
    metadata = client.get_model_metadata("fraud", "1")
    assert metadata.pop("platform").startswith("modelyard_")
    assert metadata == {
        "name": "fraud",
        "versions": ["1"],
        "inputs": [
            {"name": "amount", "datatype": "FP64", "shape": [-1]},
            {"name": "country", "datatype": "BYTES", "shape": [-1]},
            {"name": "customer", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
            {"name": "probability", "datatype": "FP64", "shape": [-1]},
        ],
    }


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("asked", [True, False], ids=["outputs asked", "all outputs"])
def test_tritons_client_gets_the_models_own_answers(
    client: Any, fraud_model: Bundle, binary: bool, asked: bool
) -> None:
    """Named tensors and the online store make the rows; nothing changes on the way there and back."""
    inputs = [
        tensor("amount", [120.25, 3.5], "FP64", binary=binary),
        tensor("country", ["de", "fr"], "BYTES", binary=binary),
        tensor("customer", ["anna", "nobody"], "BYTES", binary=binary),
    ]
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probability", "prediction")]
    result = client.infer("fraud", inputs, request_id="r1", outputs=outputs if asked else None)
    expected = fraud_model.predict([(120.25, "de", 7.0), (3.5, "fr", None)])
    assert result.as_numpy("probability").tolist() == expected.scores[:, 0].tolist()
    labels = [each.decode() if isinstance(each, bytes) else each for each in result.as_numpy("prediction").tolist()]
    assert tuple(labels) == expected.labels
    facts = result.get_response()
    assert (facts["model_name"], facts["model_version"], facts["id"]) == ("fraud", "1", "r1")
    assert [each["name"] for each in facts["outputs"]] == [
        *(["probability", "prediction"] if asked else ["prediction", "probability"])
    ]
    assert len(set(facts["parameters"]["prediction_ids"].split(","))) == 2


@pytest.mark.parametrize("datatype", ["FP32", "INT64", "UINT8"])
def test_numbers_may_come_in_any_width(client: Any, fraud_model: Bundle, datatype: str) -> None:
    """What float64 holds exactly is the same number."""
    result = client.infer("fraud", [tensor("amount", [200], datatype, binary=True)])
    assert result.as_numpy("probability")[0] == fraud_model.predict([(200.0, None, None)]).scores[0, 0]


def test_all_columns_may_come_as_one_tensor(service: Service) -> None:
    """Two dimensions, in the signature's order, by whatever name; flat and nested mean the same."""
    for data in ([1.5, -2.0, 0.25, 3.0], [[1.5, -2.0], [0.25, 3.0]]):
        matrix = {"name": "input-0", "datatype": "FP64", "shape": [2, 2], "data": data}
        status, answer, _ = service.ask("POST", "/v2/models/price/infer", {"inputs": [matrix]})
        assert status == 200
        named = [{"name": "a", "datatype": "FP64", "shape": [2, 1], "data": [1.5, 0.25]}]
        named.append({"name": "b", "datatype": "FP64", "shape": [2], "data": [-2.0, 3.0]})
        by_name = service.ask("POST", "/v2/models/price/infer", {"inputs": named})[1]
        (output,) = answer["outputs"]
        assert output == by_name["outputs"][0]
        assert (output["name"], output["datatype"], output["shape"]) == ("prediction", "FP64", [2])


def test_a_classifier_of_several_classes_gives_all_scores(service: Service) -> None:
    """One row of scores for each row."""
    matrix = {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [3, 0, -3, 0]}
    _, answer, _ = service.ask("POST", "/v2/models/kind/infer", {"inputs": [matrix]})
    label, scores = answer["outputs"]
    assert label["data"] == ["high", "low"]
    assert (scores["name"], scores["shape"], len(scores["data"])) == ("scores", [2, 3], 6)
    assert sum(scores["data"][:3]) == pytest.approx(1)


def test_a_missing_value_is_null_or_nan_where_the_field_may_miss(service: Service) -> None:
    """And the answer is that of a row without it."""
    without = service.ask("POST", "/v2/models/price/infer", {"inputs": [{**amount([1.0]), "name": "a"}]})[1]
    null = [{**amount([1.0]), "name": "a"}, {**amount([None]), "name": "b"}]
    body = {"inputs": [{**amount([1.0]), "name": "a"}, {"name": "b", "datatype": "FP64", "shape": [1]}]}
    body["inputs"][1]["parameters"] = {"binary_data_size": 8}
    header = json.dumps(body).encode()
    nan = service.ask(
        "POST", "/v2/models/price/infer", header + struct.pack("<d", float("nan")), {HEADER: str(len(header))}
    )
    answers = [without, service.ask("POST", "/v2/models/price/infer", {"inputs": null})[1], nan[1]]
    assert len({json.dumps(each["outputs"]) for each in answers}) == 1


def test_a_version_in_the_path_is_answered_by_that_version_alone(service: Service) -> None:
    """Half of `trial` goes to version 2, but none of what asks for version 1; version 2 is the route's to give."""
    body = {"inputs": [amount([1.0, 2.0] * 10)]}
    _, free, _ = service.ask("POST", "/v2/models/trial/infer", body)
    _, fixed, _ = service.ask("POST", "/v2/models/trial/versions/1/infer", body)
    assert fixed["model_version"] == "1"
    assert "model_version" not in free or free["model_version"] == "1"
    status, refused, _ = service.ask("POST", "/v2/models/trial/versions/2/infer", body)
    assert status == 404
    assert "live version is 1" in refused["error"]
    assert service.ask("GET", "/v2/models/trial/versions/9")[0] == 404
    assert service.ask("GET", "/v2/models/trial/versions/2")[0] == 200


def test_rows_that_several_versions_answered_say_so_one_by_one(service: Service) -> None:
    """A complete row can be answered by either; the assignment key keeps all rows of a request together."""
    rows = 20
    inputs = [
        amount([50.0] * rows),
        {"name": "country", "datatype": "BYTES", "shape": [rows], "data": ["de"] * rows},
        {"name": "customer", "datatype": "BYTES", "shape": [rows], "data": ["anna"] * rows},
    ]
    assert "model_version" in service.ask("POST", "/v2/models/trial/infer", {"inputs": inputs})[1]
    inputs = [
        amount([50.0] * rows),
        {"name": "country", "datatype": "BYTES", "shape": [rows], "data": ["de"] * rows},
        {"name": "visits", "datatype": "FP64", "shape": [rows], "data": [3.0] * rows},
    ]
    _, mixed, _ = service.ask("POST", "/v2/models/trial/infer", {"inputs": inputs})
    assert "model_version" not in mixed
    assert set(mixed["parameters"]["model_versions"].split(",")) == {"1", "2"}
    _, kept, _ = service.ask("POST", "/v2/models/trial/infer", {"inputs": inputs}, {"x-entity-id": "someone"})
    assert "model_version" in kept


def test_a_server_that_drains_is_live_but_not_ready(service: Service) -> None:
    """Load balancers look elsewhere, nobody kills it."""
    service.draining = True
    try:
        assert service.ask("GET", "/v2/health/ready")[0] == 503
        assert service.ask("GET", "/v2/health/live")[0] == 200
    finally:
        service.draining = False


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [amount([1.0])], "extra": 1}, "extra"),
        ({"inputs": [amount([1.0], extra=1)]}, "inputs[0]"),
        ({"inputs": [amount([1.0], datatype="FP128")]}, "inputs[0].datatype"),
        ({"inputs": [amount([1.0], shape=[2])]}, "inputs[0].data"),
        ({"inputs": [amount([1.0], shape=[-1])]}, "inputs[0].shape"),
        ({"inputs": [amount([1.0], shape=[1, 2])]}, "inputs[0]"),
        ({"inputs": [amount([1.0], shape=[])]}, "inputs[0].shape"),
        ({"inputs": [amount([1.0], shape=[10**30])]}, "inputs[0].shape"),
        ({"inputs": [amount([])]}, "inputs[0].shape"),
        ({"inputs": [amount([1.5], datatype="INT32")]}, "inputs[0].data[0]"),
        ({"inputs": [amount([300], datatype="UINT8")]}, "inputs[0].data[0]"),
        ({"inputs": [amount([-1], datatype="UINT64")]}, "inputs[0].data[0]"),
        ({"inputs": [amount([1e39], datatype="FP32")]}, "inputs[0].data[0]"),
        ({"inputs": [amount([10**400])]}, "inputs[0].data[0]"),
        ({"inputs": [amount([2**53 + 1], datatype="INT64")]}, "inputs[0].data[0]"),
        ({"inputs": [amount([True])]}, "inputs[0].data[0]"),
        ({"inputs": [amount([True], datatype="BOOL")]}, "inputs[0].data[0]"),
        ({"inputs": [amount(["1"])]}, "inputs[0].data[0]"),
        ({"inputs": [amount(["1"], datatype="BYTES")]}, "inputs[0].data[0]"),
        ({"inputs": [amount([None])]}, "inputs[0].data[0]"),
        ({"inputs": [amount([[1.0]])]}, "inputs[0].data[0]"),
        ({"inputs": [amount([1.0]), amount([1.0])]}, "inputs"),
        ({"inputs": [{**amount([[1.0], [2.0, 3.0]]), "shape": [2, 1]}]}, "inputs[0].data[1]"),
        ({"inputs": [{**amount([[1.0], 2.0]), "shape": [2, 1]}]}, "inputs[0].data[1]"),
        ({"inputs": [{**amount([[1.0]]), "shape": [2, 1]}]}, "inputs[0].data"),
        ({"inputs": [{**amount([1.0, 2.0]), "name": "x", "shape": [1, 2]}]}, "inputs[0].shape"),
        ({"inputs": [amount([1.0]), {**amount([1.0]), "name": "contry"}]}, "inputs[1].data[0]"),
        ({"inputs": [amount([1.0]), {**amount([1.0]), "name": "country"}]}, "inputs[1].data[0]"),
        ({"inputs": [{**amount(["de"], "BYTES"), "name": "country"}]}, "inputs"),
        ({"inputs": [amount([1.0, 2.0]), {**amount(["de"], "BYTES"), "name": "country"}]}, "inputs[1].shape"),
        ({"inputs": [amount([1.0])], "parameters": {"sequence_id": 1}}, "parameters.sequence_id"),
        ({"inputs": [amount([1.0])], "parameters": {"binary_data_output": 1}}, "parameters.binary_data_output"),
        ({"inputs": [amount([1.0], parameters={"shared_memory_size": 1})]}, "inputs[0].parameters"),
        ({"inputs": [amount([1.0], parameters={"binary_data_size": 8})]}, "inputs[0].data"),
        ({"inputs": [amount([1.0])], "outputs": [{"name": "logits"}]}, "outputs[0].name"),
        ({"inputs": [amount([1.0])], "outputs": [{"name": "prediction"}] * 2}, "outputs[1].name"),
        (
            {"inputs": [amount([1.0])], "outputs": [{"name": "prediction", "parameters": {"classification": 2}}]},
            "outputs[0].parameters.classification",
        ),
        (b'{"inputs": [], "inputs": []}', "inputs"),
        (b'{"inputs": [{"name": "amount", "datatype": "FP64", "shape": [1], "data": [NaN]}]}', "inputs[0].data[0]"),
        (
            b'{"inputs": [{"name": "amount", "datatype": "FP64", "shape": [1], "data": [Infinity]}]}',
            "inputs[0].data[0]",
        ),
        (b"[" * 100_000, ""),
        (b"\xff", ""),
    ],
)
def test_what_cannot_be_taken_as_it_is_is_refused_with_its_path(service: Service, body: object, path: str) -> None:
    """A 400 that names the place."""
    status, answer, _ = service.ask("POST", INFER, body)
    assert status == 400, answer
    assert list(answer) == ["error"]
    assert path in answer["error"]


def test_too_many_rows_are_refused_as_too_large(service: Service) -> None:
    """Before anything is scored."""
    assert service.ask("POST", INFER, {"inputs": [amount([1.0] * 51)]})[0] == 413


@pytest.mark.parametrize(
    ("datatype", "raw", "size", "message"),
    [
        ("FP64", b"1234567", 7, "7 bytes are not 1 elements of FP64"),
        ("FP64", b"12345678", 9, "no 9 bytes of binary data"),
        ("FP64", b"12345678rest", 8, "4 bytes behind the JSON belong to no input"),
        ("FP64", b"", -1, "'-1' is no number of bytes"),
        ("BYTES", b"\x05\0\0\0abc", 7, "7 bytes are not 1 elements of BYTES"),
        ("BYTES", b"\0\0\0", 3, "3 bytes are not 1 elements of BYTES"),
        ("BYTES", b"\x01\0\0\0aX", 6, "6 bytes are not 1 elements of BYTES"),
        ("BYTES", b"\x01\0\0\0\xff", 5, "inputs[0][0]: b'\\xff' is not UTF-8"),
        ("BOOL", b"\x01", 1, "'country' is True; expected a string"),
    ],
)
def test_binary_data_of_another_length_or_content_is_refused(
    service: Service, datatype: str, raw: bytes, size: int, message: str
) -> None:
    """Too short, too long, too much in all, or no such value."""
    name = "amount" if datatype == "FP64" else "country"
    described = {"name": name, "datatype": datatype, "shape": [1], "parameters": {"binary_data_size": size}}
    others = [] if name == "amount" else [amount([1.0])]
    header = json.dumps({"inputs": [described, *others]}).encode()
    status, answer, _ = service.ask("POST", INFER, header + raw, {HEADER: str(len(header))})
    assert status == 400
    assert message in answer["error"]


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999", "٣", "9" * 5000])
def test_a_header_length_that_is_none_is_refused(service: Service, length: str) -> None:
    """Whatever a client writes there."""
    status, answer, _ = service.ask("POST", INFER, {"inputs": [amount([1.0])]}, {HEADER: length})
    assert status == 400
    assert "Inference-Header-Content-Length" in answer["error"]


def test_a_stranger_is_a_404_that_names_those_there_are(client: Any) -> None:
    """In the words that Triton's client shows."""
    with pytest.raises(InferenceServerException, match=r"no deployment 'fraut'.*Did you mean 'fraud'"):
        client.infer("fraut", [tensor("amount", [1.0], "FP64", binary=True)])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["amount", "country", "customer", "visits", "x"]) | VALUES,
        "datatype": st.sampled_from(["FP64", "FP32", "FP16", "INT8", "UINT64", "BYTES", "BOOL", "X"]) | VALUES,
        "shape": st.lists(st.integers(-2, 3), max_size=3) | VALUES,
        "data": st.lists(st.floats(-10, 10) | st.integers() | st.text(max_size=3) | VALUES, max_size=4) | VALUES,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 40) | VALUES}),
    },
)
BODIES = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=3) | VALUES},
    optional={
        "id": VALUES,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_output": VALUES}),
        "outputs": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["prediction", "probability", "x"])}), max_size=2
        ),
        "other": VALUES,
    },
)


@settings(max_examples=400, deadline=None)
@given(body=BODIES, tail=st.binary(max_size=24), split=st.booleans(), raw=st.none() | st.binary(max_size=60))
def test_no_body_whatever_gets_anything_but_an_answer_or_a_refusal(
    service: Service, body: Any, tail: bytes, split: bool, raw: bytes | None
) -> None:
    """Malformed in a thousand ways: 2xx or 4xx, and always JSON or binary data with its header."""
    header = json.dumps(body).encode()
    headers = {HEADER: str(len(header))} if split else {}
    sent = raw if raw is not None else header + (tail if split else b"")
    status, _, reply = service.ask("POST", INFER, sent, headers)
    assert 200 <= status < 300 or 400 <= status < 500, reply.body
    if status >= 400:
        assert json.loads(reply.body)["error"]
