"""How often planted drift is found at so many rows: what the thresholds mean in practice."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .compare import compare_columns
from .options import CompareOptions

Draw = Callable[[np.random.Generator, int], pa.Table]


@dataclass(frozen=True)
class Planted:
    """A planted change, and the shares of pairs in which it was found and in which it was too small to tell."""

    name: str
    rows: int
    found: float
    inconclusive: float


def power_table(
    rows: Sequence[int] = (200, 1000, 10_000), pairs: int = 40, *, names: Sequence[str] = (), seed: int = 0
) -> list[Planted]:
    """Compare `pairs` pairs of samples of each planted change (or of those named), as many rows on both sides."""
    chosen = [each for each in _CHANGES if not names or each[0] in names]
    return [_measured(*change, each, pairs, seed) for change in chosen for each in rows]


def power_lines(found: Sequence[Planted]) -> Iterator[str]:
    """The table as Markdown: found, and in brackets too little to tell."""
    sizes = sorted({each.rows for each in found})
    yield f"| planted | {' | '.join(f'{size:,} rows' for size in sizes)} |"
    yield "|---|" + "---|" * len(sizes)
    cells = {(each.name, each.rows): each for each in found}
    for name in dict.fromkeys(each.name for each in found):
        said = [cells[name, size] for size in sizes]
        yield f"| {name} | {' | '.join(f'{each.found:.0%}' + _unsure(each) for each in said)} |"


def _unsure(found: Planted) -> str:
    return f" ({found.inconclusive:.0%})" if found.inconclusive else ""


def _measured(name: str, before: Draw, now: Draw, rows: int, pairs: int, seed: int) -> Planted:
    random = np.random.default_rng(seed)
    options = CompareOptions(joint="correlation" in name, threads=1)
    verdicts = [compare_columns(before(random, rows), now(random, rows), options).verdict for _ in range(pairs)]
    return Planted(name, rows, verdicts.count("fail") / pairs, verdicts.count("inconclusive") / pairs)


def _normal(mean: float = 0.0, spread: float = 1.0) -> Draw:
    return lambda random, rows: pa.table({"x": random.normal(mean, spread, rows)})


def _tail(share: float) -> Draw:
    def draw(random: np.random.Generator, rows: int) -> pa.Table:
        far = random.random(rows) < share
        return pa.table({"x": np.where(far, random.normal(4, 1, rows), random.normal(size=rows))})

    return draw


def _missing(share: float) -> Draw:
    def draw(random: np.random.Generator, rows: int) -> pa.Table:
        return pa.table({"x": np.where(random.random(rows) < share, np.nan, random.normal(size=rows))})

    return draw


def _levels(new: float) -> Draw:
    names: NDArray[np.str_] = np.array(["a", "b", "c", "d", "new"])
    shares = [*(share * (1 - new) for share in (0.4, 0.3, 0.2, 0.1)), new]
    return lambda random, rows: pa.table({"c": names[random.choice(5, rows, p=shares)]})


def _pair(correlation: float) -> Draw:
    def draw(random: np.random.Generator, rows: int) -> pa.Table:
        x, y = random.normal(size=(2, rows))
        return pa.table({"x": x, "y": correlation * x + np.sqrt(1 - correlation**2) * y})

    return draw


_CHANGES: tuple[tuple[str, Draw, Draw], ...] = (
    ("nothing", _normal(), _normal()),
    *((f"mean + {shift:g} deviations", _normal(), _normal(shift)) for shift in (0.1, 0.2, 0.3, 0.4, 0.5)),
    *((f"spread x {spread:g}", _normal(), _normal(0.0, spread)) for spread in (1.25, 1.5, 2.0)),
    *((f"tail: {share:.0%} of rows 4 deviations off", _normal(), _tail(share)) for share in (0.05, 0.2)),
    *((f"missing 5% → {share:.0%}", _missing(0.05), _missing(share)) for share in (0.1, 0.25, 0.5)),
    *((f"new level, {share:.0%} of rows", _levels(0.0), _levels(share)) for share in (0.05, 0.2)),
    *((f"correlation 0 → {strength:g} only", _pair(0.0), _pair(strength)) for strength in (0.5, 0.9)),
)
