"""Which windows there are: stretches of event time, by the clock or by the number of answers, and when each closes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Micros, from_micros, to_micros
from modelyard.history import PredictionLog

from .settings import MonitorSettings

_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday: weekly windows begin on Mondays


@dataclass(frozen=True)
class Span:
    """[start, end) of event time. It closes `late` after its end, and is judged as known then."""

    start: datetime
    end: datetime
    closes: datetime


def first_start(settings: MonitorSettings, now: datetime, since: datetime | None) -> datetime:
    """Where watching begins: with `since`, by default with the last window that has closed."""
    if settings.count is not None:
        return since or now - settings.late - settings.window
    return aligned(since or aligned(now - settings.late, settings.window) - settings.window, settings.window)


def closed_spans(
    log: PredictionLog, deployment: str, settings: MonitorSettings, start: datetime, now: datetime
) -> Iterator[Span]:
    """The windows from `start` on that have closed, oldest first.

    Of a count the instants of the answers since `start` are read; a window ends with its last answer, those of the same
    microsecond included.
    """
    latest = now - settings.late
    if settings.count is None:
        while start + settings.window <= latest:
            yield Span(start, start + settings.window, start + settings.window + settings.late)
            start += settings.window
        return
    instants = _instants(log, deployment, start, latest)
    while (last := int(np.searchsorted(instants, to_micros(start))) + settings.count - 1) < len(instants):
        end = from_micros(Micros(int(instants[last]) + 1))
        yield Span(start, end, end + settings.late)
        start = end


def aligned(at: datetime, window: timedelta) -> datetime:
    """The start of the window of this length that an instant lies in."""
    return _EPOCH + (at - _EPOCH) // window * window


def _instants(log: PredictionLog, deployment: str, start: datetime, end: datetime) -> np.ndarray:
    """When the answers of a stretch were asked for (n,), in order, in microseconds."""
    if end <= start:
        return np.empty(0, np.int64)
    tables = log.by_place(deployment, start=start, end=end, columns=("event_us", "role"), features=False)
    found = [
        table.filter(pc.field("role") != "shadow").column("event_us").cast(pa.int64()).to_numpy() for _, table in tables
    ]
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)
