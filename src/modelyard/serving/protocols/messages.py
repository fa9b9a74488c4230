"""The protobuf messages of the gRPC protocols, built from the field numbers of their public specifications.

Sources of the numbers: KServe's Open Inference Protocol
(https://github.com/kserve/open-inference-protocol, `specification/protocol/inference_grpc.md`; the double and unsigned
parameters and the stream's response are NVIDIA Triton's), gRPC's health checking protocol
(https://github.com/grpc/grpc/blob/master/doc/health-checking.md), and TensorFlow Serving's prediction API
(https://github.com/tensorflow/serving/tree/master/tensorflow_serving/apis and, for tensors,
https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/framework).

They live in a descriptor pool of their own, so that a client library which registers the same names in this process
does not meet them. Names of messages do not travel; field numbers and types do. Fields that are not listed are
ignored, as protobuf prescribes.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

_Fields = Mapping[str, tuple[int, str]]

_PARAMETERS = "map InferParameter"

_OPEN_INFERENCE: Mapping[str, _Fields] = {
    "ServerLiveRequest": {},
    "ServerLiveResponse": {"live": (1, "bool")},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": (1, "bool")},
    "ModelReadyRequest": {"name": (1, "string"), "version": (2, "string")},
    "ModelReadyResponse": {"ready": (1, "bool")},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {
        "name": (1, "string"),
        "version": (2, "string"),
        "extensions": (3, "repeated string"),
    },
    "ModelMetadataRequest": {"name": (1, "string"), "version": (2, "string")},
    "TensorMetadata": {"name": (1, "string"), "datatype": (2, "string"), "shape": (3, "repeated int64")},
    "ModelMetadataResponse": {
        "name": (1, "string"),
        "versions": (2, "repeated string"),
        "platform": (3, "string"),
        "inputs": (4, "repeated TensorMetadata"),
        "outputs": (5, "repeated TensorMetadata"),
    },
    "InferParameter": {
        "bool_param": (1, "bool"),
        "int64_param": (2, "int64"),
        "string_param": (3, "string"),
        "double_param": (4, "double"),
        "uint64_param": (5, "uint64"),
    },
    "InferTensorContents": {
        "bool_contents": (1, "repeated bool"),
        "int_contents": (2, "repeated int32"),
        "int64_contents": (3, "repeated int64"),
        "uint_contents": (4, "repeated uint32"),
        "uint64_contents": (5, "repeated uint64"),
        "fp32_contents": (6, "repeated float"),
        "fp64_contents": (7, "repeated double"),
        "bytes_contents": (8, "repeated bytes"),
    },
    "InferTensor": {
        "name": (1, "string"),
        "datatype": (2, "string"),
        "shape": (3, "repeated int64"),
        "parameters": (4, _PARAMETERS),
        "contents": (5, "InferTensorContents"),
    },
    "InferRequestedOutput": {"name": (1, "string"), "parameters": (2, _PARAMETERS)},
    "ModelInferRequest": {
        "model_name": (1, "string"),
        "model_version": (2, "string"),
        "id": (3, "string"),
        "parameters": (4, _PARAMETERS),
        "inputs": (5, "repeated InferTensor"),
        "outputs": (6, "repeated InferRequestedOutput"),
        "raw_input_contents": (7, "repeated bytes"),
    },
    "ModelInferResponse": {
        "model_name": (1, "string"),
        "model_version": (2, "string"),
        "id": (3, "string"),
        "parameters": (4, _PARAMETERS),
        "outputs": (5, "repeated InferTensor"),
        "raw_output_contents": (6, "repeated bytes"),
    },
    "ModelStreamInferResponse": {"error_message": (1, "string"), "infer_response": (2, "ModelInferResponse")},
}

_HEALTH: Mapping[str, _Fields] = {
    "HealthCheckRequest": {"service": (1, "string")},
    "HealthCheckResponse": {"status": (1, "int32")},
}
"""An enumeration is an int32 on the wire: 1 is SERVING, 2 is NOT_SERVING."""

_TENSORFLOW: Mapping[str, _Fields] = {
    "Int64Value": {"value": (1, "int64")},
    "Any": {"type_url": (1, "string"), "value": (2, "bytes")},
    "TensorShapeDim": {"size": (1, "int64"), "name": (2, "string")},
    "TensorShape": {"dim": (2, "repeated TensorShapeDim"), "unknown_rank": (3, "bool")},
    "TensorProto": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShape"),
        "version_number": (3, "int32"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "repeated float"),
        "double_val": (6, "repeated double"),
        "int_val": (7, "repeated int32"),
        "string_val": (8, "repeated bytes"),
        "int64_val": (10, "repeated int64"),
        "bool_val": (11, "repeated bool"),
        "half_val": (13, "repeated int32"),
        "uint32_val": (16, "repeated uint32"),
        "uint64_val": (17, "repeated uint64"),
    },
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "Int64Value"),
        "signature_name": (3, "string"),
        "version_label": (4, "string"),
    },
    "PredictRequest": {
        "model_spec": (1, "ModelSpec"),
        "inputs": (2, "map TensorProto"),
        "output_filter": (3, "repeated string"),
    },
    "PredictResponse": {"outputs": (1, "map TensorProto"), "model_spec": (2, "ModelSpec")},
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "int32"), "tensor_shape": (3, "TensorShape")},
    "SignatureDef": {
        "inputs": (1, "map TensorInfo"),
        "outputs": (2, "map TensorInfo"),
        "method_name": (3, "string"),
    },
    "SignatureDefMap": {"signature_def": (1, "map SignatureDef")},
    "GetModelMetadataRequest": {"model_spec": (1, "ModelSpec"), "metadata_field": (2, "repeated string")},
    "GetModelMetadataResponse": {"model_spec": (1, "ModelSpec"), "metadata": (2, "map Any")},
}

_ONE_OF = {
    "InferParameter": ("parameter_choice", tuple(_OPEN_INFERENCE["InferParameter"])),
    "ModelSpec": ("version_choice", ("version", "version_label")),
}

_SCALARS = {
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
}


def message_classes(package: str, messages: Mapping[str, _Fields]) -> dict[str, Any]:
    """Message classes by name, from fields as (number, type): a scalar, a message, `repeated` or `map` of one.

    The keys of maps are strings.
    """
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        group, members = _ONE_OF.get(name, ("", ()))
        if group:
            message.oneof_decl.add(name=group)
        for field, (number, kind) in fields.items():
            _add_field(message, f".{package}", field, number, kind)
            if field in members:
                message.field[-1].oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


def _add_field(message: DescriptorProto, package: str, name: str, number: int, kind: str) -> None:
    prefix, _, target = kind.rpartition(" ")
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if prefix:
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if prefix == "map":
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, package, "key", 1, "string")
        _add_field(entry, package, "value", 2, target)
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f"{package}.{message.name}.{entry.name}"
    elif target in _SCALARS:
        field.type = _SCALARS[target]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f"{package}.{target}"


OPEN_INFERENCE = message_classes("inference", _OPEN_INFERENCE)
"""The messages of the Open Inference Protocol, by name."""

HEALTH = message_classes("grpc.health.v1", _HEALTH)
"""The messages of gRPC's health checks."""

TENSORFLOW = message_classes("tensorflow.serving", _TENSORFLOW)
"""The messages of TensorFlow Serving's prediction service."""
