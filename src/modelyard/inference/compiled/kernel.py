"""The walker of tree ensembles: plain Python over flat arrays, made into machine code by `python -m` this package.

Eight walks go on side by side, so that the processor need not wait for one before it begins the next step of another:
eight rows through one tree, or one row through eight trees. A step has no branch: a value is compared as a whole number
(its place among all float64), a missing one has a place below or above all others, and a leaf leads to itself. Every
sum is taken in the order of the trees, so that a row's answer does not depend on the rows beside it.
"""

from typing import Any

import numpy as np

FIELDS, LANES, STAGES, LEVELS, TREES, OUTPUTS, VECTOR, CODES, SINGLE, ROUNDS, LINK, SETS, ROWS = range(13)
"""Places in `shape`; see `TreeArrays`. ROWS: how many rows are taken together, a multiple of 8."""

DIVIDE, FACTOR = range(2)
"""Places in `scale`: what the sum is divided by before the base is added, and multiplied by after."""

PLAIN, SIGMOID, SOFTMAX, EXPONENTIAL = range(4)
"""What is done to the sum of an ensemble."""

SOURCE, TABLE, MISSING, CODED = range(4)
"""Places in a lane: its field, its table or -1, the place of a missing value, whether it holds codes of categories."""

ROOT, SURE, DEPTH, TARGET = range(4)
"""Places in a tree: its first node, how many steps are taken at once, how many there are at most, its output."""

NEVER = 2**63 - 1
"""A leaf's threshold: nothing is greater."""

MOST_KEYS = 1 << 16
"""So many keys are held at most, of 8 rows at least: half a megabyte, which a core's cache holds."""

HELPERS = ("place_of", "prepare", "step", "eight", "add", "ensemble", "finish")
"""The functions that `walk` is made of, each after those that it calls."""

Array = Any
"""A flat array; in machine code a pointer, so that nothing here may ask for its length."""


def place_of(shape: Array, lanes: Array, stages: Array, tables: Array, lane: int, value: Any) -> Any:
    """The place, among all numbers or all codes, of what a field's value becomes on its way to the trees."""
    table = lanes[4 * lane + TABLE]
    if table >= 0:
        last = shape[LEVELS] - 1
        code = last
        if value >= 0 and value < last:
            code = np.int64(value)
        value = tables[table * shape[LEVELS] + code]
    else:
        for stage in range(shape[STAGES]):
            at = 5 * (stage * shape[LANES] + lane)
            if np.isnan(value):
                value = stages[at]
            value = (value - stages[at + 1]) / stages[at + 2] * stages[at + 3] + stages[at + 4]
    if shape[ROUNDS]:
        value = np.float64(np.float32(value))
    if lanes[4 * lane + CODED]:
        codes = shape[CODES]
        if np.isnan(value):
            return np.int64(codes + 1)
        if value >= 0 and value < codes and np.floor(value) == value:
            return np.int64(value)
        return np.int64(codes)
    if np.isnan(value):
        return lanes[4 * lane + MISSING]
    bits = np.float64(value + 0.0).view(np.int64)  # minus zero becomes zero
    return bits ^ ((bits >> 63) & NEVER)


def prepare(
    shape: Array, lanes: Array, stages: Array, tables: Array, x: Array, begin: int, count: int, keys: Array
) -> None:
    """Fill `keys` from the ninth place on: blocks of eight rows, in each lane by lane the eight places."""
    for lane in range(shape[LANES]):
        source = lanes[4 * lane + SOURCE]
        for row in range(count):
            value = x[(begin + row) * shape[FIELDS] + source]
            place = 8 + ((row >> 3) * shape[LANES] + lane) * 8 + (row & 7)
            keys[place] = place_of(shape, lanes, stages, tables, lane, value)


def step(nodes: Array, sets: Array, keys: Array, node: Any, place: Any, coded: Any) -> Any:
    """The child that a row goes to."""
    word = nodes[2 * node + 1]
    key = keys[place + (word & 0xFFFFFFF8)]
    if coded and word & 1:
        return (word >> 32) + 1 - ((sets[nodes[2 * node] + (key >> 6)] >> (key & 63)) & 1)
    return (word >> 32) + (key > nodes[2 * node])


def eight(nodes: Array, sets: Array, keys: Array, n: Any, p: Any, sure: Any, depth: Any, coded: Any) -> None:
    """Eight walks from the nodes `n` over the keys at `p`: `sure` steps, then until nobody moves.

    The leaves they come to are put into the first eight places of `keys`.
    """
    n0, n1, n2, n3, n4, n5, n6, n7 = n
    p0, p1, p2, p3, p4, p5, p6, p7 = p
    for taken in range(depth):
        o0, o1, o2, o3, o4, o5, o6, o7 = n0, n1, n2, n3, n4, n5, n6, n7
        n0 = step(nodes, sets, keys, n0, p0, coded)
        n1 = step(nodes, sets, keys, n1, p1, coded)
        n2 = step(nodes, sets, keys, n2, p2, coded)
        n3 = step(nodes, sets, keys, n3, p3, coded)
        n4 = step(nodes, sets, keys, n4, p4, coded)
        n5 = step(nodes, sets, keys, n5, p5, coded)
        n6 = step(nodes, sets, keys, n6, p6, coded)
        n7 = step(nodes, sets, keys, n7, p7, coded)
        if taken >= sure:
            moved = (o0 ^ n0) | (o1 ^ n1) | (o2 ^ n2) | (o3 ^ n3) | (o4 ^ n4) | (o5 ^ n5) | (o6 ^ n6) | (o7 ^ n7)
            if moved == 0:
                break
    keys[0] = n0
    keys[1] = n1
    keys[2] = n2
    keys[3] = n3
    keys[4] = n4
    keys[5] = n5
    keys[6] = n6
    keys[7] = n7


