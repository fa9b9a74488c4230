"""Latency and errors of the last minutes, from the prediction log, minute by minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Clock
from modelyard.history import PredictionLog

from .alerts import AlertBook, AlertState

SOURCE = "requests"
LOOK_BACK = timedelta(minutes=5)
"""So much of the log each look is about; the same as in the rules for Prometheus."""

SPEAKS_FOR = ("latency_p50", "latency_p95", "latency_p99", "error_rate", "row_rate")
_MISSED = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHARES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}


class RequestWatch:
    """Tells the rules how requests were answered, every `alerts.every`. A look that is made again changes nothing.

    Looks that were missed, the last 60 of them, are made later as they would have been then. Each costs the records
    of five minutes.
    """

    def __init__(self, log: PredictionLog, book: AlertBook, clock: Clock) -> None:
        self._log = log
        self._book = book
        self._clock = clock
        self._looked: dict[str, datetime] = {}

    def look(self, deployment: str) -> list[AlertState]:
        """Make the looks that are due; returns what changed."""
        due = list(self._due(deployment))
        if not due:
            return []
        span = self._log.predictions(deployment, start=due[0] - LOOK_BACK, end=due[-1])
        asked = span.filter(pc.field("role") != "shadow")
        changed = []
        for at in due:
            inside = _between(asked, at - LOOK_BACK, at) if len(due) > 1 else asked
            values = request_values(inside, self._book.settings.min_requests)
            every = self._book.settings.every
            changed += self._book.tell(SOURCE, deployment, values, at=at, every=every, speaks_for=SPEAKS_FOR)
            self._looked[deployment] = at
        return changed

    def _due(self, deployment: str) -> Iterator[datetime]:
        every = self._book.settings.every
        newest = _EPOCH + (self._clock.now() - _EPOCH) // every * every
        last = self._looked.get(deployment) or self._book.told_at(SOURCE, deployment)
        at = newest if last is None else max(last + every, newest - _MISSED * every)
        while at <= newest:
            yield at
            at += every


def request_values(asked: pa.Table, min_requests: int) -> dict[str, float]:
    """The metrics of some records of the log: of latency (of answers) and errors only with `min_requests` records.

    A quantile is the smallest latency that its share of the answers did not exceed, so that it is above a bound of
    Prometheus' histogram exactly when `histogram_quantile` is.
    """
    values = {"row_rate": len(asked) / LOOK_BACK.total_seconds()}
    if len(asked) < min_requests:
        return values
    values["error_rate"] = (len(asked) - asked.column("error").null_count) / len(asked)
    latencies = asked.filter(pc.field("answered")).column("latency_us").to_numpy() / 1000
    if len(latencies):
        found = np.quantile(latencies, list(_SHARES.values()), method="inverted_cdf")
        values |= dict(zip(_SHARES, map(float, found), strict=True))
    return values


def _between(asked: pa.Table, start: datetime, end: datetime) -> pa.Table:
    at = pc.field("event_us")
    instant = pa.timestamp("us", tz="UTC")
    return asked.filter((at >= pa.scalar(start, instant)) & (at < pa.scalar(end, instant)))
