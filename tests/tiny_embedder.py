"""A small embedder as sentence-transformers keeps one: the real layers, weights of chance, and letters for words.

It is told apart from nothing by what it means, and answers in a fraction of a millisecond: what is about meaning is
proved with the real weights, in the long tests.
"""

import json
import struct
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from modelyard.bundling import Facts, build_bundle, build_embedder_bundle, read_sentence_model
from modelyard.inference import Field, ReferenceProfile, Signature, load_embedder

LOUD, QUIET = ["STOP!!! NOW!!!", "!!!!", "stop! stop!"], ["a calm day", "the dog sleeps", "we read books"]

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 4, 64, 64
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"-_()/äöü漢字"


def write_sentence_model(folder: Path, seed: int = 0) -> Path:
    """The files of a model of sentences."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [*special, *_LETTERS, *(f"##{each}" for each in _LETTERS)]
    (folder / "1_Pooling").mkdir(parents=True)
    _json(folder / "modules.json", [{"type": f"models.{kind}"} for kind in ("Transformer", "Pooling", "Normalize")])
    _json(folder / "1_Pooling" / "config.json", {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})
    _json(folder / "sentence_bert_config.json", {"max_seq_length": 48})
    _json(
        folder / "config.json",
        {
            "model_type": "bert", "hidden_act": "gelu", "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
            "hidden_size": HIDDEN, "layer_norm_eps": 1e-12, "max_position_embeddings": POSITIONS,
        },
    )  # fmt: skip
    vocabulary = {word: at for at, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=2000))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    _safetensors(folder / "model.safetensors", _weights(len(words), np.random.default_rng(seed)))
    return folder


def build_tiny(folder: Path, seed: int = 0, *, quantize: bool = False, tolerance: float = 1e-6) -> Path:
    """Its bundle, at `folder / "bundle"`."""
    model = read_sentence_model(write_sentence_model(folder / "model", seed))
    facts = Facts("tiny", "1", tolerance=tolerance)
    return build_embedder_bundle(model, ["some text"], facts=facts, into=folder / "bundle", quantize=quantize).path


def build_loud(embedder: Path, into: Path) -> Path:
    """The bundle of a classifier of an embedder's vectors, which was trained to tell loud texts from quiet ones."""
    from sklearn.linear_model import LogisticRegression

    rows = load_embedder(embedder).embed([*LOUD, *QUIET]).astype(np.float64)
    build_bundle(
        LogisticRegression(C=1e4).fit(rows, [1] * len(LOUD) + [0] * len(QUIET)),
        rows.tolist(),
        signature=Signature(tuple(Field(f"v{at}", "number", nullable=False) for at in range(rows.shape[1]))),
        task="binary",
        plan={},
        profile=ReferenceProfile(rows=len(rows), columns=()),
        facts=Facts("loud", "1", classes=("no", "yes")),
        into=into,
    )
    return into


def _weights(words: int, random: np.random.Generator) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (words, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    layer = {f"attention.self.{part}": (HIDDEN, HIDDEN) for part in ("query", "key", "value")}
    layer |= {"attention.output.dense": (HIDDEN, HIDDEN), "intermediate.dense": (INNER, HIDDEN)}
    layer |= {"output.dense": (HIDDEN, INNER)}
    norms = ["embeddings.LayerNorm"]
    for at in range(LAYERS):
        for name, shape in layer.items():
            shapes[f"encoder.layer.{at}.{name}.weight"] = shape
            shapes[f"encoder.layer.{at}.{name}.bias"] = shape[:1]
        norms += [f"encoder.layer.{at}.{name}.LayerNorm" for name in ("attention.output", "output")]
    made = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in norms:
        made[f"{name}.weight"] = random.normal(1, 0.1, HIDDEN).astype(np.float32)
        made[f"{name}.bias"] = random.normal(0, 0.1, HIDDEN).astype(np.float32)
    return made


def _safetensors(path: Path, arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> None:
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    written = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(written)) + written + b"".join(each.tobytes() for each in arrays.values()))


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
