"""A model over images behind a real server: our own paths, the policies of a deployment, and what may not go wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest
from modelyard.history import feature_columns
from modelyard.inference import load_bundle
from modelyard.operations.bundles import BuildBundle, build_from_files
from modelyard.routing import Arm, ServingPolicy

from ..tensor_models import image_model, images
from .harness import Server, live


@pytest.fixture(scope="module")
def image_bundle(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """Images of 3x8x8 to three classes."""
    folder = tmp_path_factory.mktemp("image")
    np.save(folder / "rows.npy", images(12))
    given = BuildBundle(image_model(folder / "m.onnx"), folder / "bundle", folder / "rows.npy", task="multiclass")
    return BuiltBundle(folder / "bundle", Digest(build_from_files(given)["digest"]), ())


@pytest.fixture
def server(tmp_path: Path, image_bundle: BuiltBundle) -> Iterator[Server]:
    """A server that hosts it."""
    server = Server(tmp_path)
    server.feed.put_bundle(image_bundle.path, image_bundle.digest)
    yield server
    server.stop()


def test_named_rows_take_nested_lists(server: Server, image_bundle: BuiltBundle) -> None:
    """The model's own answers; two images never share one, though a cache of answers is declared."""
    server.publish(live(image_bundle), policy=ServingPolicy(cache_answers=100))
    server.start()
    batch = images(2)
    expected = load_bundle(image_bundle.path).predict([[each] for each in batch]).scores
    for image, scores in zip(batch, expected, strict=True):
        status, answer = server.post("/predict", {"inputs": [{"image": image.tolist()}]})
        assert status == 200
        assert answer["probability"] == pytest.approx(scores.tolist(), rel=1e-6)


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"image": 3.5}, "image"),
        ({"image": None}, "image"),
        ({"image": "picture"}, "image"),
        ({"image": [[1.0]]}, "image"),
        ({"image": [[[[[[1.0]]]]]]}, "image"),
        ({"image": [["a", None], {}]}, "image"),
        ({}, "image"),
        ({"picture": [1.0]}, "picture"),
    ],
)
def test_what_is_no_image_is_the_callers_fault(server: Server, image_bundle: BuiltBundle, row: Any, path: str) -> None:
    """400 with the field; the next request is answered."""
    server.publish(live(image_bundle))
    server.start()
    status, answer = server.post("/predict", {"inputs": [row]})
    assert (status, path in answer["error"]["path"]) == (400, True), answer
    assert server.post("/predict", {"inputs": [{"image": images(1)[0].tolist()}]})[0] == 200


def test_a_list_where_a_number_belongs_is_refused(tmp_path: Path, built: BuiltBundle) -> None:
    """Models of columns take no nested lists."""
    server = Server(tmp_path)
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    status, answer = server.predict(amount=[1.0], country="de", customer="anna")
    assert (status, answer["error"]["path"]) == (400, "amount")
    assert server.stop() == 0


def test_a_large_image_needs_the_limit_raised(server: Server, image_bundle: BuiltBundle) -> None:
    """The refusal names the setting, and the setting lets it in."""
    body = {"inputs": [{"image": images(1)[0].tolist()}]}
    server.publish(live(image_bundle), policy=ServingPolicy(body_limit=1000))
    server.start()
    status, answer = server.post("/predict", body)
    assert (status, "deployments.NAME.serving.body_limit" in answer["error"]["remedy"]) == (413, True)
    server.publish(live(image_bundle), policy=ServingPolicy(body_limit=100_000))
    server.until_generation()
    assert server.post("/predict", body)[0] == 200


def test_explanations_are_refused_and_pages_are_made(server: Server, image_bundle: BuiltBundle) -> None:
    """What cannot be said of tensors is said to be so."""
    server.publish(live(image_bundle))
    server.start()
    status, answer = server.post("/predict?explain=true", {"inputs": [{"image": images(1)[0].tolist()}]})
    assert (status, "gives no explanations" in answer["error"]["message"]) == (400, True)
    assert "as nested lists" in server.get("/openapi.json")[1]
    assert server.get("/docs")[0] == 200


def test_a_shadow_sees_the_same_image_and_the_log_its_digest(server: Server, image_bundle: BuiltBundle) -> None:
    """Both records show that it was the same one, and redaction hides it."""
    shadow = Arm("shadow", "shadow", "2", image_bundle.digest, 1.0)
    server.publish(live(image_bundle), shadow)
    server.start()
    assert server.post("/predict", {"inputs": [{"image": images(1)[0].tolist()}]})[0] == 200
    server.publish(live(image_bundle), policy=ServingPolicy(redact=("image",)))
    server.until_generation()
    assert server.post("/predict", {"inputs": [{"image": images(1)[0].tolist()}]})[0] == 200
    server.stop()
    table = server.log.predictions("fraud")
    assert sorted(table.column("role").to_pylist()) == ["live", "live", "shadow"]
    first = table.filter(table.column("generation").to_numpy() == 1)
    seen = feature_columns(first, ["image"])["image"]
    assert len(seen) == 2
    assert len(set(seen)) == 1
    assert str(seen[0]).endswith("…[3,8,8] float32")
    assert feature_columns(table.filter(table.column("generation").to_numpy() == 2), ["image"]) == {}
