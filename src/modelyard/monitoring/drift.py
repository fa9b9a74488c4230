"""Data drift of one feature: an effect beyond its threshold that chance alone does not explain."""

from collections.abc import Sequence
from functools import lru_cache

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
    the threshold the verdict is inconclusive, unless the effect is beyond that too.
    """
    missing = _missing(reference, values)
    before, now = _counts(reference, values)
    is_number = isinstance(reference, NumberProfile)
    effect = ks_binned(before, now) if is_number else total_variation(before, now)
    stability = psi(before, now)
    bound = _bound(tuple(before.tolist()), _rounded(int(now.sum())), columns, numeric=is_number)
    changed = effect > bound and (stability > settings.psi or effect > settings.distance)
    verdict, reason = "pass", f"effect {effect:.2f}"
    if before.sum() == 0 or not values:
        verdict, reason = "inconclusive", "no data to compare"
    elif changed:
        verdict, reason = "fail", f"PSI {stability:.2f}, effect {effect:.2f}"
    elif _fell_out(missing, len(values), settings):
        verdict, reason = "fail", f"missing {missing[0]:.0%} → {missing[1]:.0%}"
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


def _fell_out(missing: tuple[float, float], rows: int, settings: MonitorSettings) -> bool:
    """Whether the missing share changed by more than its threshold and four standard errors."""
    gap = abs(missing[1] - missing[0])
    return gap > settings.missing and gap > 4 * float(np.sqrt(0.25 / rows))


def _missing(reference: ColumnProfile, values: Sequence[Scalar]) -> tuple[float, float]:
    """The share of missing values in the reference and now."""
    known = sum(reference.counts) + (reference.unknown if isinstance(reference, CategoryProfile) else 0)
    before = reference.nulls / max(1, reference.nulls + known)
    return before, sum(value is None for value in values) / max(1, len(values))


def _counts(reference: ColumnProfile, values: Sequence[Scalar]) -> tuple[Counts, Counts]:
    """Reference and current counts over the same bins or levels; all unknown levels share one."""
    present = [value for value in values if value is not None]
    if isinstance(reference, NumberProfile):
        numbers = np.array([float(value) for value in present])
        bins = np.searchsorted(np.array(reference.edges), numbers, side="left")
        return np.array(reference.counts, dtype=float), np.bincount(bins, minlength=len(reference.counts)).astype(float)
    index = {level: position for position, level in enumerate(reference.levels)}
    now = np.zeros(len(index) + 1)
    for value in present:
        now[index.get(str(value), len(index))] += 1
    return np.array([*reference.counts, reference.unknown], dtype=float), now


def _shift(reference: ColumnProfile, values: Sequence[Scalar]) -> float | None:
    present = [float(value) for value in values if isinstance(value, int | float)]
    if not isinstance(reference, NumberProfile) or not present or not reference.deviation or reference.mean is None:
        return None
    return (float(np.mean(present)) - reference.mean) / reference.deviation


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
