"""The gRPC protocols: Triton's own client, raw channels for the rest, every refusal, and a shared port."""

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.inference import Bundle
from modelyard.serving.protocols import GrpcServer
from modelyard.serving.protocols.messages import HEALTH, OPEN_INFERENCE, TENSORFLOW

from .service import Service

triton: Any = pytest.importorskip("tritonclient.grpc")
InferenceServerException: Any = pytest.importorskip("tritonclient.utils").InferenceServerException

OPEN, TF = "inference.GRPCInferenceService", "tensorflow.serving.PredictionService"
DOUBLE, STRING, INT64 = 2, 7, 9


@pytest.fixture(scope="module")
def channel(service: Service) -> Iterator[grpc.Channel]:
    """A channel without any generated stub."""
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        yield channel


@pytest.fixture
def client(service: Service) -> Iterator[Any]:
    """Triton's gRPC client, unmodified."""
    client = triton.InferenceServerClient(f"127.0.0.1:{service.grpc_port}")
    yield client
    client.close()


def call(channel: grpc.Channel, path: str, request: Any, answer: Any, **metadata: str) -> Any:
    """Call a method with a message or bytes."""
    raw = request if isinstance(request, bytes) else request.SerializeToString()
    unary = channel.unary_unary(f"/{path}", lambda each: each, answer.FromString)
    return unary(raw, metadata=tuple((name.replace("_", "-"), value) for name, value in metadata.items()), timeout=10)


def infer(channel: grpc.Channel, request: Any, **metadata: str) -> Any:
    return call(channel, f"{OPEN}/ModelInfer", request, OPEN_INFERENCE["ModelInferResponse"], **metadata)


def refusal(channel: grpc.Channel, path: str, request: Any) -> tuple[grpc.StatusCode, str]:
    """The status and text of a call that is refused."""
    with pytest.raises(grpc.RpcError) as raised:
        call(channel, path, request, OPEN_INFERENCE["ServerLiveResponse"])
    return raised.value.code(), raised.value.details() or ""


def tensors(columns: dict[str, tuple[str, list[Any]]]) -> list[Any]:
    """Inputs of Triton's client."""
    made = []
    for name, (datatype, values) in columns.items():
        given = triton.InferInput(name, [len(values)], datatype)
        given.set_data_from_numpy(np.array(values, np.object_ if datatype == "BYTES" else np.float64))
        made.append(given)
    return made


ROWS: dict[str, tuple[str, list[Any]]] = {
    "amount": ("FP64", [120.25, 3.5]),
    "country": ("BYTES", ["de", "fr"]),
    "customer": ("BYTES", ["anna", "nobody"]),
}


def typed(**columns: list[float]) -> Any:
    """A request for `fraud` with typed contents."""
    request = OPEN_INFERENCE["ModelInferRequest"](model_name="fraud", id="r1")
    for name, values in columns.items():
        given = request.inputs.add(name=name, datatype="FP64", shape=[len(values)])
        given.contents.fp64_contents.extend(values)
    return request


