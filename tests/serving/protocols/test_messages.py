"""Our messages have the numbers and types of the public specifications."""

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from modelyard.serving.protocols.messages import HEALTH, OPEN_INFERENCE, TENSORFLOW

TRITONS: Any = pytest.importorskip("tritonclient.grpc.service_pb2")

NESTED = {
    "TensorMetadata": ("ModelMetadataResponse", "TensorMetadata"),
    "InferRequestedOutput": ("ModelInferRequest", "InferRequestedOutputTensor"),
}
"""Messages that stand inside others in Triton's file; `InferTensor` stands for two."""


def shape(message: Descriptor) -> dict[str, tuple[int, int, bool]]:
    """Number, type and repetition of each field by its name."""
    return {each.name: (each.number, each.type, each.is_repeated) for each in message.fields}


def tritons(name: str) -> Descriptor:
    """Triton's message of a name, compiled from its own specification."""
    messages = TRITONS.DESCRIPTOR.message_types_by_name
    if name in NESTED:
        outer, inner = NESTED[name]
        found: Descriptor = messages[outer].nested_types_by_name[inner]
        return found
    top: Descriptor = messages[name]
    return top


@pytest.mark.parametrize("name", sorted(set(OPEN_INFERENCE) - {"InferTensor"}))
def test_a_message_of_open_inference_has_the_numbers_of_tritons(name: str) -> None:
    """Compared field by field with the messages that Triton's client was compiled from."""
    assert shape(OPEN_INFERENCE[name].DESCRIPTOR) == shape(tritons(name))


@pytest.mark.parametrize(("outer", "inner"), [("Request", "InferInputTensor"), ("Response", "InferOutputTensor")])
def test_the_one_tensor_message_has_the_numbers_of_both_of_tritons(outer: str, inner: str) -> None:
    """Inputs and outputs look the same on the wire."""
    there = TRITONS.DESCRIPTOR.message_types_by_name[f"ModelInfer{outer}"].nested_types_by_name[inner]
    assert shape(OPEN_INFERENCE["InferTensor"].DESCRIPTOR) == shape(there)


def test_bytes_made_by_triton_are_read_and_the_other_way_round() -> None:
    """Maps, one-ofs, packed numbers and raw bytes."""
    request = TRITONS.ModelInferRequest(model_name="m", id="1", raw_input_contents=[b"\0\1"])
    tensor = request.inputs.add(name="x", datatype="FP64", shape=[2])
    tensor.contents.fp64_contents.extend([1.5, -2.0])
    tensor.parameters["p"].double_param = 0.5
    ours = OPEN_INFERENCE["ModelInferRequest"].FromString(request.SerializeToString())
    assert list(ours.inputs[0].contents.fp64_contents) == [1.5, -2.0]
    assert ours.inputs[0].parameters["p"].WhichOneof("parameter_choice") == "double_param"
    assert TRITONS.ModelInferRequest.FromString(ours.SerializeToString()) == request


def test_tensorflows_messages_are_read_from_bytes_written_by_hand() -> None:
    """A PredictRequest as the protobuf encoding and `predict.proto` say: tag, length, content."""

    def part(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    version = part(2, b"\x08\x07")
    spec = part(1, part(1, b"fraud") + version + part(3, b"serving_default"))
    shape = part(2, part(2, b"\x08\x02"))
    tensor = b"\x08\x09" + shape + part(10, b"\x05\x06")
    raw = spec + part(2, part(1, b"amount") + part(2, tensor)) + part(3, b"prediction")
    request = TENSORFLOW["PredictRequest"].FromString(raw)
    assert (request.model_spec.name, request.model_spec.version.value) == ("fraud", 7)
    assert request.model_spec.signature_name == "serving_default"
    assert list(request.inputs["amount"].int64_val) == [5, 6]
    assert request.inputs["amount"].dtype == 9
    assert [dim.size for dim in request.inputs["amount"].tensor_shape.dim] == [2]
    assert list(request.output_filter) == ["prediction"]


def test_a_health_answer_is_the_enumerations_number() -> None:
    """SERVING is 1."""
    assert HEALTH["HealthCheckResponse"](status=1).SerializeToString() == b"\x08\x01"
    assert HEALTH["HealthCheckResponse"].DESCRIPTOR.fields_by_name["status"].type == FieldDescriptor.TYPE_INT32
