"""How much truth is known of some predictions, and how late it comes: what every metric of them rests on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import to_micros
from modelyard.core.durations import format_duration

AGES = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""How old predictions are when it is asked how many of them have a label."""

QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Coverage:
    """What is known of the truth of `predictions` answers, as of one moment.

    `share` is of them those with a label (None without answers). `delay_seconds`: quantiles, by name, of the time from
    a labelled answer to its first label; without the answers that have none yet, so they are low while labels still
    come. `by_age`: by age the share of those old enough that were labelled by then, which are not; an age that none has
    reached is absent.

    Truths by how they came: `early` ones were available before their prediction's event time; `repeated` ones said
    again what was known; `corrected` ones said otherwise later; `conflicting` ones said otherwise at the same instant,
    so that the rule, not the time, decides.
    """

    predictions: int
    labelled: int
    share: float | None
    delay_seconds: dict[str, float]
    by_age: dict[str, float]
    truths: int = 0
    early: int = 0
    repeated: int = 0
    corrected: int = 0
    conflicting: int = 0


def coverage_of(pieces: Iterable[tuple[pa.Table, pa.Table]], as_of: datetime) -> Coverage:
    """Coverage of predictions, given with all their truths in the order in which they count, some at a time.

    Keeps 16 bytes a prediction.
    """
    ages, delays, tally = list[np.ndarray](), list[np.ndarray](), np.zeros(5, np.int64)
    for predictions, told in pieces:
        events = predictions.column("event_us").cast(pa.int64())
        first = told.group_by("prediction_id").aggregate([("available_us", "min")])
        at = pc.index_in(predictions.column("prediction_id"), value_set=first.column("prediction_id").combine_chunks())
        known = first.column("available_us_min").cast(pa.int64()).take(at)
        ages.append(to_micros(as_of) - events.to_numpy())
        delays.append(pc.subtract(known, events).cast(pa.float64()).to_numpy())
        tally += _tally(predictions, told)
    age, delay = _joined(ages), _joined(delays)
    late = delay[~np.isnan(delay)]
    return Coverage(
        predictions=len(age),
        labelled=len(late),
        share=len(late) / len(age) if len(age) else None,
        delay_seconds={f"p{q * 100:g}": float(v) for q, v in zip(QUANTILES, _quantiles(late), strict=False)},
        by_age={format_duration(each): share for each in AGES if (share := _labelled_by(each, age, delay)) is not None},
        **dict(zip(("truths", "early", "repeated", "corrected", "conflicting"), map(int, tally), strict=True)),
    )


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0)


def _quantiles(late: np.ndarray) -> np.ndarray:
    """Seconds (q,); none without labels. A label that came before its prediction came without delay."""
    return np.quantile(np.maximum(late, 0) / 1e6, QUANTILES) if len(late) else np.empty(0)


def _labelled_by(limit: timedelta, age: np.ndarray, delay: np.ndarray) -> float | None:
    micros = limit / timedelta(microseconds=1)
    old = age >= micros
    return float(np.mean(delay[old] <= micros)) if old.any() else None  # NaN is no label, and not less


def _tally(predictions: pa.Table, told: pa.Table) -> np.ndarray:
    """Truths, and those of them that were early, repeated, corrected and conflicting (5,)."""
    if len(told) == 0:
        return np.zeros(5, np.int64)
    at = pc.index_in(told.column("prediction_id"), value_set=predictions.column("prediction_id").combine_chunks())
    events = predictions.column("event_us").cast(pa.int64()).take(at).to_numpy()
    available = told.column("available_us").cast(pa.int64()).to_numpy()
    order = np.argsort(at.to_numpy(), kind="stable")  # of each prediction, in the order in which they count
    whose, when = at.to_numpy()[order], available[order]
    labels = told.column("label").combine_chunks().dictionary_encode().indices.to_numpy()[order]
    again = whose[1:] == whose[:-1]
    same = again & (labels[1:] == labels[:-1])
    at_once = again & ~same & (when[1:] == when[:-1])
    counts = (len(told), (available < events).sum(), same.sum(), (again & ~same & ~at_once).sum(), at_once.sum())
    return np.array(counts, np.int64)
