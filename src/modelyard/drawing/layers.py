"""Where the boxes of a graph stand in a picture: in layers, from the top, with few crossings.

The layered method of Sugiyama, Tagawa and Toda (IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981): layers
by longest path, unseen points where an edge crosses a layer, order within layers by the mean place of the neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

GAP = 44.0
"""Between boxes of a layer, in pixels; boxes of layers keep `RISE` between them."""
RISE = 64.0
BOX_HEIGHT = 52.0
"""Of every box, in pixels."""

_SWEEPS = 12
_SETTLING = 40


@dataclass(frozen=True)
class Edge:
    """An arrow. `waits`: no value goes along it, so that it is dashed; `label`: what it says."""

    source: str
    target: str
    waits: bool = False
    label: str = ""


@dataclass(frozen=True)
class Box:
    """A box' place: its centre, and its width."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Chart:
    """Boxes by name, and each edge with the points it goes through, from box to box."""

    boxes: Mapping[str, Box]
    edges: tuple[tuple[Edge, tuple[tuple[float, float], ...]], ...]
    width: float
    height: float


def lay_out(edges: tuple[Edge, ...], widths: Mapping[str, float]) -> Chart:
    """Places for boxes of these widths, `BOX_HEIGHT` high. Edges of a circle are drawn upwards."""
    layer = _layers(list(widths), edges)
    chains = [(edge, _chain(number, edge, layer)) for number, edge in enumerate(edges)]
    sizes = dict(widths) | {point: 8.0 for _, chain in chains for point in chain[1:-1]}
    rows = _rows(layer, chains)
    near: dict[str, list[str]] = {each: [] for each in sizes}
    for _, chain in chains:
        for one, other in pairwise(chain):
            near[one].append(other)
            near[other].append(one)
    _uncross(rows, near)
    x = _across(rows, near, sizes)
    depth = {each: index for index, row in enumerate(rows) for each in row}
    y = {each: BOX_HEIGHT / 2 + depth[each] * (BOX_HEIGHT + RISE) for each in sizes}
    left = min((x[each] - sizes[each] / 2 for each in sizes), default=0.0)
    boxes = {each: Box(x[each] - left, y[each], widths[each]) for each in widths}
    paths = tuple((edge, _path(edge, [(x[each] - left, y[each]) for each in chain])) for edge, chain in chains)
    width = max((box.x + box.width / 2 for box in boxes.values()), default=0.0)
    width = max([width, *(point[0] for _, path in paths for point in path)])
    return Chart(boxes, paths, width, len(rows) * (BOX_HEIGHT + RISE) - RISE if rows else 0.0)


def _layers(names: list[str], edges: tuple[Edge, ...]) -> dict[str, int]:
    """Each below all it depends on. In a circle the growing ends with as many layers as there are boxes."""
    layer = dict.fromkeys(names, 0)
    for _ in names:
        before = dict(layer)
        for edge in edges:
            if edge.source != edge.target:
                layer[edge.target] = min(max(layer[edge.target], layer[edge.source] + 1), len(names) - 1)
        if layer == before:
            break
    places = {depth: index for index, depth in enumerate(sorted(set(layer.values())))}
    return {name: places[depth] for name, depth in layer.items()}


def _chain(number: int, edge: Edge, layer: Mapping[str, int]) -> list[str]:
    """The boxes at both ends, and unseen points in the layers between."""
    between = range(layer[edge.source] + 1, layer[edge.target])
    return [edge.source, *(f"\0{number}\0{depth}" for depth in between), edge.target]


def _rows(layer: Mapping[str, int], chains: list[tuple[Edge, list[str]]]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name, depth in layer.items():
        rows[depth].append(name)
    for edge, chain in chains:
        for depth, point in enumerate(chain[1:-1], layer[edge.source] + 1):
            rows[depth].append(point)
    return rows


def _uncross(rows: list[list[str]], near: Mapping[str, list[str]]) -> None:
    """Order each row by the mean place of its neighbours above, then of those below, several times."""
    down = list(pairwise(rows))
    up = [(low, high) for high, low in reversed(down)]
    for fixed, moved in (down + up) * (_SWEEPS // 2):
        place = {each: index for index, each in enumerate(fixed)}
        own = {each: index for index, each in enumerate(moved)}
        wanted = {each: _mean([place[one] for one in near[each] if one in place], own[each]) for each in moved}
        moved.sort(key=wanted.__getitem__)


def _mean(values: list[float] | list[int], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _across(rows: list[list[str]], near: Mapping[str, list[str]], sizes: Mapping[str, float]) -> dict[str, float]:
    """Each as near to the middle of its neighbours as the row leaves room."""
    x: dict[str, float] = {}
    for row in rows:
        total = sum(sizes[each] for each in row) + GAP * (len(row) - 1)
        at = -total / 2
        for each in row:
            x[each] = at + sizes[each] / 2
            at += sizes[each] + GAP
    for _ in range(_SETTLING):
        for row in rows:
            wanted = [_mean([x[one] for one in near[each]], x[each]) for each in row]
            x |= dict(zip(row, _apart(row, wanted, sizes), strict=True))
    return x


def _apart(row: list[str], wanted: list[float], sizes: Mapping[str, float]) -> list[float]:
    """Places close to the wanted ones, in order and not overlapping: the middle of pushing right and pushing left."""
    gaps = [(sizes[one] + sizes[other]) / 2 + GAP for one, other in pairwise(row)]
    right, left = list(wanted), list(wanted)
    for index, gap in enumerate(gaps, 1):
        right[index] = max(right[index], right[index - 1] + gap)
    for index in range(len(gaps) - 1, -1, -1):
        left[index] = min(left[index], left[index + 1] - gaps[index])
    return [(one + other) / 2 for one, other in zip(right, left, strict=True)]


def _path(edge: Edge, points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """From the lower side of the source to the upper side of the target; straight through each layer between."""
    inner = [(x, y + side) for x, y in points[1:-1] for side in (-BOX_HEIGHT / 2, BOX_HEIGHT / 2)]
    first, last = points[0], points[-1]
    if edge.source == edge.target:
        return first, last
    return (first[0], first[1] + BOX_HEIGHT / 2), *inner, (last[0], last[1] - BOX_HEIGHT / 2)
