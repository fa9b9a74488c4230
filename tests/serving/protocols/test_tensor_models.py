"""Models over images and text behind the protocols: Triton's own clients, TensorFlow Serving, and refusals."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest, ManualClock, digest_of
from modelyard.history import feature_columns
from modelyard.inference import Bundle, load_bundle
from modelyard.operations.bundles import BuildBundle, build_from_files
from modelyard.routing import ServingPolicy
from modelyard.serving.openapi import document
from modelyard.serving.openapi.samples import Sample
from modelyard.serving.protocols.messages import TENSORFLOW

from ...conftest import NOON
from ...tensor_models import CLASSES, SHAPE, TEXTS, image_model, images, mixed_model, text_model
from .service import Service, live, route

triton_http: Any = pytest.importorskip("tritonclient.http")
triton_grpc: Any = pytest.importorskip("tritonclient.grpc")
InferenceServerException: Any = pytest.importorskip("tritonclient.utils").InferenceServerException


BIG = {"mixed": ServingPolicy(body_limit=8 << 20)}


@dataclass(frozen=True)
class Models:
    """The bundles behind the deployments of the same names."""

    folder: Path

    def built(self, name: str) -> BuiltBundle:
        """The bundle as a feed takes it."""
        return BuiltBundle(self.folder / name, load_bundle(self.folder / name).digest, ())

    def __call__(self, name: str) -> Bundle:
        return load_bundle(self.folder / name)


def build(model: Path, sample: Path, into: Path, task: str) -> Digest:
    """The bundle of a model file."""
    return Digest(build_from_files(BuildBundle(model, into, sample, task=task))["digest"])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """`image`, `mixed` (an image and a number) and `text`."""
    folder = tmp_path_factory.mktemp("tensors")
    np.save(folder / "image.npy", images(12))
    np.savez(folder / "mixed.npz", image=images(12), age=np.arange(12, dtype=np.float32))
    np.save(folder / "text.npy", np.array(TEXTS))
    build(image_model(folder / "image.onnx"), folder / "image.npy", folder / "image", "multiclass")
    build(mixed_model(folder / "mixed.onnx"), folder / "mixed.npz", folder / "mixed", "regression")
    build(text_model(folder / "text.onnx"), folder / "text.npy", folder / "text", "binary")
    return Models(folder)


@pytest.fixture(scope="module")
def service(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The three models, live; `mixed` takes bigger bodies."""
    bundles = {name: models.built(name) for name in ("image", "mixed", "text")}
    routes = tuple(route(name, live(each)) for name, each in bundles.items())
    service = Service(tmp_path_factory.mktemp("service"), routes, tuple(bundles.values()), ManualClock(NOON), BIG)
    service.start()
    yield service
    service.close()


def given(client: Any, name: str, array: NDArray[Any], datatype: str, **more: Any) -> Any:
    """An input of one of Triton's clients."""
    made = client.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **more)
    return made


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_tritons_http_client_sends_images(service: Service, models: Models, binary: bool) -> None:
    """The model's own answers, from bytes and from JSON; what it takes is in the metadata."""
    batch = images(4)
    with triton_http.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        (taken,) = client.get_model_metadata("image")["inputs"]
        assert taken == {"name": "image", "datatype": "FP32", "shape": [-1, *SHAPE]}
        result = client.infer("image", [given(triton_http, "image", batch, "FP32", binary_data=binary)])
    expected = models("image").predict([[each] for each in batch])
    assert result.as_numpy("scores") == pytest.approx(expected.scores, rel=1e-6)
    assert result.as_numpy("scores").shape == (4, CLASSES)


def test_tritons_grpc_client_sends_images(service: Service, models: Models) -> None:
    """As raw contents."""
    batch = images(4)
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{service.grpc_port}") as client:
        facts = client.get_model_metadata("image", as_json=True)
        assert facts["inputs"][0]["datatype"] == "FP32"
        result = client.infer("image", [given(triton_grpc, "image", batch, "FP32")])
    assert result.as_numpy("scores") == pytest.approx(
        models("image").predict([[each] for each in batch]).scores, rel=1e-6
    )


