"""Performance before labels are known, from rows whose losses are: direct loss estimation, and a second opinion."""

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import MISSING_CODE, ReferenceProfile, SampledRows, codes_of, losses_of, pack_rows
from modelyard.stats import Estimate, estimate_loss, reweighted_mean

from .records import Estimated, SecondOpinion
from .sample import joined_rows
from .together import alone, encoded_rows

LEAST = 200
"""Fewer labelled rows teach nothing."""

_MOST = 3_000
_METRICS = {"regression": "mae"}

Floats = NDArray[np.float64]


def labelled(parts: Sequence[SampledRows]) -> SampledRows | None:
    """The rows of samples whose losses are known, at most 3,000, evenly; None below 200."""
    rows = joined_rows(parts)
    if rows is None:
        return None
    known = np.flatnonzero(~np.isnan(losses_of(rows)))
    if len(known) < LEAST:
        return None
    if len(known) > _MOST:
        known = known[np.linspace(0, len(known) - 1, _MOST).astype(np.int64)]
    codes, losses = codes_of(rows)[known], losses_of(rows)[known]
    return pack_rows({name: codes[:, at] for at, name in enumerate(rows.columns)}, losses)


def estimated_directly(
    task: str, known: SampledRows, now: SampledRows, wanted: Collection[str] = ()
) -> dict[str, Estimated]:
    """What labelled rows say of the errors of rows like those of now; see `stats.estimate_loss`.

    `mae` of regression, and `rmse` where it is `wanted`; `accuracy` of several classes, as one less the chance of a
    wrong one. Of bins, not values: beyond training's range all rows are alike. Empty where the samples share no column.
    """
    columns = [each for each in known.columns if each in now.columns]
    if not columns:
        return {}
    x, y, losses = _values(known, columns), _values(now, columns), losses_of(known)
    if task != "regression":
        wrong = estimate_loss(x, losses, y)
        return {} if wrong is None else {"accuracy": _told(_flipped(wrong))}
    found = {"mae": estimate_loss(x, losses, y)}
    if "rmse" in wanted:
        found["rmse"] = _root(estimate_loss(x, losses**2, y))
    return {name: _told(each) for name, each in found.items() if each is not None}


def second_opinion(
    task: str, profile: ReferenceProfile, known: SampledRows, now: SampledRows, first: dict[str, Estimated]
) -> SecondOpinion | None:
    """The labelled rows' own losses, weighted to look like the rows of now; see `stats.reweighted_mean`.

    It `disagrees` where its interval and that of the first estimate do not meet.
    """
    rows = encoded_rows(profile, known, now)
    if rows is None:
        return None
    metric = _METRICS.get(task, "accuracy")
    with alone():
        found = reweighted_mean(rows[0], losses_of(known), rows[1])
    if found.estimate is None:
        return SecondOpinion(metric, found.effective, found.rows)
    told = found.estimate if task == "regression" else _flipped(found.estimate)
    other = first.get(metric)
    apart = other is not None and (told.lower > other.upper or told.upper < other.lower)
    return SecondOpinion(metric, found.effective, found.rows, told.value, told.lower, told.upper, disagrees=apart)


def _values(rows: SampledRows, columns: Sequence[str]) -> Floats:
    """Codes as numbers (n, columns), NaN where a value is missing."""
    codes = codes_of(rows, columns).astype(np.float64)
    codes[codes == MISSING_CODE] = np.nan
    return codes


def _told(each: Estimate) -> Estimated:
    return Estimated(each.value, each.lower, each.upper, "DLE")


def _flipped(wrong: Estimate) -> Estimate:
    """A share of right answers from that of wrong ones."""
    value, lower, upper = (min(1.0, max(0.0, 1 - each)) for each in (wrong.value, wrong.upper, wrong.lower))
    return Estimate(value, lower, upper)


def _root(square: Estimate | None) -> Estimate | None:
    if square is None:
        return None
    return Estimate(math.sqrt(square.value), math.sqrt(max(0.0, square.lower)), math.sqrt(square.upper))
