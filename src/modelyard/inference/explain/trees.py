"""Exact Shapley values of tree ensembles, by numpy over all nodes of many trees at once.

The game: fields are the players. Where a tree splits on a known field the row goes its way; where it splits on an
unknown one both ways are taken, weighted by how many training rows took them (*path-dependent* expectation: Lundberg,
Erion and Lee 2018, "Consistent individualized feature attribution for tree ensembles", algorithm 1; also what
LightGBM's `pred_contrib` and XGBoost's `pred_contribs` compute). A pipeline's columns of one field are one player.

The computation: let o be 1 where a row agrees with all that a path asks of field j, else 0, and z the share of training
rows that do. The leaf with value v at the path's end then gives field i

    v (o_i - z_i) ∫_0^1 ∏_{j≠i} (z_j + t (o_j - z_j)) dt,

which is Shapley's formula with its weights written as a beta integral (the multilinear extension of Owen 1972). The
integrand is a polynomial in t of a degree below the number D of fields on the path, so that Gauss-Legendre quadrature
with ⌈D/2⌉ points is exact. At each point the product is carried down a tree once, the sums over leaves are carried up
once, and each edge takes its part, so that a row costs O(nodes x D) (cf. Bifet, Read and Xu 2022, "Linear TreeSHAP").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .columns import Columns

Matrix = NDArray[np.float64]
Whole = NDArray[np.int64]
Truth = NDArray[np.bool_]

_NODES_AT_ONCE = 16_384
"""Trees are taken together up to so many nodes."""

_CELLS_AT_ONCE = 131_072
"""Rows are taken together up to so many float64 an array: a megabyte, which a core's cache holds."""

_NEVER = 1e-18
"""The share of a side that no training row took, so that nothing is divided by zero: it alters nothing that shows."""


@dataclass(frozen=True)
class TreeModel:
    """An ensemble as arrays: nodes of one tree after another, each tree's root first.

    `sizes`: (trees,) nodes of each; `targets`: (trees,) the output it adds to, 0 for leaves that hold all outputs. By
    node: `column` (-1 at a leaf), `threshold` (numbers up to it go to `true`), `missing` (whether missing ones do),
    `true` and `false` (places within the tree), `member` (row of `sets` for a split by categories, else -1), `cover`
    (training rows or their weight, positive). `sets`: (splits, codes + 1) whether a code goes to `true`, the last for
    all greater codes. `values`: (leaves, 1 or outputs), in the order of nodes. `base`: (outputs,), added to the sum.
    """

    sizes: Whole
    targets: Whole
    column: Whole
    threshold: Matrix
    missing: Truth
    true: Whole
    false: Whole
    member: Whole
    cover: Matrix
    sets: Truth
    values: Matrix
    base: Matrix

    def problem(self, columns: Columns) -> str:  # noqa: PLR0911 - one sentence for each thing that can be wrong
        """What is wrong with these arrays; empty when nothing is."""
        nodes = len(self.column)
        parts = (self.threshold, self.missing, self.true, self.false, self.member, self.cover)
        if any(each.shape != (nodes,) for each in parts) or self.sizes.shape != self.targets.shape:
            return "the columns of the nodes differ in length"
        if not len(self.sizes) or self.sizes.min() < 1 or int(self.sizes.sum()) != nodes:
            return "the sizes of the trees are not those of the nodes"
        if self.values.ndim != 2 or len(self.values) != int((self.column < 0).sum()):
            return "there are not as many values as leaves"
        if self.base.ndim != 1 or self.values.shape[1] not in {1, len(self.base)} or self.sets.ndim != 2:
            return "values, sets and base have the wrong shape"
        if self.targets.min() < 0 or self.targets.max() >= len(self.base):
            return "a tree adds to an output that there is not"
        if self.column.min() < -1 or self.column.max() >= len(columns.source):
            return "a split asks for a column that there is not"
        if self.member.min() < -1 or self.member.max() >= len(self.sets) or not self.sets.shape[1]:
            return "a split asks for a set that there is not"
        if not (np.isfinite(self.cover).all() and (self.cover >= 0).all() and (self.cover[self.column >= 0] > 0).all()):
            return "a node has no count of training rows"
        if not (np.isfinite(self.values).all() and np.isfinite(self.base).all()):
            return "a leaf has no value"
        return "" if self._are_trees() else "the nodes are no trees"

    def _are_trees(self) -> bool:
        """Whether every node but the roots hangs below exactly one other, and below a root in the end."""
        inner = self.column >= 0
        below = np.concatenate([self.true[inner], self.false[inner]])
        size = np.repeat(self.sizes, self.sizes)[inner]
        if (below < 1).any() or (below >= np.concatenate([size, size])).any():
            return False
        start = self.starts_by_node[inner]
        met = np.bincount(below + np.concatenate([start, start]), minlength=len(self.column))
        met[self.starts] += 1
        if (met != 1).any():
            return False
        return sum(len(level) for level in _levels(self, np.arange(len(self.sizes)))) == len(self.column)

    @cached_property
    def starts(self) -> Whole:
        """The root of each tree."""
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def starts_by_node(self) -> Whole:
        """The root of each node's tree."""
        return np.repeat(self.starts, self.sizes)