def test_tritons_clients_send_text(service: Service, models: Models) -> None:
    """Strings as BYTES, over both transports."""
    texts = np.array(TEXTS, dtype=np.object_)
    expected = models("text").predict([[each] for each in TEXTS]).scores[:, 0]
    with triton_http.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        http = client.infer("text", [given(triton_http, "review", texts, "BYTES")])
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{service.grpc_port}") as other:
        rpc = other.infer("text", [given(triton_grpc, "review", texts, "BYTES")])
    for result in (http, rpc):
        assert result.as_numpy("probability").tolist() == pytest.approx(expected, rel=1e-6)


def test_an_image_and_a_number_go_side_by_side(service: Service, models: Models) -> None:
    """Several inputs: the number may come in any width, as for every other model."""
    batch, ages = images(3), np.array([1.0, 2.5, 40.0])
    inputs = [given(triton_http, "image", batch, "FP32"), given(triton_http, "age", ages, "FP64")]
    with triton_http.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        result = client.infer("mixed", inputs)
    expected = models("mixed").predict(list(zip(batch, ages.tolist(), strict=True)))
    assert result.as_numpy("prediction").tolist() == pytest.approx(expected.scores[:, 0], rel=1e-6)


def test_tensorflow_serving_takes_nested_lists_and_tensor_protos(service: Service, models: Models) -> None:
    """By row and by column over REST, and as raw content over gRPC."""
    batch = images(2)
    expected = models("image").predict([[each] for each in batch]).scores
    for body in ({"instances": batch.tolist()}, {"instances": [{"image": each} for each in batch.tolist()]}):
        status, answer, _ = service.ask("POST", "/v1/models/image:predict", body)
        assert status == 200
        assert np.array([each["scores"] for each in answer["predictions"]]) == pytest.approx(expected, rel=1e-6)
    by_column = service.ask("POST", "/v1/models/image:predict", {"inputs": {"image": batch.tolist()}})[1]
    assert np.array(by_column["outputs"]["scores"]) == pytest.approx(expected, rel=1e-6)
    assert "DT_FLOAT" in json.dumps(service.ask("GET", "/v1/models/image/metadata")[1])
    request = TENSORFLOW["PredictRequest"]()
    request.model_spec.name = "image"
    proto = request.inputs["image"]
    proto.dtype, proto.tensor_content = 1, batch.tobytes()
    for side in batch.shape:
        proto.tensor_shape.dim.add(size=side)
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        ask: Any = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda each: each.SerializeToString(),
            response_deserializer=TENSORFLOW["PredictResponse"].FromString,
        )
        assert list(ask(request, timeout=10).outputs["scores"].double_val) == pytest.approx(expected.ravel(), rel=1e-6)


def v2(array: list[Any], shape: list[int], datatype: str = "FP32", name: str = "image") -> dict[str, Any]:
    """The body of an inference request."""
    return {"inputs": [{"name": name, "datatype": datatype, "shape": shape, "data": array}]}


FLAT = images(1).ravel().tolist()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (v2(FLAT, [1, 3, 8, 7]), "inputs[0].shape"),
        (v2(FLAT, [1, 192]), "inputs[0].shape"),
        (v2(FLAT, []), "inputs[0].shape"),
        (v2(FLAT, [-1, *SHAPE]), "inputs[0].shape"),
        (v2(FLAT, [1, *SHAPE], "FP64"), "inputs[0].datatype"),
        (v2(FLAT, [1, *SHAPE], "BYTES"), "inputs[0].datatype"),
        (v2(FLAT, [1, *SHAPE], "NONE"), "inputs[0].datatype"),
        (v2(FLAT[:-1], [1, *SHAPE]), "inputs[0].data"),
        (v2([*FLAT[:-1], None], [1, *SHAPE]), "inputs[0].data"),
        (v2([*FLAT[:-1], True], [1, *SHAPE]), "inputs[0].data"),
        (v2([*FLAT[:-1], "1"], [1, *SHAPE]), "inputs[0].data"),
        (v2([*FLAT[:-1], 1e300], [1, *SHAPE]), "inputs[0].data"),
        (v2([*FLAT[:-1], [1.0]], [1, *SHAPE]), "inputs[0].data"),
        (v2([], [0, *SHAPE]), "inputs"),
        (v2(FLAT, [1 << 40, *SHAPE]), "inputs[0].shape"),
        (v2(FLAT, [1, *SHAPE], name="picture"), "inputs[0].shape"),
        (v2([["a"]], [1], "BYTES", "image"), "inputs[0].datatype"),
    ],
)
def test_what_is_no_image_is_refused_where_it_stands(service: Service, body: Any, path: str) -> None:
    """400 with the path; never a fault of the server's."""
    status, answer, _ = service.ask("POST", "/v2/models/image/infer", body)
    assert status == 400, answer
    assert path in answer["error"]


