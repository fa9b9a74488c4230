"""Trees for compiled code, walked by machine code, by the same walker in Python, and by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelyard.bundling.trees import Head, Nodes
from modelyard.bundling.walked import Tree, arranged, place_of
from modelyard.inference import Columns, TreeArrays, TreesRuntime, compiled_walker, pack_trees, unpack_trees
from modelyard.inference.compiled import kernel

Matrix = NDArray[np.float64]

FIELDS = 3
CODES = 70
"""More codes than a whole number has bits."""

POINTS = (0.0, -0.0, 5e-324, -5e-324, 1.0, -1.0, 0.1, 1e300, -1e300, math.inf, -math.inf, 3.4028234663852886e38)


def head(outputs: int, vector: int, trees: int, *, average: bool = False, link: str = "identity", **more: Any) -> Head:
    """An ensemble's head whose trees add to one output after the other."""
    plain = Head(
        FIELDS, outputs, vector, np.arange(trees) % outputs, average, link, 1.0, np.zeros(outputs), single=False
    )
    return replace(plain, **more)


def grown(random: np.random.Generator, depth: int, width: int, *, coded: bool, strict: bool) -> Tree:
    """A random tree: thresholds where numbers end, sets of codes in the last field where there are such."""
    rows: list[list[Any]] = []
    members: dict[int, NDArray[Any]] = {}
    values: list[list[float]] = []

    def grow(left: int) -> int:
        at = len(rows)
        rows.append([True, 0, 0.0, False, False, -1, -1, False])
        if not left or random.random() < 0.15:
            values.append(random.normal(size=width).tolist())
            return at
        by_code = coded and bool(random.random() < 0.4)
        numbers = FIELDS - 1 if coded else FIELDS
        field = FIELDS - 1 if by_code else int(random.integers(0, numbers))
        threshold = float(random.choice(POINTS)) if random.random() < 0.5 else float(random.normal())
        if by_code:
            members[at] = np.flatnonzero(random.random(CODES) < random.random())
        rows[at][:5] = [False, field, threshold, strict, bool(random.random() < 0.5)]
        rows[at][7] = by_code
        chain = random.random() < 0.5  # deep trees have a spine, or they would have too many nodes
        rows[at][5] = grow(left - 1)
        rows[at][6] = grow(0 if chain and left > 4 else left - 1 if left <= 4 else left // 4)
        return at

    grow(depth)
    leaf, feature, threshold, less, missing, true, false, categorical = (
        np.array(each) for each in zip(*rows, strict=True)
    )
    nodes = Nodes(leaf, feature, threshold, less, missing, true, false, categorical, members)
    return nodes, np.array(values)


def single_leaf() -> Nodes:
    """A tree that asks nothing."""
    no, nowhere = np.zeros(1, dtype=bool), np.array([-1])
    return Nodes(np.ones(1, dtype=bool), np.zeros(1, dtype=int), np.zeros(1), no, no, nowhere, nowhere, no, {})


def by_hand(trees: list[Tree], told: Head, matrix: Matrix) -> Matrix:
    """The sums of an ensemble, one node after the other."""
    total = np.zeros((len(matrix), told.outputs))
    for at, (nodes, values) in enumerate(trees):
        leaves = np.cumsum(nodes.leaf) - 1
        for row, answer in zip(matrix, total, strict=True):
            node = 0
            while not nodes.leaf[node]:
                node = int(nodes.true[node] if agrees(nodes, node, row[nodes.feature[node]]) else nodes.false[node])
            if told.vector > 1:
                answer[:] += values[leaves[node]]
            else:
                answer[told.classes[at]] += values[leaves[node], 0]
    return total / len(trees) if told.average else total


def agrees(nodes: Nodes, node: int, value: float) -> bool:
    """Whether a value goes the true way."""
    if np.isnan(value):
        return bool(nodes.missing[node])
    if nodes.categorical[node]:
        return bool((nodes.members[node] == value).any())
    return bool(value < nodes.threshold[node] if nodes.strict[node] else value <= nodes.threshold[node])


def hard_rows(random: np.random.Generator, trees: list[Tree], count: int, *, coded: bool) -> Matrix:
    """Rows at thresholds, one ulp beside them, at the ends of all numbers, and missing ones."""
    near = np.concatenate([nodes.threshold[~nodes.leaf] for nodes, _ in trees] + [np.array(POINTS)])
    pool = np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf), [np.nan, np.nan]])
    matrix: Matrix = random.choice(pool, (count, FIELDS))
    if coded:
        matrix[:, -1] = random.choice(np.array([*range(CODES + 3), np.nan]), count)
    return matrix


def in_python(arrays: TreeArrays, matrix: Matrix) -> Matrix:
    """What the walker answers when it is run by Python."""
    shape = arrays.shape
    out, keys = np.empty(len(matrix) * shape[kernel.OUTPUTS]), np.empty(shape[1] * shape[kernel.ROWS] + 8, np.int64)
    parts = (
        arrays.shape, arrays.lanes, arrays.stages, arrays.tables, arrays.nodes, arrays.sets, arrays.values, arrays.rows,
        arrays.trees_padded, arrays.base, arrays.scale, matrix,
    )  # fmt: skip
    walk: Callable[..., None] = kernel.walk
    with np.errstate(all="ignore"):
        walk(*(each.ravel() for each in parts), out, keys, len(matrix))
    return out.reshape(len(matrix), -1)


