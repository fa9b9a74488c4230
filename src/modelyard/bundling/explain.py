"""What a bundle explains its predictions with: the model's structure as arrays, proved to add up to its scores."""

import warnings
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.inference import (
    EXPLAIN_ARRAYS,
    EXPLAIN_FILE,
    EXPLAIN_VERSION,
    Columns,
    Contributions,
    ExplainInfo,
    LinearModel,
    Scale,
    TreeModel,
    load_explainer,
    pack_explainer,
    worst_error,
)

from .columns import columns_of_fields
from .converters import base_of, is_trees, rounds_input, treelite_of
from .original import OnnxFile, Original, is_pipeline, library_of
from .parity import floor_of
from .trees import Head, Nodes, head_of, leaves_of, nodes_of

Matrix = NDArray[np.float64]

TOLERANCE, SINGLE_TOLERANCE = 1e-6, 1e-4
"""Scores may differ so much, relatively, from what contributions add up to; the second for XGBoost, which adds in
float32: over a thousand trees that makes so much. Values of regressions are compared relative to their spread at least.
"""

_CELLS = 20_000_000
"""The proof looks at so many nodes of trees, over all its rows, and at no fewer than `_ROWS` rows."""

_ROWS = 64

_LARGEST = 2_000_000
"""Ensembles of more nodes are not explained: a row would take longer than a tenth of a second."""

_SCALES: dict[str, Scale] = {"sigmoid": "log-odds", "softmax": "log-odds", "exponential": "log"}
"""By treelite's name of what is done to the sum of an ensemble. Nothing is done to the others that are known."""