@pytest.mark.parametrize("raw", [b"", b"123", images(2).tobytes(), np.full(SHAPE, np.nan, np.float32).tobytes()])
def test_binary_data_that_is_no_image_is_refused(service: Service, raw: bytes) -> None:
    """Too little, too much, and what is no number."""
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, *SHAPE], "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [tensor]}).encode()
    headers = {"inference-header-content-length": str(len(header))}
    status, answer, _ = service.ask("POST", "/v2/models/image/infer", header + raw, headers)
    assert status == 400
    assert "inputs[0]" in answer["error"]


def test_text_that_is_no_utf8_is_refused(service: Service) -> None:
    """With the element's place, over REST and gRPC."""
    raw = b"\x02\x00\x00\x00\xff\xfe"
    tensor = {"name": "review", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [tensor]}).encode()
    headers = {"inference-header-content-length": str(len(header))}
    status, answer, _ = service.ask("POST", "/v2/models/text/infer", header + raw, headers)
    assert (status, "inputs[0]" in answer["error"], "UTF-8" in answer["error"]) == (400, True, True)
    with (
        triton_grpc.InferenceServerClient(f"127.0.0.1:{service.grpc_port}") as client,
        pytest.raises(InferenceServerException, match="UTF-8"),
    ):
        client.infer("text", [given(triton_grpc, "review", np.array([b"\xff"], np.object_), "BYTES")])


@pytest.mark.parametrize("text", ["", " ", "\x00", "🙂" * 5000, "a" * 100_000])
def test_any_text_is_answered(service: Service, text: str) -> None:
    """Also the empty one, alone and beside others."""
    for texts in ([text], [text, "a e"]):
        body = v2(texts, [len(texts)], "BYTES", "review")
        status, answer, _ = service.ask("POST", "/v2/models/text/infer", body)
        assert status == 200, answer


def test_an_image_too_large_names_the_setting(service: Service) -> None:
    """The limit is the deployment's."""
    batch = np.zeros((2000, *SHAPE), np.float32)
    with (
        triton_grpc.InferenceServerClient(f"127.0.0.1:{service.grpc_port}") as client,
        pytest.raises(InferenceServerException, match=r"deployments\.NAME\.serving\.body_limit"),
    ):
        client.infer("image", [given(triton_grpc, "image", batch, "FP32")])


def test_the_description_covers_tensors(service: Service) -> None:
    """The OpenAPI document of a server with such models is made, with what each takes and no example of an image."""
    deployments = service.plane.deployments.current.values()
    made = document([Sample(each) for each in deployments], hosted=3, rows_limit=10, keys=False)
    text = json.dumps(made)
    assert "float32 of shape [3, 8, 8], as nested lists" in text
    assert "review-1" in text


def test_records_hold_digests(models: Models, tmp_path: Path) -> None:
    """An image leaves its digest, shape and type; a short text itself, a long one its digest."""
    bundles = {name: models.built(name) for name in ("mixed", "text")}
    routes = tuple(route(name, live(each)) for name, each in bundles.items())
    service = Service(tmp_path, routes, tuple(bundles.values()), ManualClock(NOON))
    service.start()
    image = {"name": "image", "datatype": "FP32", "shape": [1, *SHAPE], "data": FLAT}
    age = {"name": "age", "datatype": "FP64", "shape": [1], "data": [7.0]}
    assert service.ask("POST", "/v2/models/mixed/infer", {"inputs": [image, age]})[0] == 200
    assert service.ask("POST", "/v2/models/text/infer", v2(["a e", "x" * 5000], [2], "BYTES", "review"))[0] == 200
    log = service.close()
    mixed = feature_columns(log.predictions("mixed"), ["image", "age"])
    digest = digest_of(images(1)[0].tobytes())[:16]
    assert mixed == {"image": [f"sha256:{digest}…[3,8,8] float32"], "age": [7.0]}
    (short, long) = feature_columns(log.predictions("text"), ["review"])["review"]
    assert short == "a e"
    assert long == f"sha256:{digest_of(b'x' * 5000)[:16]}… 5000 characters"
