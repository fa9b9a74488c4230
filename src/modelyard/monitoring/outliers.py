"""Outliers: values far beyond where the middle of training lay. Another report than drift: one stray is no drift."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.inference import NumberProfile, ReferenceProfile, fences
from modelyard.stats import wilson

from .counts import as_numbers
from .records import FeatureOutliers, Judged
from .settings import MonitorSettings

_NAMED = 3


@dataclass
class Tally:
    """What was seen of one column. `worst`: (how far, prediction id, value), the furthest first."""

    ends: tuple[float, float]
    rows: int = 0
    strays: int = 0
    worst: list[tuple[float, str, float]] = field(default_factory=list)


class OutlierCounter:
    """Counts values beyond the fences of each numeric column, a table at a time, and remembers the furthest."""

    def __init__(self, profile: ReferenceProfile) -> None:
        self._tallies: dict[str, Tally] = {}
        for each in profile.columns:
            if isinstance(each, NumberProfile) and (ends := fences(each)) is not None:
                self._tallies[each.name] = Tally(ends)

    def add(self, table: pa.Table, names: Sequence[str]) -> None:
        """Count the answers of a table, whose features have these names."""
        for place, name in enumerate(names):
            column = f"feature_{place}"
            if name in self._tallies and column in table.column_names:
                self._count(self._tallies[name], table, column)

    def counted(self, hidden: set[str]) -> Mapping[str, Tally]:
        """By column, those that are `hidden` left out."""
        return {name: each for name, each in self._tallies.items() if name not in hidden and each.rows}

    @staticmethod
    def _count(tally: Tally, table: pa.Table, column: str) -> None:
        low, high = tally.ends
        values, _ = as_numbers(table.column(column))
        tally.rows += int(np.count_nonzero(~np.isnan(values)))
        far = np.flatnonzero((values < low) | (values > high))
        if not len(far):
            return
        tally.strays += len(far)
        reach = np.maximum(low - values[far], values[far] - high) / (high - low)
        top = np.flatnonzero(
            reach >= np.sort(reach)[-_NAMED:][0]
        )  # all that are as far as the third: order is no matter
        ids = pc.take(table.column("prediction_id"), pa.array(far[top])).to_pylist()
        found = zip(reach[top].tolist(), map(str, ids), values[far][top].tolist(), strict=True)
        tally.worst = sorted([*tally.worst, *found], key=lambda each: (-each[0], each[1]))[:_NAMED]


def outliers_of(
    counted: Mapping[str, Tally], profile: ReferenceProfile, settings: MonitorSettings
) -> tuple[FeatureOutliers, ...]:
    """Judge each column: fails when surely more than `outliers` above the share that training had beyond the fences."""
    known = {each.name: each for each in profile.columns if isinstance(each, NumberProfile)}
    return tuple(_judged(name, each, known[name], settings) for name, each in counted.items() if name in known)


def _judged(name: str, tally: Tally, profile: NumberProfile, settings: MonitorSettings) -> FeatureOutliers:
    before = None if profile.strays is None else profile.strays / max(1, sum(profile.counts))
    verdict, reason = _verdict(tally, before, settings)
    return FeatureOutliers(
        name=name,
        low=tally.ends[0],
        high=tally.ends[1],
        rows=tally.rows,
        share=tally.strays / tally.rows,
        share_reference=before,
        furthest=tuple((identity, value) for _, identity, value in tally.worst),
        verdict=verdict,
        reason=reason,
    )


def _verdict(tally: Tally, before: float | None, settings: MonitorSettings) -> tuple[Judged, str]:
    share = f"{tally.strays / tally.rows:.1%} beyond the fences"
    if before is None:
        return "inconclusive", f"{share}; the bundle does not say how many of training were: build it again"
    told = f"{share}, {before:.1%} in training"
    ends = wilson(tally.strays, tally.rows)
    if ends is None or tally.rows < settings.min_rows:
        return "inconclusive", f"only {tally.rows} rows"
    if ends[0] > before + settings.outliers:
        return "fail", told
    return ("pass", told) if ends[1] <= before + settings.outliers else ("inconclusive", told)
