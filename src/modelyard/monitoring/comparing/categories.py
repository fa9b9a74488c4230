"""Levels: counts over the levels of both sides, a handful or a million, to a verdict."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.stats import (
    GatheredLevels,
    NewLevels,
    gather_levels,
    jensen_shannon,
    new_levels,
    psi,
    share_null_quantile,
    total_variation,
    two_sample_chi_square,
)

from .judging import Measured, judged, sides
from .numbers import missing_of, without_values
from .options import CompareOptions
from .records import ColumnDrift

LISTED = 20
"""So many new and vanished levels are named, the commonest first."""

_DRAWN = 10
_LONGEST = 120

Counts = NDArray[np.float64]
_EFFECTS = {"psi": psi, "js": jensen_shannon, "total_variation": total_variation}


@dataclass(frozen=True)
class Tally:
    """One side of a column: how many rows have each level, and how many none."""

    levels: pa.Array
    counts: Counts
    missing: int

    @property
    def rows(self) -> int:
        """All rows, missing ones too."""
        return int(self.counts.sum()) + self.missing


def judge_levels(
    name: str,
    reference: Tally,
    current: Tally,
    options: CompareOptions,
    *,
    columns: int,
    named: bool = True,
    **facts: Any,
) -> ColumnDrift:
    """Judge two tallies. `columns`: how many are judged together; `facts` are kept in the record.

    Of many levels the rare ones are gathered in buckets that are chosen without a look at their counts, so that the
    noise of thousands of levels does not read as drift; that new levels took their place is judged by their share.
    `named`: whether levels are called by their names, and may be shown.
    """
    missing = missing_of(reference.missing, reference.rows, current.missing, current.rows, options, columns)
    facts |= sides((reference.rows, current.rows), (reference.missing, current.missing))
    if not reference.counts.sum() or not current.counts.sum():
        return without_values(name, "category", missing, facts)
    levels, r, c = aligned(reference, current)
    gathered, new = gather_levels(r, c), new_levels(r, c)
    rows = int(r.sum()), int(c.sum())
    alpha = options.alpha / columns / 4
    tested = two_sample_chi_square(gathered.reference, gathered.current)
    found = {method: effect(gathered.reference, gathered.current) for method, effect in _EFFECTS.items()}
    found["chi2"] = tested.effect if tested else 0.0
    deciding = [
        Measured(each, found[each], options.threshold_of(each), _null(each, gathered, rows, alpha))
        for each in options.deciding(numeric=False)
    ]
    return judged(
        name,
        "category",
        deciding,
        [missing, _of_new(new, options, rows, alpha)],
        rows,
        p_value=tested.p_value if tested else 1.0,
        psi=found["psi"],
        js=found["js"],
        chi2=tested.statistic if tested else 0.0,
        total_variation=found["total_variation"],
        new_levels=_commonest(levels, c, r == 0) if named else (),
        vanished_levels=_commonest(levels, r, c == 0) if named else (),
        new_share=new.share,
        new_expected=new.expected,
        **(_picture(levels, r, c) if named else {}),
        **facts,
    )


def aligned(reference: Tally, current: Tally) -> tuple[pa.Array, Counts, Counts]:
    """Counts over the same levels, in an order that depends on their names alone."""
    places = pc.index_in(current.levels, value_set=reference.levels)
    fresh = pc.is_null(places)
    known = np.asarray(pc.invert(fresh))
    now = np.zeros(len(reference.levels))
    now[np.asarray(places.drop_null())] = current.counts[known]
    levels = pa.concat_arrays([reference.levels, current.levels.filter(fresh)])
    before = np.concatenate([reference.counts, np.zeros(len(levels) - len(now))])
    now = np.concatenate([now, current.counts[~known]])
    order = np.asarray(pc.sort_indices(levels))
    return levels.take(pa.array(order)), before[order], now[order]


def _null(method: str, gathered: GatheredLevels, rows: tuple[int, int], alpha: float) -> float:
    """Cramér's V of two samples has its chi-square's null; the others are drawn."""
    if method == "chi2":
        return gathered.null_quantile(rows[1], _cramers_v, alpha=alpha)
    floor = share_null_quantile(*rows, alpha) if method == "total_variation" else 0.0
    return max(floor, gathered.null_quantile(rows[1], _EFFECTS[method], alpha=alpha))


def _cramers_v(first: Any, second: Any) -> Any:
    """Of many pairs of counts (rounds, n_levels)."""
    found = (two_sample_chi_square(one, other) for one, other in zip(first, second, strict=True))
    return np.array([each.effect if each else 0.0 for each in found])


def _of_new(new: NewLevels, options: CompareOptions, rows: tuple[int, int], alpha: float) -> Measured:
    told = f"new levels {new.share:.1%} of rows" + (f", {new.expected:.1%} expected" if new.expected > 0 else "")
    bound = share_null_quantile(*rows, alpha)
    return Measured("new_levels", new.excess, options.threshold_of("new_levels"), bound, told)


def _commonest(levels: pa.Array, counts: Counts, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    places = np.flatnonzero(chosen & (counts > 0))
    top = places[np.argsort(-counts[places], kind="stable")[:LISTED]]
    return tuple(_short(each) for each in levels.take(pa.array(top)).to_pylist())


def _short(level: str) -> str:
    return level if len(level) <= _LONGEST else level[: _LONGEST - 1] + "…"


def _picture(levels: pa.Array, r: Counts, c: Counts) -> dict[str, Any]:
    """Shares of the commonest levels of both, and of all others together, for the page."""
    first, second = r / r.sum(), c / c.sum()
    top = np.argsort(-(first + second), kind="stable")[:_DRAWN]
    labels = [_short(each) for each in levels.take(pa.array(top)).to_pylist()]
    shares = first[top].tolist(), second[top].tolist()
    if len(levels) > _DRAWN:
        labels.append(f"{len(levels) - _DRAWN:,} others")
        shares = [*shares[0], max(0.0, 1 - sum(shares[0]))], [*shares[1], max(0.0, 1 - sum(shares[1]))]
    return {"labels": tuple(labels), "shares_ref": tuple(shares[0]), "shares_cur": tuple(shares[1])}
