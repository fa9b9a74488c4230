"""Latency and errors, minute by minute, from the log."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from modelyard.core import ManualClock, to_micros
from modelyard.history import PredictionLog
from modelyard.journal import Journal, PredictionRecord
from modelyard.monitoring import AlertBook, AlertSettings, RequestWatch, series
from modelyard.storage import RecordStore, open_record_store

MINUTE = timedelta(minutes=1)


class Shop:
    """A deployment whose server logs, watched on a store."""

    def __init__(self, folder: Path, clock: ManualClock, records: RecordStore) -> None:
        self.clock, self.records, self.folder = clock, records, folder
        self.count = 0

    def watch(self) -> tuple[AlertBook, RequestWatch]:
        """As a process that was just started has it."""
        book = AlertBook(self.records, self.clock, AlertSettings())
        return book, RequestWatch(PredictionLog(self.folder / "journal", self.folder / "log"), book, self.clock)

    def asked(self, latencies_ms: Sequence[float], *, errors: int = 0, role: str = "live") -> None:
        """Requests of this instant; the first `errors` of them failed."""
        journal = Journal(self.folder / "journal", f"s{self.count}", self.clock)
        at = to_micros(self.clock.now())
        journal.append(
            [
                PredictionRecord(
                    f"{self.count}-{number}", at, "shop", 1, "1", role, role, number >= errors, None, (), "1", (0.9,),  # type: ignore[arg-type]  # a role
                    int(latency * 1000), "input" if number < errors else None, at,
                )
                for number, latency in enumerate(latencies_ms)
            ]
        )  # fmt: skip
        journal.close()
        self.count += 1


@pytest.fixture
def shop(tmp_path: Path, clock: ManualClock) -> Shop:
    """A shop without requests."""
    records = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    records.migrate()
    return Shop(tmp_path, clock, records)


def test_the_last_five_minutes_are_told_each_minute(shop: Shop) -> None:
    """Quantiles as numpy has them, the share of errors, the rate; once a minute."""
    latencies = list(np.random.default_rng(0).gamma(2, 10, 200))
    shop.asked(latencies, errors=1)
    shop.clock.advance(MINUTE)
    book, watch = shop.watch()
    assert watch.look("shop") == []
    values = book.values("shop")
    assert values[series("error_rate")] == pytest.approx(1 / 200)
    assert values[series("row_rate")] == pytest.approx(200 / 300)
    quantile = np.quantile(np.floor(np.array(latencies[1:]) * 1000) / 1000, 0.95, method="inverted_cdf")
    assert values[series("latency_p95")] == pytest.approx(quantile)
    assert watch.look("shop") == []
    shop.clock.advance(5 * MINUTE)
    watch.look("shop")
    assert book.values("shop") == {series("row_rate"): 0.0}


def test_an_outage_fires_within_the_minute_and_resolves_when_it_is_over(shop: Shop) -> None:
    """Also when the looking process is a new one each time."""
    shop.asked([5.0] * 100, errors=50)
    shop.clock.advance(MINUTE)
    (fired,) = shop.watch()[1].look("shop")
    assert (fired.alert.name, fired.alert.metric_value, fired.since) == (
        "error_rate",
        0.5,
        shop.clock.now().isoformat(),
    )
    shop.clock.advance(6 * MINUTE)
    assert shop.watch()[1].look("shop") == []
    shop.asked([5.0] * 100)
    shop.clock.advance(MINUTE)
    (resolved,) = shop.watch()[1].look("shop")
    assert resolved.until == shop.clock.now().isoformat()


def test_few_requests_and_shadows_tell_nothing(shop: Shop) -> None:
    """One error among three is chance, and a shadow answers nobody."""
    shop.asked([5.0] * 3, errors=1)
    shop.asked([900.0] * 100, errors=90, role="shadow")
    shop.clock.advance(MINUTE)
    book, watch = shop.watch()
    assert watch.look("shop") == []
    assert set(book.values("shop")) == {series("row_rate")}


def test_looks_that_were_missed_are_made_later(shop: Shop) -> None:
    """A process that was away for twenty minutes tells what it would have told, at the minutes it would have."""
    shop.asked([5.0] * 50)
    shop.clock.advance(MINUTE)
    shop.watch()[1].look("shop")
    began = shop.clock.now()
    shop.clock.advance(4 * MINUTE)
    shop.asked([5.0] * 50, errors=40)
    shop.clock.advance(6 * MINUTE)
    shop.asked([5.0] * 50)
    shop.clock.advance(10 * MINUTE)
    changed = shop.watch()[1].look("shop")
    assert [(each.since, each.until) for each in changed] == [
        ((began + 5 * MINUTE).isoformat(), None),
        ((began + 5 * MINUTE).isoformat(), (began + 11 * MINUTE).isoformat()),
    ]
