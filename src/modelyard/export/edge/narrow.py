"""Weights of an ONNX graph in fewer bytes: int8 with a scale a channel, or float16.

Only how weights are stored changes. The graph widens them again and computes as before, so that the answer to a row
does not depend on the rows beside it, as it does where activations are quantized by what a batch happens to hold.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["int8", "float16"]

FEWEST = 64
"""Weights of fewer elements stay as they are."""

_NEEDED_OPSET = {"int8": 13, "float16": 1}
"""`DequantizeLinear` has a scale a channel since 13."""

_CHANNEL_FIRST = frozenset({"Conv", "Gather"})


def narrowed(graph: bytes, kind: Kind) -> bytes | str:
    """The model file with its weights stored as `kind`; or, where it would be no smaller, a sentence on why.

    Taken are constants of float32 or float64 in two dimensions or more, with 64 elements at least, whose values are
    finite; for float16 also within its range.
    """
    import onnx  # noqa: PLC0415 - importing it takes a third of a second

    model = onnx.load_from_string(graph)
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 1)
    if opset < _NEEDED_OPSET[kind]:
        return f"{kind} needs opset {_NEEDED_OPSET[kind]}; the graph is written in {opset}"
    found = _weights(model.graph)
    taken = {name: each for name, each in found.items() if kind == "int8" or np.abs(each).max() <= 65504}
    if not taken:
        return _why_none(model.graph, found)
    _replace(model.graph, taken, kind)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    if len(data) >= len(graph):
        return f"with {kind} weights the file has {len(data)} bytes, and {len(graph)} without"
    return data


def _weights(graph: Any) -> dict[str, NDArray[Any]]:
    from onnx import TensorProto, numpy_helper  # noqa: PLC0415 - see above

    given = {each.name for each in graph.input}
    wide = [
        each
        for each in graph.initializer
        if each.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE) and len(each.dims) > 1 and each.name not in given
    ]
    arrays = {each.name: numpy_helper.to_array(each) for each in wide}
    return {name: each for name, each in arrays.items() if _worth(each)}


def _worth(weights: NDArray[Any]) -> bool:
    """Whether there are enough of them, along more than one axis, and all are numbers."""
    return weights.size >= FEWEST and sum(each > 1 for each in weights.shape) > 1 and bool(np.isfinite(weights).all())


def _why_none(graph: Any, found: Mapping[str, Any]) -> str:
    if any(each.op_type.startswith("TreeEnsemble") for each in graph.node):
        return "trees gain nothing: they have thresholds and leaves, which decide exactly, and no matrices of weights"
    if found:
        return "its weights are beyond the range of float16"
    return f"it has no matrix of {FEWEST} weights or more"


def _replace(graph: Any, taken: Mapping[str, NDArray[Any]], kind: Kind) -> None:
    """Store the weights narrowly, and put in front what widens each of them, under its old name."""
    kept = [each for each in graph.initializer if each.name not in taken]
    nodes: list[Any] = []
    for name, weights in taken.items():
        made, stored = (_int8 if kind == "int8" else _float16)(name, weights, _axis(graph, name, weights.ndim))
        kept.extend(stored)
        nodes.extend(made)
    nodes.extend(graph.node)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.node[:]
    graph.node.extend(nodes)


def _axis(graph: Any, name: str, dimensions: int) -> int:
    """The axis of the channels: a scale for each keeps the error smallest."""
    for node in graph.node:
        if name in node.input:
            flipped = node.op_type == "Gemm" and any(each.name == "transB" and each.i for each in node.attribute)
            return 0 if flipped or node.op_type in _CHANNEL_FIRST else dimensions - 1
    return dimensions - 1


def _int8(name: str, weights: NDArray[Any], axis: int) -> tuple[list[Any], list[Any]]:
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - see above

    others = tuple(each for each in range(weights.ndim) if each != axis)
    scale = (np.abs(weights).max(axis=others) / 127).astype(np.float32)
    scale[scale == 0] = 1
    shape = [-1 if each == axis else 1 for each in range(weights.ndim)]
    codes = np.clip(np.rint(weights / scale.reshape(shape)), -127, 127).astype(np.int8)
    stored = [numpy_helper.from_array(codes, f"{name}/int8"), numpy_helper.from_array(scale, f"{name}/scale")]
    double = weights.dtype == np.float64
    wide = f"{name}/float32" if double else name
    nodes = [helper.make_node("DequantizeLinear", [f"{name}/int8", f"{name}/scale"], [wide], axis=axis)]
    if double:
        nodes.append(helper.make_node("Cast", [wide], [name], to=TensorProto.DOUBLE))
    return nodes, stored


def _float16(name: str, weights: NDArray[Any], axis: int) -> tuple[list[Any], list[Any]]:  # noqa: ARG001 - as `_int8`
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - see above

    wide = TensorProto.DOUBLE if weights.dtype == np.float64 else TensorProto.FLOAT
    node = helper.make_node("Cast", [f"{name}/float16"], [name], to=wide)
    return [node], [numpy_helper.from_array(weights.astype(np.float16), f"{name}/float16")]