def explain_files(original: Original, matrix: Matrix, rows: Matrix, expected: Matrix) -> dict[str, bytes]:
    """The files of a bundle that explain its predictions: `explain.json`, and `explain.npz` where they can be.

    `matrix`: the encoded sample (n, fields); `rows` and `expected`: those of the proof with the model's scores, the
    sample first. What cannot be read
    from the model, and what does not add up to its scores, is left out; `explain.json` says why.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of the libraries' own use of each other
            info, columns, model = _read(original, matrix)
            data = pack_explainer(columns, model)
            floor = floor_of(original.task, expected[: len(matrix)], share=1.0)
            worst = _off(info, data, original, rows, expected, floor)
    except Exception as error:  # a library that cannot read a model may raise anything; the report keeps it
        return _report(ExplainInfo(EXPLAIN_VERSION, why_not=" ".join(str(error).split())[:300] or type(error).__name__))
    tolerance = SINGLE_TOLERANCE if library_of(_tail(original.model)) == "xgboost" else TOLERANCE
    if not worst <= tolerance:
        why_not = f"contributions add up to scores that are {worst:.2g} off (relative), beyond {tolerance:g}"
        return _report(ExplainInfo(EXPLAIN_VERSION, why_not=why_not))
    return {**_report(msgspec.structs.replace(info, error=worst)), EXPLAIN_ARRAYS: data}


def _report(info: ExplainInfo) -> dict[str, bytes]:
    return {EXPLAIN_FILE: msgspec.json.encode(info)}


def _read(original: Original, matrix: Matrix) -> tuple[ExplainInfo, Columns, TreeModel | LinearModel]:
    model = original.model
    if isinstance(model, OnnxFile):
        raise ValueError("an ONNX file is no model whose structure is known")  # noqa: TRY004 - a reason, no mistake
    tail = _tail(model)
    if not is_trees(tail) and not _is_linear(tail):
        raise ValueError(f"a {type(tail).__name__} has neither trees nor one coefficient a column")
    columns = columns_of_fields(original, matrix)
    if is_trees(tail):
        converted = treelite_of(tail, None if is_pipeline(model) else original.signature)
        head = head_of(converted)
        _check_size(converted)
        info = ExplainInfo(EXPLAIN_VERSION, "trees", _scale(head, original), rounds_input(tail) or head.single)
        return info, columns, _ensemble(converted, head, base_of(tail))
    means = columns(matrix).mean(axis=0)
    return ExplainInfo(EXPLAIN_VERSION, "linear", _link(tail, original)), columns, _linear(tail, means)


def _tail(model: Any) -> Any:
    """What answers: the last step of a pipeline, or the model itself."""
    return model.steps[-1][1] if is_pipeline(model) else model


def _is_linear(model: Any) -> bool:
    return library_of(model) == "sklearn" and ".linear_model" in type(model).__module__ and hasattr(model, "coef_")


def _scale(head: Head, original: Original) -> Scale:
    if head.postprocessor.startswith("identity"):
        return "value" if original.task == "regression" else "probability"
    if head.postprocessor not in _SCALES:
        raise ValueError(f"no scale is known for its output ('{head.postprocessor}')")
    return _SCALES[head.postprocessor]


def _link(model: Any, original: Original) -> Scale:
    """The scale of a linear model; of the generalised ones that on which they are linear."""
    if original.task != "regression":
        return "log-odds"
    kind = type(model).__name__
    logs = kind in {"PoissonRegressor", "GammaRegressor"} or (
        kind == "TweedieRegressor" and (model.link == "log" or (model.link == "auto" and model.power > 0))
    )
    return "log" if logs else "value"


def _linear(model: Any, means: Matrix) -> LinearModel:
    coefficients = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64)).T
    intercept = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64).ravel(), coefficients.shape[1:])
    return LinearModel(coefficients, intercept.copy(), means)


def _ensemble(converted: Any, head: Head, base: float | None) -> TreeModel:
    """The ensemble on the scale of its sum: averaged where votes are, of two classes only the second."""
    keep = slice(1, None) if head.vector == 2 and head.outputs == 2 else slice(None)
    factor = (head.alpha if head.postprocessor == "sigmoid" else 1.0) / (converted.num_tree if head.average else 1)
    start = head.base if base is None else np.full_like(head.base, base)
    trees, values, covers, sets = [], [], [], _Sets()
    for index in range(converted.num_tree):
        get = converted.get_tree_accessor(index).get_field
        nodes = nodes_of(get)
        trees.append((nodes, sets.rows_of(nodes)))
        values.append(leaves_of(get, head).astype(np.float64)[:, keep if head.vector > 1 else slice(None)] * factor)
        covers.append(_cover(get))

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(nodes, name) for nodes, _ in trees])

    threshold = joined("threshold").astype(np.float64)
    leaf = joined("leaf")
    return TreeModel(
        sizes=np.array([len(nodes.leaf) for nodes, _ in trees], dtype=np.int64),
        targets=np.zeros(len(trees), dtype=np.int64) if head.vector > 1 else head.classes.astype(np.int64),
        column=np.where(leaf, -1, joined("feature")).astype(np.int64),
        threshold=np.where(joined("strict"), np.nextafter(threshold, -np.inf), threshold),
        missing=joined("missing").astype(bool),
        true=np.where(leaf, 0, joined("true")).astype(np.int64),
        false=np.where(leaf, 0, joined("false")).astype(np.int64),
        member=np.concatenate([member for _, member in trees]),
        cover=np.concatenate(covers),
        sets=sets.matrix(),
        values=np.concatenate(values),
        base=start[keep] * factor if head.alpha != 1 else start[keep],
    )


def _check_size(converted: Any) -> None:
    nodes = sum(len(converted.get_tree_accessor(at).get_field("cleft")) for at in range(converted.num_tree))
    if nodes > _LARGEST:
        raise ValueError(f"its trees have {nodes:,} nodes, and up to {_LARGEST:,} are explained")


class _Sets:
    """The sets of codes that splits by category let through, collected over an ensemble."""

    def __init__(self) -> None:
        self._members: list[NDArray[np.int64]] = []

    def rows_of(self, nodes: Nodes) -> NDArray[np.int64]:
        """By node, the row of the matrix to come; -1 for splits of numbers and leaves."""
        rows = np.full(len(nodes.leaf), -1, dtype=np.int64)
        for node, members in nodes.members.items():
            rows[node] = len(self._members)
            self._members.append(members.astype(np.int64))
        return rows

    def matrix(self) -> NDArray[np.bool_]:
        """(splits, codes + 1); no set holds the last code, which stands for all that are greater."""
        width = max((int(each.max()) + 1 for each in self._members if len(each)), default=0) + 1
        made = np.zeros((len(self._members), width), dtype=bool)
        for row, members in zip(made, self._members, strict=True):
            row[members] = True
        return made


def _cover(get: Any) -> Matrix:
    """How many training rows reached each node, as the library itself weighs them.

    XGBoost by their second derivatives, scikit-learn's own trees by their weights; histogram trees and LightGBM keep
    their number, and treelite knows no other of them.
    """
    weights, counts = np.asarray(get("sum_hess"), np.float64), np.asarray(get("data_count"), np.float64)
    known = weights if len(weights) else counts
    if not len(known):
        raise ValueError("its trees do not say how many training rows took which way")
    return known


def _off(info: ExplainInfo, data: bytes, original: Original, rows: Matrix, expected: Matrix, floor: float) -> float:
    """The worst relative difference between scores and what contributions add up to, on rows spread over all."""
    explain = load_explainer(info, data, original.signature)
    count = min(len(rows), max(_ROWS, _CELLS // max(1, explain.nodes)))
    chosen = np.linspace(0, len(rows) - 1, count).astype(np.int64)
    return worst_error(expected[chosen], added_up(explain(rows[chosen])), floor)


def added_up(given: Contributions) -> Matrix:
    """The scores (n, outputs) that base and contributions stand for."""
    total: Matrix = given.base + given.values.sum(axis=1)
    if given.scale == "log":
        return np.exp(total)
    if given.scale != "log-odds":
        return total
    if total.shape[1] == 1:
        return 1 / (1 + np.exp(-total))
    odds = np.exp(total - total.max(axis=1, keepdims=True))
    shares: Matrix = odds / odds.sum(axis=1, keepdims=True)
    return shares
