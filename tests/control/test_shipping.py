"""What is declared as `stores.log` gets the log while the control process runs, whatever happens to it meanwhile."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.control.shipping import shipping
from modelyard.core import ManualClock, SeededIds, to_micros
from modelyard.history import ShippingInUse
from modelyard.history.shipping.alone import alone
from modelyard.history.shipping.cursor import cursor_file
from modelyard.journal import Journal, PredictionRecord
from modelyard.streams import StreamAddress, open_stream
from modelyard.wiring import Project


@pytest.fixture
def opened(shop: Path, clock: ManualClock) -> Iterator["Opened"]:
    """Opens the shop with a place for its log, and closes it in the end."""
    found = Opened(shop, clock)
    yield found
    for each in found.projects:
        each.close()


class Opened:
    """Projects that the test opened."""

    def __init__(self, shop: Path, clock: ManualClock) -> None:
        self.shop = shop
        self.clock = clock
        self.projects: list[Project] = []

    def __call__(self, to: str | None) -> Project:
        environment = {} if to is None else {"MODELYARD_STORES_LOG": to}
        self.projects.append(Project(self.shop, clock=self.clock, ids=SeededIds(1), environment=environment))
        return self.projects[-1]


def asked(project: Project, *names: str) -> None:
    """Requests of this instant, by the ids of their predictions."""
    at = to_micros(project.clock.now())
    journal = Journal(project.journal_folder, f"server-{names[0]}", project.clock)
    journal.append(
        [PredictionRecord(name, at, "shop", 1, "1", "live", "live", True, None, (), "1", (0.9,), 50) for name in names]
    )
    journal.close()


def shipped(address: str, count: int) -> list[str]:
    """The keys of so many messages of a stream, which come while one waits; the test's timeout ends it otherwise."""
    keys: list[str] = []
    with open_stream(address, "predictions") as stream, stream.consumer("test") as consumer:
        while len(keys) < count:
            for each in consumer.receive(100, 0.05):
                keys.append(each.message.key.decode())
                consumer.acknowledge([each])
    return keys


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of the warnings so far, of which one comes while one waits."""
    while True:
        found = [each for each in caplog.records if each.getMessage() == "log not shipped, will be tried again"]
        if found:
            return [each.__dict__["modelyard_fields"] for each in found]
        threading.Event().wait(0.01)


def threads() -> set[str]:
    """The names of those that run."""
    return {each.name for each in threading.enumerate()}


def test_what_is_asked_meanwhile_is_shipped(opened: Opened, tmp_path: Path) -> None:
    """What was there before, and what comes while it runs; each once, and the thread ends with the block."""
    address = f"local:{tmp_path / 'streams'}/predictions?create=true"
    project = opened(address)
    asked(project, "a", "b")
    with shipping(project, every=0.01):
        assert shipped(address, 2) == ["a", "b"]
        asked(project, "c")
        assert shipped(address, 1) == ["c"]
    assert "shipping" not in threads()
    with shipping(project, every=0.01):
        asked(project, "d")
        assert shipped(address, 1) == ["d"]


def test_without_a_place_nothing_runs(opened: Opened) -> None:
    """No thread."""
    with shipping(opened(None)):
        assert "shipping" not in threads()


def test_a_place_that_is_away_gets_everything_when_it_is_back(
    opened: Opened, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file stands where the folder should be: that is told, with what to do, and tried again until it is gone."""
    place = tmp_path / "bucket"
    place.write_text("in the way")
    project = opened(place.as_uri())
    asked(project, "a")
    project.log.seal()
    with shipping(project, every=0.01):
        (told, *_) = warnings_of(caplog)
        place.unlink()
        while not list(place.glob("predictions/*/*/*.parquet")):
            threading.Event().wait(0.01)
    assert told["code"] == "OBJECTS_UNAVAILABLE"
    assert "Check that the place exists" in told["remedy"]


def test_one_that_is_shipped_to_by_hand_waits(opened: Opened, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another process ships there: it is told by its code, and shipping goes on when that has ended."""
    address = f"local:{tmp_path / 'streams'}/predictions?create=true"
    project = opened(address)
    asked(project, "a")
    place = str(StreamAddress.parse(address, "predictions"))
    lock = cursor_file(project.log_folder, place).with_suffix(".lock")
    with alone(lock, "ships this log there"), shipping(project, every=0.01):
        assert {each["code"] for each in warnings_of(caplog)} == {ShippingInUse.code}
    with shipping(project, every=0.01):
        assert shipped(address, 1) == ["a"]