def test_tritons_client_finds_server_and_model(client: Any) -> None:
    """Live, ready, and what the model takes and gives."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("fraud", "1")
    assert client.get_server_metadata().name == "modelyard"
    metadata = client.get_model_metadata("kind")
    assert [(each.name, list(each.shape)) for each in metadata.outputs] == [("prediction", [-1]), ("scores", [-1, 3])]
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        client.is_model_ready("nothing")


def test_tritons_client_gets_the_models_own_answers(client: Any, fraud_model: Bundle) -> None:
    """Raw tensors both ways; the same numbers as over HTTP."""
    outputs = [triton.InferRequestedOutput("probability"), triton.InferRequestedOutput("prediction")]
    result = client.infer("fraud", tensors(ROWS), request_id="r1", outputs=outputs, model_version="1")
    expected = fraud_model.predict([(120.25, "de", 7.0), (3.5, "fr", None)])
    assert result.as_numpy("probability").tolist() == expected.scores[:, 0].tolist()
    assert tuple(each.decode() for each in result.as_numpy("prediction")) == expected.labels
    facts = result.get_response()
    assert (facts.model_name, facts.model_version, facts.id) == ("fraud", "1", "r1")
    assert [each.name for each in facts.outputs] == ["probability", "prediction"]
    assert len(facts.parameters["prediction_ids"].string_param.split(",")) == 2


def test_tritons_client_streams(client: Any) -> None:
    """Each request has its answer, and one that is refused does not end the stream."""
    results: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: results.put((result, error)))
    client.async_stream_infer("fraud", tensors(ROWS), request_id="a")
    client.async_stream_infer("nothing", tensors(ROWS), request_id="b")
    client.async_stream_infer("fraud", tensors(ROWS), request_id="c")
    first, refused, last = (results.get(timeout=10) for _ in range(3))
    client.stop_stream()
    assert (first[0].get_response().id, last[0].get_response().id) == ("a", "c")
    assert "no deployment 'nothing'" in str(refused[1])


def test_typed_contents_get_typed_contents(channel: grpc.Channel, fraud_model: Bundle) -> None:
    """A client that packs nothing itself need not unpack either."""
    answer = infer(channel, typed(amount=[120.25]))
    label, probability = answer.outputs
    expected = fraud_model.predict([(120.25, None, None)])
    assert list(probability.contents.fp64_contents) == expected.scores[0].tolist()
    assert expected.labels is not None
    assert [each.decode() for each in label.contents.bytes_contents] == list(expected.labels)
    assert not answer.raw_output_contents


def test_event_time_and_assignment_key_come_as_metadata(channel: grpc.Channel) -> None:
    """As headers do over HTTP: an instant that is none is refused, and a key keeps rows together."""
    infer(channel, typed(amount=[1.0]), x_modelyard_at="2026-01-05T12:00:00Z", x_entity_id="a")
    with pytest.raises(grpc.RpcError) as raised:
        infer(channel, typed(amount=[1.0]), x_modelyard_at="noon")
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


PARAMETER = OPEN_INFERENCE["InferParameter"](int64_param=1)


def amount(**changes: Any) -> dict[str, Any]:
    """The tensor of amounts, with changes."""
    fields = {"name": "amount", "datatype": "FP64", "shape": [1], "contents": {"fp64_contents": [1.0]}}
    return {"inputs": [fields | changes]}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "inputs"),
        (amount(datatype="FP65"), "inputs[0].datatype"),
        (amount(shape=[2]), "inputs[0].contents"),
        (amount(contents={"fp64_contents": [1.0], "int64_contents": [1]}), "inputs[0].contents"),
        (amount() | {"raw_input_contents": [b"12345678"]}, "inputs[0].contents"),
        (amount() | {"raw_input_contents": [b"", b""]}, "raw_input_contents"),
        (amount(contents={"fp64_contents": [float("nan")]}), "inputs[0].data[0]"),
        (amount(contents={"fp64_contents": [float("inf")]}), "inputs[0].data[0]"),
        (amount(datatype="INT8", contents={"int_contents": [300]}), "inputs[0].contents.int_contents[0]"),
        (amount(datatype="FP16"), "inputs[0].contents"),
        (amount(datatype="BYTES", contents={"bytes_contents": [b"\xff"]}), "inputs[0].contents.bytes_contents[0]"),
        (amount(name="amuont"), "inputs[0].data[0]"),
        (amount(parameters={"x": PARAMETER}), "inputs[0].parameters.x"),
        (amount() | {"parameters": {"sequence_id": PARAMETER}}, "parameters.sequence_id"),
        (amount() | {"outputs": [{"name": "logits"}]}, "outputs[0].name"),
        (amount() | {"outputs": [{"name": "prediction", "parameters": {"x": PARAMETER}}]}, "outputs[0].parameters.x"),
    ],
)
def test_what_cannot_be_taken_as_it_is_is_refused_with_its_path(
    channel: grpc.Channel, fields: dict[str, Any], path: str
) -> None:
    """INVALID_ARGUMENT that names the place."""
    request = OPEN_INFERENCE["ModelInferRequest"](model_name="fraud", **fields)
    code, text = refusal(channel, f"{OPEN}/ModelInfer", request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert path in text


def test_bytes_that_are_no_message_are_the_callers_fault(channel: grpc.Channel) -> None:
    """Not the server's, which is what gRPC says by itself."""
    assert refusal(channel, f"{OPEN}/ModelInfer", b"\xff\xff")[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal(channel, f"{TF}/Predict", b"\x0a\xff")[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_a_version_that_does_not_answer_is_not_found(channel: grpc.Channel) -> None:
    """With the one that does."""
    request = typed(amount=[1.0])
    request.model_version = "9"
    code, text = refusal(channel, f"{OPEN}/ModelInfer", request)
    assert code is grpc.StatusCode.NOT_FOUND
    assert "live version is 1" in text


def predict_request(model: str = "fraud", **columns: tuple[int, list[Any]]) -> Any:
    """A request of TensorFlow Serving; values go where their type belongs."""
    request = TENSORFLOW["PredictRequest"]()
    request.model_spec.name = model
    for name, (dtype, values) in columns.items():
        tensor = request.inputs[name]
        tensor.dtype = dtype
        tensor.tensor_shape.dim.add(size=len(values))
        place = {DOUBLE: "double_val", STRING: "string_val", INT64: "int64_val"}[dtype]
        getattr(tensor, place).extend(values)
    return request


def predict(channel: grpc.Channel, request: Any) -> Any:
    return call(channel, f"{TF}/Predict", request, TENSORFLOW["PredictResponse"])


def test_tensorflow_serving_answers_the_same(channel: grpc.Channel, fraud_model: Bundle) -> None:
    """Typed fields or raw content; one element stands for every row."""
    request = predict_request(amount=(DOUBLE, [120.25, 3.5]), country=(STRING, [b"de", b"de"]))
    answer = predict(channel, request)
    expected = fraud_model.predict([(120.25, "de", None), (3.5, "de", None)]).scores[:, 0].tolist()
    assert list(answer.outputs["probability"].double_val) == expected
    assert answer.outputs["prediction"].dtype == STRING
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("fraud", 1)
    del request.inputs["country"].string_val[1:]
    request.inputs["amount"].ClearField("double_val")
    request.inputs["amount"].tensor_content = np.array([120.25, 3.5]).tobytes()
    request.output_filter.append("probability")
    again = predict(channel, request)
    assert list(again.outputs) == ["probability"]
    assert list(again.outputs["probability"].double_val) == expected


def test_half_precision_comes_as_bits(channel: grpc.Channel) -> None:
    """As `tensor.proto` has it."""
    request = predict_request("price", a=(DOUBLE, [1.5]))
    wanted = list(predict(channel, request).outputs["prediction"].double_val)
    request.inputs["a"].ClearField("double_val")
    request.inputs["a"].dtype = 19
    request.inputs["a"].half_val.append(int(np.float16(1.5).view(np.uint16)))
    assert list(predict(channel, request).outputs["prediction"].double_val) == wanted


def test_tensorflows_metadata_is_a_signature_in_an_any(channel: grpc.Channel) -> None:
    """Under the type's full name."""
    request = TENSORFLOW["GetModelMetadataRequest"](metadata_field=["signature_def"])
    request.model_spec.name = "trial"
    request.model_spec.version_label = "canary"
    answer = call(channel, f"{TF}/GetModelMetadata", request, TENSORFLOW["GetModelMetadataResponse"])
    packed = answer.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signature = TENSORFLOW["SignatureDefMap"].FromString(packed.value).signature_def["serving_default"]
    assert signature.inputs["amount"].dtype == DOUBLE
    assert sorted(signature.outputs) == ["prediction", "prediction_id", "probability"]
    assert answer.model_spec.version.value == 2
    request.metadata_field.append("weights")
    assert refusal(channel, f"{TF}/GetModelMetadata", request)[0] is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"dtype": 8, "double_val": [1.0]}, "inputs.amount.dtype"),
        ({"tensor_shape": {"unknown_rank": True}}, "inputs.amount.dtype"),
        ({"tensor_shape": {}}, "inputs.amount.shape"),
        ({"tensor_shape": {"dim": [{"size": 3}]}, "double_val": [1.0, 2.0]}, "inputs.amount"),
        ({"tensor_shape": {"dim": [{"size": 1 << 40}]}}, "inputs.amount.shape"),
        ({"tensor_shape": {"dim": [{"size": 1}, {"size": 1 << 30}]}}, "inputs.amount"),
        ({"tensor_content": b"12345678"}, "inputs.amount"),
        ({"double_val": [], "float_val": [1.0]}, "inputs.amount"),
        ({"dtype": 19, "double_val": [], "half_val": [1 << 20]}, "inputs.amount"),
        ({"dtype": STRING, "double_val": [], "string_val": [b"\xff"]}, "inputs.amount"),
        ({"dtype": INT64, "double_val": [], "int64_val": [2**53 + 1]}, "inputs.amount.data[0]"),
        ({"dtype": 4, "double_val": [], "int_val": [256]}, "inputs.amount[0]"),
    ],
)
def test_a_tensorproto_that_cannot_be_taken_is_refused(
    channel: grpc.Channel, fields: dict[str, Any], path: str
) -> None:
    """INVALID_ARGUMENT that names the place."""
    whole = {"dtype": DOUBLE, "tensor_shape": {"dim": [{"size": 1}]}, "double_val": [1.0]}
    request = TENSORFLOW["PredictRequest"](model_spec={"name": "fraud"})
    request.inputs["amount"].CopyFrom(TENSORFLOW["TensorProto"](**(whole | fields)))
    code, text = refusal(channel, f"{TF}/Predict", request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert path in text


def test_a_signature_or_output_that_is_not_there_is_refused(channel: grpc.Channel) -> None:
    """With those that are."""
    request = predict_request(amount=(DOUBLE, [1.0]))
    request.output_filter.append("logits")
    code, text = refusal(channel, f"{TF}/Predict", request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "prediction_id" in text
    request.model_spec.signature_name = "other"
    assert "model_spec.signature_name" in refusal(channel, f"{TF}/Predict", request)[1]


def test_health_checks_follow_readiness(service: Service, channel: grpc.Channel) -> None:
    """Serving, not serving while draining, and no such service."""

    def check(name: str) -> int:
        request = HEALTH["HealthCheckRequest"](service=name)
        return int(call(channel, "grpc.health.v1.Health/Check", request, HEALTH["HealthCheckResponse"]).status)

    assert [check(name) for name in ("", OPEN, TF)] == [1, 1, 1]
    service.grpc.draining = True
    try:
        assert check("") == 2
    finally:
        service.grpc.draining = False
    code, text = refusal(channel, "grpc.health.v1.Health/Check", HEALTH["HealthCheckRequest"](service="x"))
    assert code is grpc.StatusCode.NOT_FOUND
    assert OPEN in text


def test_what_needs_a_permission_asks_for_a_key(service: Service, channel: grpc.Channel) -> None:
    """Predictions and metadata do; probes do not."""
    service.token = "secret"
    try:
        live = OPEN_INFERENCE["ServerLiveRequest"]()
        assert call(channel, f"{OPEN}/ServerLive", live, OPEN_INFERENCE["ServerLiveResponse"]).live
        for path in (f"{OPEN}/ModelInfer", f"{OPEN}/ModelMetadata", f"{TF}/Predict", f"{TF}/GetModelMetadata"):
            assert refusal(channel, path, b"")[0] is grpc.StatusCode.UNAUTHENTICATED
        assert infer(channel, typed(amount=[1.0]), authorization="Bearer secret").id == "r1"
    finally:
        service.token = None


def test_servers_share_a_port_only_when_each_says_so(service: Service) -> None:
    """As worker processes do; anyone else is told that the port is taken."""

    def server() -> GrpcServer:
        return GrpcServer(service.plane, service.authorize)

    async def share() -> None:
        first, second, third = server(), server(), server()
        port = await first.start("127.0.0.1", 0, share_port=True)
        assert await second.start("127.0.0.1", port, share_port=True) == port
        with pytest.raises(OSError, match="cannot listen"):
            await third.start("127.0.0.1", port)
        await asyncio.gather(first.stop(0), second.stop(0), third.stop(0))

    service.run(share())


def test_a_request_beyond_the_limits_is_refused(service: Service, channel: grpc.Channel) -> None:
    """Too many rows by us, too many bytes by gRPC itself."""
    code, text = refusal(channel, f"{OPEN}/ModelInfer", typed(amount=[1.0] * 51))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "51 rows are more than 50" in text
    code, _ = refusal(channel, f"{OPEN}/ModelInfer", typed(amount=[1.0] * 200_000))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_long_name_is_cut_in_the_answer(channel: grpc.Channel) -> None:
    """Details travel as a header, which has a limit."""
    code, text = refusal(channel, f"{OPEN}/ModelReady", OPEN_INFERENCE["ModelReadyRequest"](name="x" * 100_000))
    assert code is grpc.StatusCode.NOT_FOUND
    assert len(text) == 1000


def test_an_unforeseen_error_is_ours_and_shows_no_traceback(
    service: Service, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INTERNAL, with one sentence."""

    def fail(_name: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(service.plane.deployments, "find", fail)
    assert refusal(channel, f"{OPEN}/ModelInfer", typed(amount=[1.0])) == (
        grpc.StatusCode.INTERNAL,
        "The server failed. See the server's log.",
    )
    stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/{OPEN}/ModelStreamInfer")
    (answer,) = stream(iter([typed(amount=[1.0]).SerializeToString()]), timeout=10)
    told = OPEN_INFERENCE["ModelStreamInferResponse"].FromString(answer)
    assert told.error_message == "The server failed. See the server's log."


NAMES = st.sampled_from(["amount", "country", "customer", "visits", "x", ""])
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "fp64_contents": st.lists(st.floats(), max_size=3),
        "fp32_contents": st.lists(st.floats(width=32), max_size=3),
        "int_contents": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
        "uint64_contents": st.lists(st.integers(0, 2**64 - 1), max_size=3),
        "bytes_contents": st.lists(st.binary(max_size=4), max_size=3),
        "bool_contents": st.lists(st.booleans(), max_size=3),
    },
)
INPUTS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "datatype": st.sampled_from(["FP64", "FP32", "INT8", "UINT64", "BYTES", "BOOL", "FP16", "x"]),
        "shape": st.lists(st.sampled_from([1, 1, 2, 3, 0, -1, 2**40]), min_size=1, max_size=3),
    },
    optional={"contents": CONTENTS},
)
TF_TENSORS = st.fixed_dictionaries(
    {"dtype": st.integers(0, 24), "tensor_shape": st.lists(st.sampled_from([1, 1, 2, 3, 0, -1, 2**40]), max_size=2)},
    optional={
        "double_val": st.lists(st.floats(), max_size=3),
        "string_val": st.lists(st.binary(max_size=4), max_size=3),
        "int_val": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
        "half_val": st.lists(st.integers(-5, 2**16 + 5), max_size=3),
        "tensor_content": st.binary(max_size=16),
    },
)


def code_of(channel: grpc.Channel, path: str, request: Any) -> grpc.StatusCode:
    try:
        call(channel, path, request, OPEN_INFERENCE["ServerLiveRequest"])
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


FINE = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


@settings(max_examples=300, deadline=None)
@given(
    inputs=st.lists(INPUTS, max_size=3),
    raw=st.lists(st.binary(max_size=16), max_size=3),
    version=st.sampled_from(["", "", "1", "9"]),
)
def test_no_inference_request_whatever_gets_anything_but_an_answer_or_a_refusal(
    channel: grpc.Channel, inputs: list[Any], raw: list[bytes], version: str
) -> None:
    """Never UNKNOWN or INTERNAL."""
    request = OPEN_INFERENCE["ModelInferRequest"](
        model_name="fraud", model_version=version, inputs=inputs, raw_input_contents=raw
    )
    assert code_of(channel, f"{OPEN}/ModelInfer", request) in FINE


@settings(max_examples=300, deadline=None)
@given(columns=st.dictionaries(NAMES, TF_TENSORS, max_size=3), version=st.none() | st.integers(-(2**63), 2**63 - 1))
def test_no_prediction_request_whatever_gets_anything_but_an_answer_or_a_refusal(
    channel: grpc.Channel, columns: dict[str, Any], version: int | None
) -> None:
    """The same of TensorFlow's."""
    request = TENSORFLOW["PredictRequest"]()
    request.model_spec.name = "fraud"
    if version is not None:
        request.model_spec.version.value = version
    for name, fields in columns.items():
        shape = {"dim": [{"size": size} for size in fields["tensor_shape"]]}
        request.inputs[name].CopyFrom(TENSORFLOW["TensorProto"](**{**fields, "tensor_shape": shape}))
    assert code_of(channel, f"{TF}/Predict", request) in FINE


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=60), path=st.sampled_from([f"{OPEN}/ModelInfer", f"{TF}/Predict", f"{OPEN}/ModelReady"]))
def test_no_bytes_whatever_get_anything_but_an_answer_or_a_refusal(
    channel: grpc.Channel, raw: bytes, path: str
) -> None:
    """Bytes that are no message, or one of another kind."""
    assert code_of(channel, path, raw) in FINE
