"""One pass over the units: moments by arm, metric and segment, and how they stood along the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import InvalidInput
from modelyard.stats.experiments import ArmMoments

from .gathering import Units
from .records import Metric, Question

LOOKS = 100
"""So many looks are kept where there is a time."""

MOST_RANKED = 10_000_000
"""Values beyond do not fit the memory that ranks may take."""

Moments = dict[tuple[str, int], ArmMoments]
"""By arm and the metric's place."""


@dataclass
class Tallies:
    """Moments now, within segments by column's place and level, at looks, and values where ranks are asked for."""

    now: Moments = field(default_factory=dict)
    segments: dict[tuple[int, str], Moments] = field(default_factory=dict)
    looks: list[tuple[int, str, Moments]] = field(default_factory=list)
    values: dict[tuple[str, int], list[NDArray[np.float64]]] = field(default_factory=dict)


def tally(units: Units, asked: Question) -> Tallies:
    """Read all units once; memory does not grow with them, but for values that are to be ranked."""
    total = sum(units.arms.values())
    found = Tallies()
    levels = {(at, level) for at in range(len(asked.segments)) for level in units.levels(at)}
    found.segments = {each: {} for each in sorted(levels)}
    ranked = asked.fixed == "mann-whitney"
    if ranked and total * len(units.metrics) > MOST_RANKED:
        raise InvalidInput(
            f"{total} units of {len(units.metrics)} metrics are too many to rank in memory ({MOST_RANKED} values).",
            code="TOO_MANY_VALUES",
            remedy="Compare means: --fixed welch.",
        )
    filler = _means(units, asked)
    seen = 0
    for batch, ends in _sliced(units.batches(), max(1, -(-total // LOOKS)) if asked.time else None):
        seen += len(batch)
        _add(found, batch, units, filler, ranked=ranked)
        if ends or (asked.time and seen == total):
            found.looks.append((seen, _when(batch.column("seen")[-1]), dict(found.now)))
    return found


def _sliced(batches: Iterator[pa.RecordBatch], every: int | None) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """The same rows, cut where a look is due; whether one is."""
    seen = 0
    for batch in batches:
        start = 0
        while start < len(batch):
            due = every - seen % every if every else len(batch)
            part = batch.slice(start, due)
            start, seen = start + len(part), seen + len(part)
            yield part, bool(every) and len(part) == due


def _when(at: pa.Scalar) -> str:
    """An instant as text, in UTC where it has a zone."""
    if pa.types.is_timestamp(at.type):
        return str(at.cast(pa.timestamp("us")).as_py())
    return str(at.as_py())


def _means(units: Units, asked: Question) -> list[float]:
    """Of covariates over all units: what stands for a missing one, whichever its arm."""
    if not asked.covariates:
        return []
    columns = ", ".join(f"avg(covariate{at})" for at in range(len(asked.covariates)))
    (row,) = units.session.sql(f"SELECT {columns} FROM units WHERE arm = other").fetchall()
    return [0.0 if each is None else float(each) for each in row]


def _add(found: Tallies, batch: pa.RecordBatch, units: Units, filler: list[float], *, ranked: bool) -> None:
    arms = np.asarray(batch.column("arm").to_pylist(), dtype=object)
    levels = {
        at: np.asarray(batch.column(f"segment{at}").to_pylist(), dtype=object)
        for at in dict.fromkeys(place for place, _ in found.segments)
    }
    covariates = [np.where(np.isnan(x := _floats(batch, f"covariate{at}")), mean, x) for at, mean in enumerate(filler)]
    for place, metric in enumerate(units.metrics):
        values, known = _values(batch, place, metric, covariates)
        for arm in units.arms:
            mine = known & (arms == arm)
            _merge(found.now, (arm, place), values[mine])
            if ranked:
                found.values.setdefault((arm, place), []).append(values[mine, 0])
            for (at, level), moments in found.segments.items():
                _merge(moments, (arm, place), values[mine & (levels[at] == level)])


def _values(
    batch: pa.RecordBatch, place: int, metric: Metric, covariates: list[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What a unit adds (units, d): the value, a ratio's denominator, covariates; and which units have it."""
    columns = [_floats(batch, f"value{place}")]
    if metric.kind == "ratio":
        columns.append(_floats(batch, f"per{place}"))
    known = np.asarray(~np.isnan(np.column_stack(columns)).any(axis=1))
    return np.column_stack([*columns, *covariates]), known


def _floats(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)


def _merge(moments: Moments, key: tuple[str, int], values: NDArray[np.float64]) -> None:
    moments[key] = moments.get(key, ArmMoments()).merge(ArmMoments.of(values))


def of_arm(moments: Mapping[tuple[str, int], ArmMoments], arm: str, place: int) -> ArmMoments:
    """The moments of an arm's metric; empty ones where no unit has it."""
    return moments.get((arm, place), ArmMoments())
