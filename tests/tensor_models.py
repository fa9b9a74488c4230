"""Small ONNX models over tensors and text, built node by node."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CLASSES = 3
SHAPE = (3, 8, 8)


def save(
    into: Path, nodes: Sequence[Any], inputs: Sequence[Any], constants: dict[str, NDArray[Any]], outputs: int
) -> Path:
    """A model file with one output, `answer`."""
    graph = helper.make_graph(
        list(nodes),
        "model",
        list(inputs),
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, outputs])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    into.write_bytes(model.SerializeToString())
    return into


def image_model(into: Path, *, kind: int = TensorProto.FLOAT, batch: int | None = None, logits: bool = False) -> Path:
    """Convolution, ReLU, global average pool, softmax: an image of 3x8x8 to three classes."""
    random = np.random.default_rng(0)
    constants = {
        "kernel": random.normal(0, 0.5, (4, 3, 3, 3)).astype(np.float32),
        "weights": random.normal(0, 2, (4, CLASSES)).astype(np.float32),
        "shift": random.normal(0, 1, CLASSES).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["floats", "kernel"], ["convolved"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["convolved"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "shift"], ["logits"]),
        helper.make_node("Identity" if logits else "Softmax", ["logits"], ["answer"]),
    ]
    image = helper.make_tensor_value_info("image", kind, [batch, *SHAPE])
    return save(into, nodes, [image], constants, CLASSES)


def mixed_model(into: Path) -> Path:
    """An image and a number, `age`, to a value."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Concat", ["flat", "age"], ["all"], axis=1),
        helper.make_node("Gemm", ["all", "weights"], ["answer"]),
    ]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 3, None, None]),
        helper.make_tensor_value_info("age", TensorProto.FLOAT, [None, 1]),
    ]
    weights = np.array([[1.0], [-2.0], [0.5], [0.25]], dtype=np.float32)
    return save(into, nodes, inputs, {"weights": weights}, 1)


def text_model(into: Path) -> Path:
    """Characters counted by TfIdfVectorizer, then a logistic regression: a string to a probability."""
    letters = ["a", "e", "!", "x"]
    nodes = [
        helper.make_node("StringSplit", ["review"], ["words", "counts"], delimiter=" "),
        helper.make_node(
            "TfIdfVectorizer",
            ["words"],
            ["grams"],
            mode="TF",
            min_gram_length=1,
            max_gram_length=1,
            max_skip_count=0,
            ngram_counts=[0],
            ngram_indexes=list(range(len(letters))),
            pool_strings=letters,
        ),
        helper.make_node("Gemm", ["grams", "weights"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["answer"]),
    ]
    taken = helper.make_tensor_value_info("review", TensorProto.STRING, [None])
    graph = {"weights": np.array([[1.0], [-1.5], [2.0], [-0.25]], dtype=np.float32)}
    helper_graph = helper.make_graph(
        nodes,
        "model",
        [taken],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(values, name) for name, values in graph.items()],
    )
    model = helper.make_model(helper_graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    into.write_bytes(model.SerializeToString())
    return into


def images(rows: int, kind: type = np.float32) -> NDArray[Any]:
    """Images by chance, the same each time."""
    random = np.random.default_rng(1)
    if kind is np.uint8:
        return random.integers(0, 256, (rows, *SHAPE)).astype(np.uint8)
    return random.normal(0, 1, (rows, *SHAPE)).astype(kind)


TEXTS = ["a e", "! ! a", "x x x", "nothing known", "e"]