def by_machine(arrays: TreeArrays, matrix: Matrix) -> Matrix:
    """What machine code answers, after the arrays were packed and read again."""
    read, walk = unpack_trees(pack_trees(arrays)), compiled_walker()
    assert read is not None
    assert walk is not None
    return TreesRuntime(read, walk).scores(matrix)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 17),
    trees=st.integers(1, 11),
    depth=st.integers(0, 30),
    outputs=st.integers(1, 4),
    vector=st.booleans(),
    coded=st.booleans(),
    strict=st.booleans(),
)
def test_any_trees_are_walked_to_the_leaves_that_their_tests_name(
    seed: int, count: int, trees: int, depth: int, outputs: int, vector: bool, coded: bool, strict: bool
) -> None:
    """Missing ones, infinities, minus zero, thresholds and their neighbours, single leaves and deep trees."""
    random = np.random.default_rng(seed)
    width = outputs if vector else 1
    ensemble = [grown(random, depth, width, coded=coded, strict=strict) for _ in range(trees)]
    told = head(outputs, width, trees, average=vector)
    matrix = hard_rows(random, ensemble, count, coded=coded)
    arrays = arranged(ensemble, told, Columns.plain(FIELDS), FIELDS, rounds=False)
    expected = by_hand(ensemble, told, matrix)
    expected = expected[:, 1:] if vector and outputs == 2 else expected
    assert np.array_equal(by_machine(arrays, matrix), expected)
    assert np.array_equal(in_python(arrays, matrix[:9]), expected[:9])


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 255, 256, 257, 600])
def test_a_row_is_answered_to_the_last_bit_as_it_is_alone(rows: int) -> None:
    """Blocks of eight, what is left over, and more rows than are taken together."""
    random = np.random.default_rng(0)
    trees = [grown(random, 6, 1, coded=False, strict=False) for _ in range(30)]
    arrays = arranged(trees, head(1, 1, 30, link="sigmoid"), Columns.plain(FIELDS), FIELDS, rounds=False)
    matrix = random.normal(size=(rows, FIELDS))
    alone = np.concatenate([by_machine(arrays, matrix[[at]]) for at in range(0, rows, max(1, rows // 9))])
    assert np.array_equal(by_machine(arrays, matrix)[:: max(1, rows // 9)], alone)


def test_sums_are_taken_in_float32_from_the_base_on_where_the_model_does_so() -> None:
    """As XGBoost adds."""
    random = np.random.default_rng(1)
    trees = [grown(random, 3, 1, coded=False, strict=True) for _ in range(50)]
    trees = [(nodes, values.astype(np.float32)) for nodes, values in trees]
    told = head(1, 1, 50, single=True, base=np.array([0.3]))
    matrix = random.normal(size=(20, FIELDS)).astype(np.float32).astype(np.float64)
    expected = np.full((20, 1), np.float32(0.3))
    for tree in trees:
        expected += by_hand([tree], head(1, 1, 1), matrix).astype(np.float32)
    answers = by_machine(arranged(trees, told, Columns.plain(FIELDS), FIELDS, rounds=False), matrix)
    assert np.array_equal(answers, expected.astype(np.float64))


@pytest.mark.parametrize(("link", "made"), [("sigmoid", lambda z: 1 / (1 + np.exp(-z))), ("exponential", np.exp)])
def test_what_is_done_to_the_sum_is_done_after_the_base_is_added(link: str, made: Any) -> None:
    """The sum of a tree of one leaf."""
    leaf = single_leaf()
    told = head(1, 1, 1, link=link, base=np.array([0.25]))
    arrays = arranged([(leaf, np.array([[0.5]]))], told, Columns.plain(FIELDS), FIELDS, rounds=True)
    assert by_machine(arrays, np.zeros((3, FIELDS))) == pytest.approx(np.full((3, 1), made(0.75)), rel=1e-15)


def test_rows_are_rounded_to_float32_where_the_model_does_so() -> None:
    """A number that float64 puts above a threshold of float32's, and float32 on it."""
    split = Nodes(
        np.array([False, True, True]), np.zeros(3, int), np.array([np.float64(np.float32(0.1)), 0, 0]),
        np.zeros(3, bool), np.zeros(3, bool), np.array([1, -1, -1]), np.array([2, -1, -1]), np.zeros(3, bool), {},
    )  # fmt: skip
    row = np.array([[np.nextafter(np.float64(np.float32(0.1)), 1.0), 0, 0]])
    for rounds, expected in ((True, 1.0), (False, 2.0)):
        tree = (split, np.array([[1.0], [2.0]]))
        arrays = arranged([tree], head(1, 1, 1), Columns.plain(FIELDS), FIELDS, rounds=rounds)
        assert by_machine(arrays, row).item() == expected


def test_places_are_in_the_order_of_numbers() -> None:
    """Minus zero has the place of zero."""
    numbers = np.array([-np.inf, -1e300, -1.0, -5e-324, 0.0, 5e-324, 1.0, np.inf])
    assert (np.diff(place_of(numbers)) > 0).all()
    assert place_of(np.array([-0.0])) == place_of(np.array([0.0]))


def test_what_nobody_knows_to_do_to_a_sum_is_no_ensemble_for_compiled_code() -> None:
    """The other runtimes are tried."""
    leaf = single_leaf()
    with pytest.raises(ValueError, match="hinge"):
        arranged([(leaf, np.ones((1, 1)))], head(1, 1, 1, link="hinge"), Columns.plain(FIELDS), FIELDS, rounds=False)
