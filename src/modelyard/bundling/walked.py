"""Tree ensembles as arrays for compiled code: read from treelite's model, which is exact, and put in walking order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import Columns, TreeArrays

from .trees import Head, Nodes, head_of, leaves_of, nodes_of

Matrix = NDArray[np.float64]
Whole = NDArray[np.int64]

Tree = tuple[Nodes, NDArray[Any]]
"""The nodes of a tree, and the values at its leaves in the order of nodes."""

MOST_NODES = 4_000_000
"""Ensembles of more nodes are left to the other runtimes: 100 MB, which no cache holds."""

_LINKS = {"sigmoid": 1, "softmax": 2, "exponential": 3}
"""By treelite's name of what is done to the sum of an ensemble, the walker's."""

_NEVER, _LOWEST = 2**63 - 1, -(2**63)
_MOST_KEYS, _MOST_ROWS = 1 << 16, 256


def walked(converted: Any, columns: Columns, fields: int, *, rounds: bool, base: float | None) -> TreeArrays:
    """The arrays of a treelite model behind the columns made of a bundle's fields.

    `rounds`: whether input is rounded to float32 first; XGBoost's is always, and added in float32, from the base score
    on. `base` takes the place of the base score that treelite knows. ValueError for what has no such arrays.
    """
    head = head_of(converted)
    trees = [_tree(converted.get_tree_accessor(at).get_field, head) for at in range(converted.num_tree)]
    return arranged(trees, head, columns, fields, rounds=rounds, base=base)


def arranged(
    trees: Sequence[Tree], head: Head, columns: Columns, fields: int, *, rounds: bool, base: float | None = None
) -> TreeArrays:
    """The arrays of trees that have been read; see `walked`."""
    link = 0 if head.postprocessor.startswith("identity") else _LINKS.get(head.postprocessor)
    if link is None:
        raise ValueError(f"nothing is known of the postprocessor '{head.postprocessor}'")
    if sum(len(nodes.leaf) for nodes, _ in trees) > MOST_NODES:
        raise ValueError(f"its trees have more than {MOST_NODES:,} nodes")
    second = head.vector == 2 and head.outputs == 2
    keep = slice(1, None) if second else slice(None)
    start = (head.base if base is None else np.full_like(head.base, base))[keep]
    vector = 1 if second else head.vector
    tests = _Tests(trees)
    order, level = _walking_order(trees)
    values = np.concatenate([values[:, keep] if second else values for _, values in trees]).astype(np.float64)
    leaf_row = np.cumsum(tests.leaf) - 1
    lanes = len(tests.lanes)
    sizes = np.array([len(nodes.leaf) for nodes, _ in trees], dtype=np.int64)
    shape = [
        fields, lanes, len(columns.stages), columns.tables.shape[1], len(trees), len(start), vector, tests.codes,
        int(head.single), int(rounds or head.single), link, int(tests.sets.size > 0), _rows_together(lanes),
    ]  # fmt: skip
    source = tests.lanes[:, 0]
    return TreeArrays(
        shape=np.array(shape, dtype=np.int64),
        lanes=np.stack([columns.source[source], columns.table[source], *tests.lanes[:, 1:].T], axis=1),
        stages=np.ascontiguousarray(columns.stages[:, :, source].transpose(0, 2, 1)),
        tables=columns.tables,
        nodes=tests.nodes(order),
        sets=tests.sets,
        values=np.where(tests.leaf[order], values[leaf_row[order], 0], 0.0) if vector == 1 else values,
        rows=np.empty(0, dtype=np.int64) if vector == 1 else np.where(tests.leaf, leaf_row, 0)[order],
        trees=_trees(sizes, level, tests.leaf, head),
        base=start.astype(np.float32).astype(np.float64) if head.single else start,
        scale=np.array([len(trees) if head.average else 1.0, head.alpha if link == 1 else 1.0]),
    )


def _tree(get: Any, head: Head) -> Tree:
    """A tree, copied: treelite's own arrays die with it."""
    return nodes_of(get), np.array(leaves_of(get, head))


