"""The year as clients live it: requests in the order of their prediction times, in moments of unchanging features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Micros, from_micros
from modelyard.data import load_function

from .traffic import Request

START, END = datetime(2013, 4, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
FIELDS = ("carrier", "origin", "dest", "tailnum", "distance", "hour", "minute", "weekday")

_HOUR = int(timedelta(hours=1) / timedelta(microseconds=1))
_PUBLISHED = int(timedelta(minutes=5) / timedelta(microseconds=1))


@dataclass(frozen=True)
class Moment:
    """A stretch of time in which no feature changes, and the requests that fall into it."""

    start: datetime
    requests: Sequence[Request]


def moments(project_folder: Path, *, share: float, seed: int) -> Iterator[Moment]:
    """April to December, a random `share` of the flights.

    Congestion becomes known on the hour and weather five minutes past it, so that a moment begins at each of these.
    """
    flights = load_function("loader.py:all_flights", project_folder)()
    requests = _requests(_sample(flights, share, seed))
    for start, group in groupby(requests, key=lambda request: _moment(request.at_us)):
        yield Moment(from_micros(start), list(group))


def count(project_folder: Path, *, share: float, seed: int) -> int:
    """How many requests `moments` will give."""
    return len(_sample(load_function("loader.py:all_flights", project_folder)(), share, seed))


def _sample(flights: pa.Table, share: float, seed: int) -> pa.Table:
    at = flights.column("prediction_time")
    inside = pc.and_(
        pc.greater_equal(at, pa.scalar(START.replace(tzinfo=None), at.type)),
        pc.less(at, pa.scalar(END.replace(tzinfo=None), at.type)),
    )
    chosen = flights.filter(inside)
    if share >= 1:
        return chosen
    return chosen.filter(pa.array(np.random.default_rng(seed).random(len(chosen)) < share))


def _requests(flights: pa.Table) -> Iterator[Request]:
    at = flights.column("prediction_time").cast(pa.int64()).to_pylist()
    known = flights.column("label_known_at").cast(pa.int64()).to_pylist()
    labels = flights.column("late").to_pylist()
    numbers = flights.column("flight_id").to_pylist()
    columns = [flights.column(name).to_pylist() for name in FIELDS]
    for at_us, known_us, label, number, *values in zip(at, known, labels, numbers, *columns, strict=True):
        fields = dict(zip(FIELDS, values, strict=True))
        learned = label if known_us is not None else None
        entity = None if fields["tailnum"] is not None else f"flight {number}"
        yield Request(Micros(at_us), fields, learned, Micros(known_us or 0), entity)


def _moment(at: int) -> int:
    hour = at // _HOUR * _HOUR
    return hour + _PUBLISHED if at >= hour + _PUBLISHED else hour
