"""Bundles of models over images and text: read from the graph, proved, and refused with what to do."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelyard.bundling import OnnxFile, tensor_model
from modelyard.core import InvalidInput
from modelyard.inference import GoldenMismatch, load_bundle, probe_bundle
from modelyard.operations.bundles import BuildBundle, build_from_files

from ..tensor_models import CLASSES, SHAPE, TEXTS, image_model, images, mixed_model, text_model

REVIEWS = ["good food", "bad food", "good good wine", "bad service, bad wine", "fine", "awful place"] * 10
LIKED = [1, 0, 1, 0, 1, 0] * 10


def build(model: Path, sample: Path, task: str | None = None, **more: Any) -> dict[str, Any]:
    """What the command does."""
    return build_from_files(BuildBundle(model, sample.parent / "bundle", sample, task=task, **more))


def npz(folder: Path, **arrays: Any) -> Path:
    """A sample file."""
    np.savez(folder / "rows.npz", **arrays)
    return folder / "rows.npz"


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.FLOAT, np.float32), (TensorProto.UINT8, np.uint8)])
def test_an_image_model_becomes_a_bundle(tmp_path: Path, kind: int, dtype: type) -> None:
    """Its input is a tensor, its answers are the file's, and it loads in a process of its own."""
    result = build(image_model(tmp_path / "m.onnx", kind=kind), npz(tmp_path, image=images(20, dtype)), "multiclass")
    (field,) = result["inputs"]
    assert (field["kind"], field["dtype"], tuple(field["shape"])) == ("tensor", np.dtype(dtype).name, SHAPE)
    (attempt,) = result["attempts"]
    assert (attempt["runtime"], attempt["faithful"], attempt["error"]) == ("onnx-tensors", True, 0.0)
    assert not result["contributions"]["available"]
    assert "tensors" in result["contributions"]["why_not"]
    bundle = load_bundle(tmp_path / "bundle")
    model = tensor_model(OnnxFile((tmp_path / "m.onnx").read_bytes()))
    assert model is not None
    batch = images(5, dtype)
    expected = model.raw_scores(bundle.encode([[each] for each in batch]), bundle.info.signature)
    answer = bundle.predict([{"image": each} for each in batch])
    assert answer.scores == pytest.approx(expected, rel=1e-6)
    assert answer.scores.shape == (5, CLASSES)
    assert answer.labels == tuple(str(each) for each in expected.argmax(axis=1))
    assert bundle.profile.columns == ()
    probe_bundle(tmp_path / "bundle", expect=bundle.digest)


def test_golden_rows_are_replayed(tmp_path: Path) -> None:
    """A model that answers otherwise than the original is not loaded."""
    build(image_model(tmp_path / "m.onnx"), npz(tmp_path, image=images(20)), "multiclass")
    bundle = load_bundle(tmp_path / "bundle")
    with pytest.raises(GoldenMismatch, match="answers its golden rows"):
        bundle.replay([[images(1)[0]]], np.array([[0.2, 0.3, 0.5]]))
    assert (tmp_path / "bundle" / "golden.npz").stat().st_size < 100_000
    assert not (tmp_path / "bundle" / "golden.json").exists()


def test_an_image_and_a_number_become_two_fields(tmp_path: Path) -> None:
    """The free sides of the image are those of the sample; the number keeps its profile."""
    sample = npz(tmp_path, image=images(20), age=np.arange(20, dtype=np.float32))
    result = build(mixed_model(tmp_path / "m.onnx"), sample, "regression")
    assert [(each["name"], each["kind"], tuple(each["shape"])) for each in result["inputs"]] == [
        ("image", "tensor", SHAPE),
        ("age", "number", ()),
    ]
    bundle = load_bundle(tmp_path / "bundle")
    assert [each.name for each in bundle.profile.columns] == ["age"]
    image = images(1)[0]
    red, green, blue = image.mean(axis=(1, 2)).tolist()
    expected = red - 2 * green + blue / 2 + 40 / 4
    assert bundle.predict([[image, 40]]).scores[0, 0] == pytest.approx(expected, abs=1e-5)


def test_a_text_model_becomes_a_bundle(tmp_path: Path) -> None:
    """Strings go in as they are: none is an unseen level."""
    np.save(tmp_path / "rows.npy", np.array(TEXTS))
    result = build(text_model(tmp_path / "m.onnx"), tmp_path / "rows.npy", "binary")
    assert [(each["name"], each["kind"]) for each in result["inputs"]] == [("review", "text")]
    answer = load_bundle(tmp_path / "bundle").predict([["a ! !"], ["never seen"]])
    assert answer.scores[:, 0].tolist() == pytest.approx([1 / (1 + np.exp(-5.0)), 0.5], rel=1e-6)
    assert answer.unknown == {}


def test_a_pipeline_over_text_becomes_a_bundle(tmp_path: Path) -> None:
    """From its pickle, a table of one column and the labels: what scikit-learn answers, with metrics."""
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(REVIEWS, LIKED)
    joblib.dump(model, tmp_path / "m.joblib")
    pq.write_table(pa.table({"review": REVIEWS, "liked": LIKED}), tmp_path / "rows.parquet")
    result = build(tmp_path / "m.joblib", tmp_path / "rows.parquet", label="liked", tolerance=1e-5)
    assert result["metrics"]["auc"] > 0.9
    texts = ["good wine", "Bad, BAD place!", "", "unknown words only"]
    answer = load_bundle(tmp_path / "bundle").predict([[each] for each in texts])
    assert answer.scores[:, 0] == pytest.approx(model.predict_proba(texts)[:, 1], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "arrays", "task", "told"),
    [
        ({}, {"picture": images(4)}, "multiclass", "lacks the model's input 'image'"),
        ({}, {"image": images(4).astype(np.float64)}, "multiclass", "elements of float64"),
        ({}, {"image": images(4)[:, :, :7]}, "multiclass", r"shape \[3, 7, 8\]"),
        ({}, {"image": images(4)[:0]}, "multiclass", "0 of image"),
        ({"logits": True}, {"image": images(4)}, "multiclass", "Softmax"),
        ({}, {"image": images(4)}, "regression", "3 numbers a row"),
        ({}, {"image": images(4)}, None, "does not show its task"),
        ({"batch": 1}, {"image": images(4)}, "multiclass", "takes exactly 1 row"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, options: dict[str, Any], arrays: dict[str, Any], task: str | None, told: str
) -> None:
    """With what the model takes, and nothing left behind."""
    with pytest.raises(InvalidInput, match=told):
        build(image_model(tmp_path / "m.onnx", **options), npz(tmp_path, **arrays), task)
    assert not (tmp_path / "bundle").exists()


def test_pickles_in_a_sample_are_not_read(tmp_path: Path) -> None:
    """An array of objects would run its author's code."""
    np.save(tmp_path / "rows.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInput, match="Cannot read"):
        build(image_model(tmp_path / "m.onnx"), tmp_path / "rows.npy", "multiclass")