def add(shape: Array, values: Array, rows: Array, out: Array, at: Any, target: Any, node: Any) -> None:
    """Add a leaf to the sums of a row, in float32 where the model itself does so."""
    if shape[VECTOR] == 1:
        total = out[at + target] + values[node]
        if shape[SINGLE]:
            total = np.float64(np.float32(total))
        out[at + target] = total
        return
    first = rows[node] * shape[VECTOR]
    for output in range(shape[VECTOR]):
        total = out[at + output] + values[first + output]
        if shape[SINGLE]:
            total = np.float64(np.float32(total))
        out[at + output] = total


def ensemble(
    shape: Array,
    nodes: Array,
    sets: Array,
    values: Array,
    rows: Array,
    trees: Array,
    keys: Array,
    out: Array,
    begin: Any,
    count: Any,
    coded: Any,
) -> None:
    """Add all trees to some rows: tree by tree over blocks of eight rows, then those left over by eight trees."""
    whole, width, lanes = (count >> 3) << 3, shape[OUTPUTS], shape[LANES]
    for tree in range(shape[TREES]):
        r, sure, depth = trees[4 * tree + ROOT], trees[4 * tree + SURE], trees[4 * tree + DEPTH]
        target = trees[4 * tree + TARGET]
        for block in range(count >> 3):
            row = 8 * block
            p = 8 + row * lanes
            places = (p, p + 1, p + 2, p + 3, p + 4, p + 5, p + 6, p + 7)
            eight(nodes, sets, keys, (r, r, r, r, r, r, r, r), places, sure, depth, coded)
            for each in range(8):
                add(shape, values, rows, out, (begin + row + each) * width, target, keys[each])
    for row in range(whole, count):
        p = 8 + whole * lanes + (row & 7)
        for group in range((shape[TREES] + 7) >> 3):
            t = 32 * group  # there are copies of the last tree behind it, up to a multiple of eight
            roots = (
                trees[t],
                trees[t + 4],
                trees[t + 8],
                trees[t + 12],
                trees[t + 16],
                trees[t + 20],
                trees[t + 24],
                trees[t + 28],
            )
            sure, depth = trees[t + SURE], trees[t + DEPTH]
            for each in range(1, 8):
                depth = max(depth, trees[t + 4 * each + DEPTH])
            eight(nodes, sets, keys, roots, (p, p, p, p, p, p, p, p), sure, depth, coded)
            for each in range(8):
                if 8 * group + each >= shape[TREES]:
                    break
                add(shape, values, rows, out, (begin + row) * width, trees[t + 4 * each + TARGET], keys[each])


def finish(shape: Array, base: Array, scale: Array, out: Array, at: Any) -> None:
    """From the sums of a row to its scores."""
    width = shape[OUTPUTS]
    highest = -np.inf
    for output in range(width):
        total = out[at + output]
        if not shape[SINGLE]:
            total = total / scale[DIVIDE] + base[output]
        total = total * scale[FACTOR]
        if shape[LINK] == SIGMOID:
            total = 1.0 / (1.0 + np.exp(-total))
        if shape[LINK] == EXPONENTIAL:
            total = np.exp(total)
        out[at + output] = total
        highest = max(highest, total)
    if shape[LINK] == SOFTMAX:
        whole = 0.0
        for output in range(width):
            out[at + output] = np.exp(out[at + output] - highest)
            whole += out[at + output]
        for output in range(width):
            out[at + output] = out[at + output] / whole


def walk(
    shape: Array,
    lanes: Array,
    stages: Array,
    tables: Array,
    nodes: Array,
    sets: Array,
    values: Array,
    rows: Array,
    trees: Array,
    base: Array,
    scale: Array,
    x: Array,
    out: Array,
    keys: Array,
    count: Any,
) -> None:
    """Scores `out` (count, outputs) of encoded rows `x` (count, fields).

    `keys` has room for eight numbers, and then for a number a lane of so many rows as are taken together, in eights.
    """
    begin = 0
    while begin < count:
        some = count - begin
        some = min(some, shape[ROWS])
        prepare(shape, lanes, stages, tables, x, begin, some, keys)
        for row in range(begin, begin + some):
            for output in range(shape[OUTPUTS]):
                out[row * shape[OUTPUTS] + output] = base[output] if shape[SINGLE] else 0.0
        if shape[SETS]:
            ensemble(shape, nodes, sets, values, rows, trees, keys, out, begin, some, coded=True)
        else:
            ensemble(shape, nodes, sets, values, rows, trees, keys, out, begin, some, coded=False)
        for row in range(begin, begin + some):
            finish(shape, base, scale, out, row * shape[OUTPUTS])
        begin += some
