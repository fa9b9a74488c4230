"""Data drift of one feature: an effect beyond its threshold that chance alone does not explain."""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Scalar, Verdict
from modelyard.inference import CategoryProfile, ColumnProfile, NumberProfile
from modelyard.stats import ks_binned, null_quantile, psi, total_variation

from .records import FeatureDrift
from .settings import MonitorSettings

ALPHA = 0.01
"""Chance, over all features of a window together, that one is called drifted when nothing changed."""

Counts = NDArray[np.float64]


def feature_drift(
    reference: ColumnProfile, values: Sequence[Scalar], settings: MonitorSettings, *, columns: int
) -> FeatureDrift:
    """Judge one column of a window, raw values (n,), against its reference profile.

    Drifted: PSI or the effect (KS, total variation) or the change of the missing share is beyond its threshold, and
    the effect also beyond what chance gives at these sizes, corrected over `columns`. Where chance alone could reach
    the threshold the verdict is inconclusive, unless the effect is beyond that too. With values on one side only there
    is nothing to compare but the missing share. Rows are taken as independent.
    """
    missing = _missing(reference, values)
    chance = _chance_of_share(_rows(reference), len(values), columns)
    before, now = _counts(reference, values)
    is_number = isinstance(reference, NumberProfile)
    effect = ks_binned(before, now) if is_number else total_variation(before, now)
    stability = psi(before, now)
    bound = max(chance, _bound(tuple(before.tolist()), _rounded(int(now.sum())), columns, numeric=is_number))
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
        kind="number" if is_number else "category",
        psi=stability,
        effect=effect,
        bound=min(bound, 1.0),
        missing_reference=missing[0],
        missing_current=missing[1],
        verdict=Verdict(verdict).value,
        reason=reason,
        shift=_shift(reference, values),
    )


def _chance_of_share(reference: int, current: int, columns: int) -> float:
    """How far apart chance puts two shares of so many rows, corrected; the variance is taken at its worst, 1/4."""
    if reference == 0 or current == 0:
        return float("inf")
    return NormalDist().inv_cdf(1 - ALPHA / columns / 2) * sqrt(0.25 * (1 / reference + 1 / current))


def _rows(reference: ColumnProfile) -> int:
    unknown = reference.unknown if isinstance(reference, CategoryProfile) else 0
    return sum(reference.counts) + unknown + reference.nulls


def _missing(reference: ColumnProfile, values: Sequence[Scalar]) -> tuple[float, float]:
    """The share of missing values in the reference and now."""
    now = sum(value is None for value in values)
    return reference.nulls / max(1, _rows(reference)), now / max(1, len(values))


def _counts(reference: ColumnProfile, values: Sequence[Scalar]) -> tuple[Counts, Counts]:
    """Reference and current counts over the same bins or levels; all unknown levels share one."""
    present = [value for value in values if value is not None]
    if isinstance(reference, NumberProfile):
        numbers = np.array([float(value) for value in present])
        if _is_constant(reference):
            return _around(reference.edges[0], sum(reference.counts), numbers)
        bins = np.searchsorted(np.array(reference.edges), numbers, side="left")
        return np.array(reference.counts, dtype=float), np.bincount(bins, minlength=len(reference.counts)).astype(float)
    index = {level: position for position, level in enumerate(reference.levels)}
    now = np.zeros(len(index) + 1)
    for value in present:
        now[index.get(str(value), len(index))] += 1
    return np.array([*reference.counts, reference.unknown], dtype=float), now


def _is_constant(reference: NumberProfile) -> bool:
    """Whether the reference holds one value, up to the rounding of its mean: its only edge."""
    spread = abs(reference.mean or 0.0) * 1e-9
    return len(reference.edges) == 1 and reference.deviation is not None and reference.deviation <= spread


def _around(value: float, rows: int, numbers: Counts) -> tuple[Counts, Counts]:
    """Counts below, at and above the one value of the reference, whose bin would hide what falls below."""
    now = [np.sum(numbers < value), np.sum(numbers == value), np.sum(numbers > value)]
    return np.array([0.0, rows, 0.0]), np.array(now, dtype=float)


def _shift(reference: ColumnProfile, values: Sequence[Scalar]) -> float | None:
    present = [float(value) for value in values if isinstance(value, int | float)]
    if not isinstance(reference, NumberProfile) or not present or not reference.deviation or reference.mean is None:
        return None
    return float((np.mean(present) - reference.mean) / reference.deviation)


def _rounded(rows: int) -> int:
    """Down to two digits, so that bounds can be remembered; fewer rows only make the bound wider."""
    if rows < 100:
        return rows
    scale: int = 10 ** (len(str(rows)) - 2)
    return int(rows // scale * scale)


@lru_cache(maxsize=4096)
def _bound(reference: tuple[float, ...], rows: int, columns: int, *, numeric: bool) -> float:
    statistic = ks_binned if numeric else total_variation
    return null_quantile(reference, rows, statistic, alpha=ALPHA, columns=columns, rounds=200)
