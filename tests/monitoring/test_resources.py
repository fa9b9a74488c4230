"""What servers use: told to the rules by server, kept for pages, and forgotten after eight days."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.core import ManualClock, Micros, to_micros
from modelyard.monitoring import AlertBook, AlertSettings, ResourceWatch, RuleSettings, series
from modelyard.routing import ServerStatus

from .test_windows import new_store

MINUTE = timedelta(minutes=1)


class Machines:
    """Two servers of one deployment, as they write their status, and the watch that reads it."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.clock = clock
        self.seconds = 0.0
        self.queue = 0
        self.records = new_store(folder / "records.db")
        settings = AlertSettings(
            rules={"crowded": RuleSettings.model_validate({"when": "queue_rows > 100", "severity": "warning"})}
        )
        self.book = AlertBook(self.records, clock, settings)
        self.watch = ResourceWatch(self.statuses, self.book, self.records, clock)
        self.started: Micros = to_micros(clock.now())

    def statuses(self) -> Sequence[ServerStatus]:
        """One that works and one that idles."""
        now = to_micros(self.clock.now())

        def status(name: str, seconds: float, queue: int) -> ServerStatus:
            return ServerStatus(name, 1, "http://x", self.started, now, 1, {"d": 1}, (), seconds, 50 * 2**20, queue)

        return [status("s1", self.seconds, self.queue), status("s2", 0.0, 0)]

    def minute(self, busy: float = 30.0) -> None:
        """A minute later, so many seconds of processor time spent."""
        self.clock.advance(MINUTE)
        self.seconds += busy
        self.watch.look(["d", "other"])


@pytest.fixture
def machines(tmp_path: Path, clock: ManualClock) -> Machines:
    """Nothing has been looked at."""
    return Machines(tmp_path, clock)


def test_processor_time_is_told_per_time_and_server(machines: Machines) -> None:
    """Thirty seconds in a minute are half a core; at the first look nobody can say, and a restart begins anew."""
    machines.minute()
    assert series("cpu_cores", instance="s1") not in machines.book.values("d")
    machines.minute()
    values = machines.book.values("d")
    assert values[series("cpu_cores", instance="s1")] == pytest.approx(0.5)
    assert values[series("cpu_cores", instance="s2")] == 0.0
    assert values[series("memory_bytes", instance="s1")] == 50 * 2**20
    machines.started, machines.seconds = to_micros(machines.clock.now()), 0.0
    machines.minute(1.0)
    assert series("cpu_cores", instance="s1") not in machines.book.values("d")
    assert machines.book.values("other") == {}


def test_a_long_queue_fires_and_resolves(machines: Machines) -> None:
    """A rule of the project over `queue_rows`; it is over when the queue is."""
    machines.minute()
    assert machines.book.firing("d") == []
    machines.queue = 500
    machines.minute()
    (fires,) = machines.book.firing("d")
    assert fires.alert.name == "crowded"
    assert fires.alert.metric_value == 500
    machines.queue = 0
    machines.minute()
    assert machines.book.firing("d") == []


def test_looks_are_kept_for_pages_and_then_forgotten(machines: Machines) -> None:
    """Sums over the servers, from an instant on; the first hour is gone after eight days."""
    for _ in range(3):
        machines.minute()
    looks = machines.watch.told("d", machines.clock.now() - MINUTE)
    assert [(each.servers, each.cpu_cores, each.memory_bytes) for each in looks] == [(2, 0.5, 100 * 2**20)] * 2
    begun = machines.clock.now()
    machines.clock.advance(timedelta(days=8, hours=2))
    machines.minute()
    assert [each.at > (begun + timedelta(days=8)).isoformat() for each in machines.watch.told("d", begun)] == [True]
