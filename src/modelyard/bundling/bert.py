"""BERT with mean pooling, as sentence-transformers keeps it: its graph, and the same in numpy to prove the graph with.

Devlin et al., NAACL 2019; Reimers and Gurevych, EMNLP 2019 (mean over the tokens' vectors, scaled to length 1).
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import InvalidInput
from modelyard.inference import IDS, MASK, VECTORS

Weights = Mapping[str, NDArray[np.float32]]

WEIGHTS_FILE = "model.safetensors"
_OPSET, _FUSED = 17, "com.microsoft"
_PADDING = -3.4e38


@dataclass(frozen=True)
class Bert:
    """An encoder's weights by their names in the file, and what its configuration says."""

    weights: Weights
    layers: int
    heads: int
    hidden: int
    epsilon: float
    positions: int


def read_bert(folder: Path) -> Bert:
    """The encoder in a folder; InvalidInput for other kinds of models, and for weights that are not of float32."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    activation, positions = config.get("hidden_act"), config.get("position_embedding_type", "absolute")
    if (config.get("model_type"), activation, positions) != ("bert", "gelu", "absolute"):
        raise unreadable(folder, f"it is '{config.get('model_type')}' with {activation} and {positions} positions")
    weights = read_safetensors(folder / WEIGHTS_FILE)
    bert = Bert(
        weights,
        int(config["num_hidden_layers"]),
        int(config["num_attention_heads"]),
        int(config["hidden_size"]),
        float(config["layer_norm_eps"]),
        int(config["max_position_embeddings"]),
    )
    if missing := [name for name in _names(bert) if name not in weights]:
        raise unreadable(folder, f"its weights lack {', '.join(missing[:5])}")
    return bert


def read_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of float32 in a file of safetensors; a length, a header in JSON, then the bytes, and no code."""
    data = path.read_bytes()
    try:
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + size])
        header.pop("__metadata__", None)
        body = memoryview(data)[8 + size :]
        return {
            name: np.frombuffer(body[slice(*each["data_offsets"])], dtype="<f4").reshape(each["shape"])
            for name, each in header.items()
            if each["dtype"] == "F32"
        }
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise unreadable(path, f"{type(error).__name__}: {error}") from error


def unreadable(where: Path, what: str) -> InvalidInput:
    """Why a folder is no model of sentences that can be built."""
    return InvalidInput(
        f"{where} is no embedder that can be built: {what}.",
        code="UNREADABLE_MODEL",
        remedy="What is taken: a folder of sentence-transformers with BERT (gelu, absolute positions), mean pooling "
        "and normalisation, its weights as float32 in model.safetensors.",
    )


def reference(bert: Bert, texts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """The unit vectors (n, hidden) of texts' tokens, computed in float64 by the definitions: the original's answers."""
    at = _Float64(bert.weights)
    return np.stack([_reference(bert, at, np.asarray(ids, dtype=np.int64)) for ids in texts])


def _reference(bert: Bert, at: "_Float64", tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    from scipy.special import erf  # noqa: PLC0415 - only building needs it

    states = at.words(tokens)
    states = states + at["embeddings.position_embeddings.weight"][: len(tokens)]
    states = _normed(states + at["embeddings.token_type_embeddings.weight"][0], at, "embeddings.LayerNorm", bert)
    for layer in range(bert.layers):
        name = f"encoder.layer.{layer}."
        parts = (_linear(states, at, f"{name}attention.self.{part}") for part in ("query", "key", "value"))
        query, key, value = (_split(each, bert.heads) for each in parts)
        weights = query @ key.transpose(0, 2, 1) / np.sqrt(bert.hidden / bert.heads)
        weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
        mixed = weights / weights.sum(axis=-1, keepdims=True) @ value
        joined = mixed.transpose(1, 0, 2).reshape(len(tokens), bert.hidden)
        attended = _linear(joined, at, f"{name}attention.output.dense")
        states = _normed(states + attended, at, f"{name}attention.output.LayerNorm", bert)
        inner = _linear(states, at, f"{name}intermediate.dense")
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        states = _normed(states + _linear(inner, at, f"{name}output.dense"), at, f"{name}output.LayerNorm", bert)
    pooled = states.mean(axis=0)
    vector: NDArray[np.float64] = pooled / np.linalg.norm(pooled)
    return vector


def graph(bert: Bert) -> Any:
    """The encoder, pooling and scaling as an ONNX model, with the operators that ONNX Runtime has fused for BERT."""
    from onnx import helper  # noqa: PLC0415 - only building needs it

    made = _Nodes(bert.weights)
    made.node("Cast", [MASK], ["mask_float"], to=1)
    made.fused(
        "EmbedLayerNormalization",
        [
            IDS, "", *made.kept("embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"),
            made.constant("token_type", bert.weights["embeddings.token_type_embeddings.weight"][:1]),
            *made.kept("embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"),
        ],
        ["typeless", "unused_mask"],
        epsilon=bert.epsilon,
    )  # fmt: skip
    states = "typeless"
    for layer in range(bert.layers):
        states = _layer(made, bert, layer, states)
    made.node("Unsqueeze", ["mask_float", made.constant("last", np.array([2]))], ["mask_wide"])
    made.node("Mul", [states, "mask_wide"], ["counted"])
    made.node("ReduceSum", ["counted", made.constant("along", np.array([1]))], ["summed"], keepdims=0)
    made.node("LpNormalization", ["summed"], [VECTORS], axis=-1, p=2)  # the mean's direction is the sum's
    whole = helper.make_graph(
        made.nodes,
        "embedder",
        [helper.make_tensor_value_info(name, 6, ["texts", "tokens"]) for name in (IDS, MASK)],
        [helper.make_tensor_value_info(VECTORS, 1, ["texts", bert.hidden])],
        made.constants,
    )
    sets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)]
    return helper.make_model(whole, opset_imports=sets, ir_version=9)