def _rows_together(lanes: int) -> int:
    return min(_MOST_ROWS, max(8, _MOST_KEYS // lanes // 8 * 8))


class _Tests:
    """What all nodes ask, tree after tree: the lane, and the place of the threshold or of the set."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        def joined(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(nodes, name) for nodes, _ in trees])

        starts = np.cumsum([0, *(len(nodes.leaf) for nodes, _ in trees)])
        self.leaf = joined("leaf").astype(bool)
        self._coded = joined("categorical").astype(bool) & ~self.leaf
        missing = joined("missing").astype(bool)
        true = joined("true") + np.repeat(starts[:-1], np.diff(starts))
        self.first = np.where(self.leaf, np.arange(len(self.leaf)), true)
        self.second = joined("false") + np.repeat(starts[:-1], np.diff(starts))
        inner = ~self.leaf
        asked = np.stack([joined("feature"), np.where(missing, _LOWEST, _NEVER), self._coded], axis=1).astype(np.int64)
        asked[self._coded, 1] = 0
        self.lanes, self._lane = _distinct(asked, inner)
        place = place_of(joined("threshold").astype(np.float64)) - joined("strict")
        self._test = np.where(inner, place, _NEVER)
        members = {
            int(start) + node: codes
            for start, (nodes, _) in zip(starts[:-1], trees, strict=True)
            for node, codes in nodes.members.items()
            if not nodes.leaf[node]
        }
        self.codes = max((int(codes.max()) + 1 for codes in members.values() if len(codes)), default=0)
        self.sets = self._bits(members, missing)

    def _bits(self, members: dict[int, NDArray[Any]], missing: NDArray[np.bool_]) -> Whole:
        words = (self.codes + 2 + 63) // 64
        bits = np.zeros((len(members), words * 64), dtype=np.uint8)
        for at, (node, codes) in enumerate(members.items()):
            bits[at, codes.astype(np.int64)] = 1
            bits[at, self.codes + 1] = missing[node]
            self._test[node] = at * words
        return np.packbits(bits, axis=1, bitorder="little").view("<i8").astype(np.int64).ravel()

    def nodes(self, order: Whole) -> Whole:
        """(nodes, 2) in walking order."""
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        word = (place[self.first] << 32) | (self._lane << 3) | self._coded
        return np.ascontiguousarray(np.stack([self._test, word], axis=1)[order])


def _distinct(asked: Whole, inner: NDArray[np.bool_]) -> tuple[Whole, Whole]:
    """The lanes that splits ask for, and by node which; one lane where there are no splits, and for leaves."""
    lane = np.zeros(len(asked), dtype=np.int64)
    if not inner.any():
        return np.zeros((1, 3), dtype=np.int64), lane
    lanes, found = np.unique(asked[inner], axis=0, return_inverse=True)
    lane[inner] = found.ravel()
    return lanes, lane


def place_of(values: Matrix) -> Whole:
    """The place of each number among all float64: whole numbers in the same order. Minus zero is zero."""
    bits = (values + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & _NEVER)


def _walking_order(trees: Sequence[Tree]) -> tuple[Whole, Whole]:
    """All nodes tree after tree, each level by level with brothers side by side; and by node its level."""
    order, levels, start = [], [], 0
    for nodes, _ in trees:
        level, depth = np.zeros(1, dtype=np.int64), 0
        own = np.zeros(len(nodes.leaf), dtype=np.int64)
        mine = []
        while len(level):
            own[level] = depth
            mine.append(level)
            splits = level[~nodes.leaf[level].astype(bool)]
            level = np.stack([nodes.true[splits], nodes.false[splits]], axis=1).ravel().astype(np.int64)
            depth += 1
        together = np.concatenate(mine)
        if len(together) != len(nodes.leaf):
            raise ValueError("some of its nodes belong to no tree")
        order.append(together + start)
        levels.append(own)
        start += len(nodes.leaf)
    return np.concatenate(order), np.concatenate(levels)


def _trees(sizes: Whole, level: Whole, leaf: NDArray[np.bool_], head: Head) -> Whole:
    """By tree: its root, the steps that half of its leaves need, the steps that all do, and what it adds to."""
    tree = np.repeat(np.arange(len(sizes)), sizes)
    depth = np.zeros(len(sizes), dtype=np.int64)
    np.maximum.at(depth, tree, level)
    mean = np.bincount(tree[leaf], weights=level[leaf]) / np.bincount(tree[leaf])
    sure = np.minimum(np.ceil(mean).astype(np.int64), depth)
    target = np.zeros(len(sizes), dtype=np.int64) if head.vector > 1 else head.classes[: len(sizes)].astype(np.int64)
    root = np.cumsum(sizes) - sizes
    return np.stack([root, sure, depth, target], axis=1)
