"""Tree ensembles as ONNX graphs that lose nothing.

The converters of scikit-learn, LightGBM and XGBoost to ONNX round thresholds and leaves to float32, lose where missing
values go, or lose categories. ONNX's own `TreeEnsemble` (ai.onnx.ml 5) can say all of it in double precision. The
structure is read from treelite's model of the ensemble, which is exact, and written down here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graphs import Graph, Steps

_LEQ, _LT, _MEMBER = 0, 1, 6
"""Modes of nodes, as ONNX numbers them."""

_TREELITE_CATEGORICAL, _TREELITE_LESS = 2, 2
"""Kind of a node and comparison of a node, as treelite numbers them."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Head:
    """What treelite says of a whole ensemble."""

    features: int
    outputs: int
    vector: int
    classes: Array
    average: bool
    postprocessor: str
    alpha: float
    base: Array
    single: bool


@dataclass
class _Table:
    """The columns of a `TreeEnsemble`, a list of pieces each, one piece a tree."""

    dtype: Any
    pieces: dict[str, list[Array]] = field(default_factory=dict)
    members: list[Array] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    nodes: int = 0
    leaves: int = 0

    def add(self, **columns: Any) -> None:
        for name, values in columns.items():
            self.pieces.setdefault(name, []).append(np.asarray(values))

    def column(self, name: str) -> Array:
        return np.concatenate(self.pieces[name])


def head_of(model: Any) -> Head:
    """The header of a treelite model, copied: its own arrays die with the model."""
    get = model.get_header_accessor().get_field
    return Head(
        features=int(get("num_feature")[0]),
        outputs=int(get("num_class")[0]),
        vector=int(get("leaf_vector_shape")[1]),
        classes=np.maximum(get("class_id"), 0),
        average=bool(get("average_tree_output")[0]),
        postprocessor=str(get("postprocessor")),
        alpha=float(get("sigmoid_alpha")[0]),
        base=np.array(get("base_scores"), dtype=np.float64),
        single=model.input_type == "float32",
    )


def tree_graph(model: Any, *, rounds_input: bool, base: float | None = None) -> Graph:
    """The graph of a treelite model: float64 (n, features) in, float64 scores (n, 1) or (n, classes) out.

    `rounds_input` rounds to float32 first, as scikit-learn's own trees do. XGBoost's ensembles are float32 throughout,
    and begin to add at their base score; all others add in float64. `base` takes the place of the base score that
    treelite knows. Of two classes only the second is computed.
    """
    head = head_of(model)
    second = head.vector == 2 and head.outputs == 2
    targets = 1 if second else head.outputs
    known = head.base if base is None else np.full_like(head.base, base)
    start = known[1:] if second else known
    table = _Table(np.float32 if head.single else np.float64)
    if head.single:
        for target in range(targets):
            _constant(table, target, float(start[target]))
    for tree in range(model.num_tree):
        _tree(table, model.get_tree_accessor(tree).get_field, head, int(head.classes[tree]), second=second)
    steps = Steps(prefix="trees_")
    if rounds_input or head.single:
        steps.cast("float32")
    if rounds_input and not head.single:
        steps.cast("float64")
    steps.add("TreeEnsemble", domain="ai.onnx.ml", **_attributes(table, targets))
    if head.single:
        steps.cast("float64")
    if head.average:
        steps.add("Div", steps.constant(np.array([float(model.num_tree)])))
    if start.any() and not head.single:
        steps.add("Add", steps.constant(start))
    _finish(steps, head)
    return steps.graph(head.features)


def _finish(steps: Steps, head: Head) -> None:
    if head.postprocessor == "sigmoid":
        if head.alpha != 1:
            steps.add("Mul", steps.constant(np.array([head.alpha])))
        steps.add("Sigmoid")
    elif head.postprocessor == "softmax":
        steps.add("Softmax", axis=1)
    elif head.postprocessor == "exponential":
        steps.add("Exp")
    elif not head.postprocessor.startswith("identity"):
        raise ValueError(f"no graph is known for the postprocessor '{head.postprocessor}'")


def _constant(table: _Table, target: int, value: float) -> None:
    """A tree of one leaf. ONNX writes it as a node with that leaf on both sides."""
    table.roots.append(table.nodes)
    table.add(features=[0], splits=[0.0], modes=[_LEQ], missing=[0], targets=[target], weights=[value])
    table.add(true=[table.leaves], true_leaf=[1], false=[table.leaves], false_leaf=[1])
    table.nodes, table.leaves = table.nodes + 1, table.leaves + 1


@dataclass(frozen=True)
class Nodes:
    """One tree of treelite's, a row a node: whatever agrees with a node's test goes to `true`, the rest to `false`.

    `categorical` tests ask whether a code is among `members` (by node, empty for a test that nothing passes but, maybe,
    a missing value), the others compare with `threshold`, `strict` ones by < instead of <=. `missing`: whether missing
    values go to `true`. `true` and `false` mean nothing at a `leaf`.
    """

    leaf: Array
    feature: Array
    threshold: Array
    strict: Array
    missing: Array
    true: Array
    false: Array
    categorical: Array
    members: dict[int, Array]