class TreeContributions:
    """A `TreeModel` made ready to be asked. Immutable; safe for any thread.

    Takes memory of about 80 bytes a node, and while asked a few times `_CELLS_AT_ONCE` (more only where one tree has
    more nodes than that).
    """

    def __init__(self, model: TreeModel, source: Whole, fields: int) -> None:
        self.nodes = len(model.column)
        self._fields = fields
        self._outputs = len(model.base)
        self._vector = model.values.shape[1]
        self._blocks = [_Block(model, trees, source) for trees in _together(model.sizes)]
        self.base = model.base + sum(each.expected(self._outputs) for each in self._blocks)

    def contributions(self, columns: Matrix) -> Matrix:
        """(n, columns) to (n, fields, outputs), both float64."""
        values = np.zeros((len(columns), self._fields * self._outputs))
        for block in self._blocks:
            for begin in range(0, len(columns), block.rows_at_once):
                part = slice(begin, begin + block.rows_at_once)
                block.add(columns[part], values[part])
        return values.reshape(len(columns), self._fields, self._outputs)


class _Block:
    """Some trees, their nodes ordered by depth, and on each level those that split before the leaves.

    So the products on the way down and the sums on the way up are a few operations a level. Level 0 holds the roots.
    """

    def __init__(self, model: TreeModel, trees: Whole, source: Whole) -> None:
        levels = list(_levels(model, trees))
        order = np.concatenate(levels)
        inner = model.column[order] >= 0
        self._roots = len(levels[0])
        self._ends = np.cumsum([0, *map(len, levels)]).tolist()
        splits = order[inner]
        place = np.zeros(len(model.column), dtype=np.int64)
        place[order] = np.arange(len(order))
        start = model.starts_by_node[splits]
        self._true, self._false = place[start + model.true[splits]], place[start + model.false[splits]]
        self._splits = np.cumsum([0, *((model.column[level] >= 0).sum() for level in levels)]).tolist()
        self._column, self._threshold = model.column[splits], model.threshold[splits]
        self._missing = model.missing[splits]
        self._set_at = np.flatnonzero(model.member[splits] >= 0)
        self._set = model.member[splits][self._set_at]
        self._sets = model.sets
        parent, field = np.zeros(len(order), dtype=np.int64), np.full(len(order), -1)
        for side in (self._true, self._false):
            parent[side], field[side] = np.flatnonzero(inner), source[self._column]
        self._parent = parent
        self._before = _same_field_before(parent, field, self._roots)
        share = np.ones(len(order))
        share[self._roots :] = model.cover[order[self._roots :]] / model.cover[order[parent[self._roots :]]]
        share = np.maximum(share, _NEVER)
        self._share, self._known, reached = self._along_paths(share, parent)
        leaf_at = np.cumsum(model.column < 0) - 1
        self._values = np.where(inner[:, None], 0.0, model.values[np.maximum(leaf_at[order], 0)])
        self._reached = reached
        tree = np.repeat(np.arange(len(model.sizes)), model.sizes)
        target = model.targets[tree[order]]
        self._targets = target
        self._place = np.maximum(field, 0) * len(model.base) + target
        points = max(1, (int(self._known.max()) + 1) // 2)
        at, weights = np.polynomial.legendre.leggauss(points)
        self._at, self._weights = ((at + 1) / 2)[:, None, None], weights / 2
        self.rows_at_once = max(1, _CELLS_AT_ONCE // (points * len(order)))

    def _along_paths(self, share: Matrix, parent: Whole) -> tuple[Matrix, Whole, Matrix]:
        """By node: the share of its field's splits up to it, how many fields its path asks, and the share of all."""
        own, known, reached = share.copy(), np.zeros(len(share), dtype=np.int64), share.copy()
        for begin, end in self._below():
            above, before = parent[begin:end], self._before[begin:end]
            own[begin:end] *= own[before]
            known[begin:end] = known[above] + (before == 0)
            reached[begin:end] *= reached[above]
        return own, known, reached

    def _below(self) -> Iterator[tuple[int, int]]:
        """Where each level but the roots' begins and ends."""
        return zip(self._ends[1:-1], self._ends[2:], strict=True)

    def expected(self, outputs: int) -> Matrix:
        """(outputs,) what these trees answer where nothing is known."""
        if self._values.shape[1] > 1:
            vector: Matrix = self._reached @ self._values
            return vector
        made = np.zeros(outputs)
        np.add.at(made, self._targets, self._reached * self._values[:, 0])
        return made

    def add(self, columns: Matrix, into: Matrix) -> None:
        """Add to `into` (n, fields · outputs) what these trees give each field for rows (n, columns)."""
        distance = self._agrees(columns).astype(np.float64) - self._share
        factor = distance * self._at
        factor += self._share
        gain = distance / factor
        gain -= np.take(gain, self._before, axis=2, mode="clip")
        gain *= self._weights[:, None, None]
        factor /= np.take(factor, self._before, axis=2, mode="clip")
        product = self._down(factor)
        for output in range(self._values.shape[1]):
            total = self._up(product, self._values[:, output])
            given = np.einsum("krn,krn->rn", gain, total)
            for row, edges in enumerate(given):
                into[row] += np.bincount(self._place + output, weights=edges, minlength=into.shape[1])

    def _agrees(self, columns: Matrix) -> Truth:
        """(n, nodes) whether a row agrees with all that the path to a node asks of the field that was asked last."""
        seen = columns[:, self._column]
        true = seen <= self._threshold
        if np.isnan(columns).any():
            true = np.where(np.isnan(seen), self._missing, true)
        if len(self._set_at):
            true[:, self._set_at] = self._in_set(seen[:, self._set_at], true[:, self._set_at])
        agrees = np.ones((len(columns), len(self._before)), dtype=bool)
        agrees[:, self._true], agrees[:, self._false] = true, ~true
        for begin, end in self._below():
            agrees[:, begin:end] &= np.take(agrees, self._before[begin:end], axis=1, mode="clip")
        return agrees

    def _in_set(self, codes: Matrix, otherwise: Truth) -> Truth:
        known = ~np.isnan(codes)
        code = np.clip(np.where(known, codes, 0), 0, self._sets.shape[1] - 1).astype(np.int64)
        return np.where(known, self._sets[self._set, code], otherwise)

    def _down(self, factor: Matrix) -> Matrix:
        """The products from the roots to every node, in place."""
        for begin, end in self._below():
            factor[:, :, begin:end] *= np.take(factor, self._parent[begin:end], axis=2, mode="clip")
        return factor

    def _up(self, product: Matrix, values: Matrix) -> Matrix:
        """The sums of product times value over all leaves below every node."""
        total: Matrix = product * values
        for begin, first, last in reversed(list(zip(self._ends, self._splits, self._splits[1:], strict=False))):
            above = total[:, :, begin : begin + last - first]
            np.take(total, self._true[first:last], axis=2, mode="clip", out=above)
            above += np.take(total, self._false[first:last], axis=2, mode="clip")
        return total


def _together(sizes: Whole) -> list[Whole]:
    """The trees in turn, in groups of about as many nodes as are taken at once."""
    group = (np.cumsum(sizes) - sizes) // _NODES_AT_ONCE
    return np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(group)) + 1)


def _levels(model: TreeModel, trees: Whole) -> Iterator[Whole]:
    """The nodes of these trees by depth, those that split before the leaves."""
    level = model.starts[trees]
    while len(level):
        level = level[np.argsort(model.column[level] < 0, kind="stable")]
        yield level
        splits = level[model.column[level] >= 0]
        start = model.starts_by_node[splits]
        level = np.stack([start + model.true[splits], start + model.false[splits]], axis=1).ravel()


def _same_field_before(parent: Whole, field: Whole, roots: int) -> Whole:
    """By node: the last node before it on its path that stands behind a split of the same field; 0, a root, if none."""
    before = parent.copy()
    going = np.arange(roots, len(parent))
    while len(going):
        at = before[going]
        going = going[(at >= roots) & (field[at] != field[going])]
        before[going] = parent[before[going]]
    before[before < roots] = 0
    return before