def _layer(made: "_Nodes", bert: Bert, layer: int, states: str) -> str:
    """The nodes of one layer; the name of what they give."""
    name, own = f"encoder.layer.{layer}.", f"l{layer}_"
    parts = [f"{name}attention.self.{part}." for part in ("query", "key", "value")]
    weight = np.concatenate([bert.weights[f"{part}weight"].T for part in parts], axis=1)
    bias = np.concatenate([bert.weights[f"{part}bias"] for part in parts])
    given = [states, made.constant(f"{own}qkv", weight), made.constant(f"{own}qkv_bias", bias), MASK]
    made.fused("Attention", given, [f"{own}mixed"], num_heads=bert.heads, mask_filter_value=_PADDING)
    attended = made.linear(f"{own}mixed", f"{name}attention.output.dense", f"{own}attended")
    states = _skip(made, bert, attended, states, f"{name}attention.output", f"{own}first")
    inner = made.linear(states, f"{name}intermediate.dense", f"{own}inner")
    made.fused("BiasGelu", [inner, *made.kept(f"{name}intermediate.dense.bias")], [f"{own}gelu"])
    outer = made.linear(f"{own}gelu", f"{name}output.dense", f"{own}outer")
    return _skip(made, bert, outer, states, f"{name}output", f"{own}second")


def _skip(made: "_Nodes", bert: Bert, given: str, states: str, name: str, into: str) -> str:
    """What a block gives with its bias, added to what it was given, and normed."""
    kept = made.kept(f"{name}.LayerNorm.weight", f"{name}.LayerNorm.bias", f"{name}.dense.bias")
    made.fused("SkipLayerNormalization", [given, states, *kept], [into], epsilon=bert.epsilon)
    return into


class _Nodes:
    """Nodes and constants of a graph in the making."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._known: set[str] = set()
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, given: list[str], into: list[str], domain: str = "", **options: Any) -> None:
        from onnx import helper  # noqa: PLC0415 - see above

        self.nodes.append(helper.make_node(kind, given, into, name=into[0], domain=domain, **options))

    def fused(self, kind: str, given: list[str], into: list[str], **options: Any) -> None:
        self.node(kind, given, into, _FUSED, **options)

    def linear(self, given: str, name: str, into: str) -> str:
        """A multiplication with a layer's weights, which are kept the other way round; the bias is added later."""
        self.node("MatMul", [given, self.constant(f"{name}.weight", self._weights[f"{name}.weight"].T)], [into])
        return into

    def kept(self, *names: str) -> list[str]:
        """Weights as they are."""
        return [self.constant(name, self._weights[name]) for name in names]

    def constant(self, name: str, array: NDArray[Any]) -> str:
        from onnx import numpy_helper  # noqa: PLC0415 - see above

        if name not in self._known:
            self._known.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


class _Float64:
    """Weights as float64, made when they are asked for and kept; of the table of words only the rows asked for."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._made: dict[str, NDArray[np.float64]] = {}

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self._made:
            self._made[name] = self._weights[name].astype(np.float64)
        return self._made[name]

    def words(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._weights["embeddings.word_embeddings.weight"][tokens].astype(np.float64)


def _names(bert: Bert) -> list[str]:
    """Every weight that is needed."""
    blocks = [f"attention.self.{part}" for part in ("query", "key", "value")]
    blocks += ["attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense"]
    blocks += ["output.LayerNorm"]
    names = [f"embeddings.{each}_embeddings.weight" for each in ("word", "position", "token_type")]
    names += [f"embeddings.LayerNorm.{kind}" for kind in ("weight", "bias")]
    of_layers = (f"encoder.layer.{at}.{block}" for at in range(bert.layers) for block in blocks)
    return names + [f"{block}.{kind}" for block in of_layers for kind in ("weight", "bias")]


def _linear(states: NDArray[np.float64], at: _Float64, name: str) -> NDArray[np.float64]:
    return states @ at[f"{name}.weight"].T + at[f"{name}.bias"]


def _normed(states: NDArray[np.float64], at: _Float64, name: str, bert: Bert) -> NDArray[np.float64]:
    centred = states - states.mean(axis=-1, keepdims=True)
    scaled: NDArray[np.float64] = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + bert.epsilon)
    return scaled * at[f"{name}.weight"] + at[f"{name}.bias"]


def _split(states: NDArray[np.float64], heads: int) -> NDArray[np.float64]:
    """(tokens, hidden) as (heads, tokens, hidden / heads)."""
    return states.reshape(len(states), heads, -1).transpose(1, 0, 2)