def nodes_of(get: Any) -> Nodes:
    """A tree as treelite's accessor gives it. The true branch is the left one, or the side that categories lead to."""
    categorical = get("node_type") == _TREELITE_CATEGORICAL
    flipped = categorical & get("category_list_right_child").astype(bool)
    categories, begin, end = get("category_list"), get("category_list_begin"), get("category_list_end")
    return Nodes(
        leaf=get("cleft") < 0,
        feature=get("split_index"),
        threshold=get("threshold"),
        strict=get("cmp") == _TREELITE_LESS,
        missing=get("default_left").astype(bool) ^ flipped,
        true=np.where(flipped, get("cright"), get("cleft")),
        false=np.where(flipped, get("cleft"), get("cright")),
        categorical=categorical,
        members={node: categories[begin[node] : end[node]] for node in np.flatnonzero(categorical).tolist()},
    )


def leaves_of(get: Any, head: Head) -> Array:
    """The values at the leaves of a tree, in the order of nodes: (leaves, 1), or (leaves, outputs) where they vote."""
    leaf = get("cleft") < 0
    if head.vector == 1:
        return np.asarray(get("leaf_value")[leaf]).reshape(-1, 1)
    vectors: Array = get("leaf_vector").reshape(-1, head.vector)[get("leaf_vector_begin")[leaf] // head.vector]
    return vectors


def _tree(table: _Table, get: Any, head: Head, target: int, *, second: bool) -> None:
    nodes, leaves = nodes_of(get), leaves_of(get, head)
    copies = [(target, leaves[:, 0])]
    if head.vector > 1:  # a leaf of ONNX's has one target: a forest of k classes is written k times, or once for two
        wanted: Sequence[tuple[int, int]] = [(0, 1)] if second else [(each, each) for each in range(head.vector)]
        copies = [(target, leaves[:, column]) for target, column in wanted]
    for each, weights in copies:
        if nodes.leaf[0]:
            _constant(table, each, float(weights[0]))
        else:
            _branches(table, nodes, each, weights)


def _branches(table: _Table, nodes: Nodes, target: int, weights: Array) -> None:
    """One tree for one target."""
    leaf, inner = nodes.leaf, ~nodes.leaf
    empty = np.zeros(len(leaf), dtype=bool)
    empty[[node for node, members in nodes.members.items() if not len(members)]] = True
    member = nodes.categorical & ~empty
    modes = np.where(member, _MEMBER, np.where(empty | nodes.strict, _LT, _LEQ))
    splits = np.where(empty, -np.inf, np.where(member, 0.0, nodes.threshold))  # nothing is below minus infinity
    at = np.where(leaf, np.cumsum(leaf) - 1 + table.leaves, np.cumsum(inner) - 1 + table.nodes)
    table.roots.append(table.nodes)
    table.add(
        features=nodes.feature[inner],
        splits=splits[inner],
        modes=modes[inner],
        missing=nodes.missing[inner],
        true=at[nodes.true[inner]],
        true_leaf=leaf[nodes.true[inner]],
        false=at[nodes.false[inner]],
        false_leaf=leaf[nodes.false[inner]],
        targets=np.full(len(weights), target),
        weights=weights,
    )
    for members in nodes.members.values():
        if len(members):
            table.members.append(np.append(members.astype(table.dtype), np.nan))
    table.nodes, table.leaves = table.nodes + int(inner.sum()), table.leaves + len(weights)


def _attributes(table: _Table, targets: int) -> dict[str, Any]:
    from onnx import numpy_helper  # noqa: PLC0415 - importing it takes a third of a second

    def whole(name: str) -> list[int]:
        found: list[int] = table.column(name).astype(np.int64).tolist()
        return found

    def tensor(values: Array, dtype: Any) -> Any:
        return numpy_helper.from_array(values.astype(dtype))

    given: dict[str, Any] = {
        "n_targets": targets,
        "aggregate_function": 1,
        "post_transform": 0,
        "tree_roots": table.roots,
        "nodes_modes": tensor(table.column("modes"), np.uint8),
        "nodes_featureids": whole("features"),
        "nodes_splits": tensor(table.column("splits"), table.dtype),
        "nodes_missing_value_tracks_true": whole("missing"),
        "nodes_truenodeids": whole("true"),
        "nodes_trueleafs": whole("true_leaf"),
        "nodes_falsenodeids": whole("false"),
        "nodes_falseleafs": whole("false_leaf"),
        "leaf_targetids": whole("targets"),
        "leaf_weights": tensor(table.column("weights"), table.dtype),
    }
    if table.members:
        given["membership_values"] = tensor(np.concatenate(table.members), table.dtype)
    return given
