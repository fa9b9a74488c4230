"""Data drift of one feature: an effect beyond its threshold that chance alone does not explain."""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from statistics import NormalDist

import numpy as np

from modelyard.core import Scalar, Verdict
from modelyard.inference import ColumnProfile
from modelyard.stats import ks_binned, null_quantile, psi, total_variation

from .counts import ColumnCounter, ColumnCounts, counts_of
from .records import FeatureDrift
from .settings import MonitorSettings

ALPHA = 0.01
"""Chance, over all features of a window together, that one is called drifted when nothing changed."""


def feature_drift(
    reference: ColumnProfile, values: Sequence[Scalar], settings: MonitorSettings, *, columns: int
) -> FeatureDrift:
    """Judge one column of a window, raw values (n,), against its reference profile; see `drift_of`."""
    counter = ColumnCounter(reference, None)
    counter.add(values)
    return drift_of(counts_of(reference), counter.whole(), settings, columns=columns)


def drift_of(
    reference: ColumnCounts, current: ColumnCounts, settings: MonitorSettings, *, columns: int
) -> FeatureDrift:
    """Judge the counts of one column against those of the reference, over the same bins or levels.

    Drifted: PSI or the effect (KS, total variation) or the change of the missing share is beyond its threshold, and
    the effect also beyond what chance gives at these sizes, corrected over `columns`. Where chance alone could reach
    the threshold the verdict is inconclusive, unless the effect is beyond that too. With values on one side only there
    is nothing to compare but the missing share. Rows are taken as independent. Values of the wrong type count as
    missing; `quality` has them apart.
    """
    missing = _missing(reference), _missing(current)
    chance = _chance_of_share(reference.rows, current.rows, columns)
    before, now = np.array(reference.bins, dtype=float), np.array(current.bins, dtype=float)
    is_number = reference.kind == "number"
    effect = ks_binned(before, now) if is_number else total_variation(before, now)
    stability = psi(before, now)
    bound = max(chance, _bound(reference.bins, _rounded(int(now.sum())), columns, numeric=is_number))
    changed = effect > bound and (stability > settings.psi or effect > settings.distance)
    verdict, reason = "pass", f"effect {effect:.2f}"
    if changed:
        verdict, reason = "fail", f"PSI {stability:.2f}, effect {effect:.2f}"
    elif abs(missing[1] - missing[0]) > max(settings.missing, chance):
        verdict, reason = "fail", f"missing {missing[0]:.0%} → {missing[1]:.0%}"
    elif before.sum() == 0 or now.sum() == 0:
        verdict, reason = "inconclusive", "no data to compare"
    elif bound > settings.distance:
        verdict, reason = "inconclusive", f"{int(now.sum())} rows cannot show an effect of {settings.distance:g}"
    return FeatureDrift(
        name=reference.name,
        kind=reference.kind,
        psi=stability,
        effect=effect,
        bound=min(bound, 1.0),
        missing_reference=missing[0],
        missing_current=missing[1],
        verdict=Verdict(verdict).value,
        reason=reason,
        shift=_shift(reference, current),
    )


def _chance_of_share(reference: int, current: int, columns: int) -> float:
    """How far apart chance puts two shares of so many rows, corrected; the variance is taken at its worst, 1/4."""
    if reference == 0 or current == 0:
        return float("inf")
    return NormalDist().inv_cdf(1 - ALPHA / columns / 2) * sqrt(0.25 * (1 / reference + 1 / current))


def _missing(counts: ColumnCounts) -> float:
    return (counts.missing + counts.mistyped) / max(1, counts.rows)


def _shift(reference: ColumnCounts, current: ColumnCounts) -> float | None:
    if current.mean is None or reference.mean is None or not reference.deviation:
        return None
    return (current.mean - reference.mean) / reference.deviation


def _rounded(rows: int) -> int:
    """Down to two digits, so that bounds can be remembered; fewer rows only make the bound wider."""
    if rows < 100:
        return rows
    scale: int = 10 ** (len(str(rows)) - 2)
    return int(rows // scale * scale)


@lru_cache(maxsize=4096)
def _bound(reference: tuple[int, ...], rows: int, columns: int, *, numeric: bool) -> float:
    statistic = ks_binned if numeric else total_variation
    return null_quantile(reference, rows, statistic, alpha=ALPHA, columns=columns, rounds=200)
