"""Features that come through streams, when whoever brings them is killed: nothing is lost, nothing counts twice."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from tests.contracts.brokers import StartBroker, address_of, started_brokers

from modelyard.features import AggregationView, point_in_time_join
from modelyard.streams import Lag, Message, open_stream
from modelyard.wiring import Project

DEFINED = """
from datetime import timedelta
from modelyard import Aggregation, AggregationView, Entity, FeatureView, StreamSource

clicks = StreamSource("clicks", schema={"user": "int64", "at": "timestamp[us, UTC]", "number": "int64"})
newest = FeatureView("newest", [Entity("user")], clicks, "at", ["number"])
counted = AggregationView(
    "counted", [Entity("user")], clicks, "at", slide=timedelta(hours=1),
    aggregations=[Aggregation("number", "count", window=timedelta(days=1), name="clicks")],
)
"""

PUSHER = """
import sys
from pathlib import Path
from modelyard.features.streaming import stream
from modelyard.streams import open_stream
from modelyard.wiring import Project

stream.ROWS = 7
project = Project(Path(sys.argv[1]))
pusher = project.features.stream_pusher("newest", sys.argv[2])
with open_stream(sys.argv[2]) as opened, opened.consumer("g") as consumer:
    print("ready", flush=True)
    while True:
        pusher.run(consumer, seconds=0.0)
"""
"""Takes seven messages at a time, for ever."""

USERS = 5


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartBroker]:
    """Starts brokers, each once."""
    yield from started_brokers(tmp_path_factory)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose features come by a stream."""
    (tmp_path / "modelyard.yaml").write_text("project: clicks\nfeatures:\n  module: features.py\n")
    (tmp_path / "features.py").write_text(DEFINED)
    return tmp_path


def messages(first: int, end: int) -> list[Message]:
    """Clicks, each a second later than the one before."""
    return [
        Message(json.dumps({"user": number % USERS, "at": f"2026-01-05T00:{number // 60:02d}:{number % 60:02d}Z",
                            "number": number}).encode(), b"k")
        for number in range(first, end)
    ]  # fmt: skip


def killed_pushers(folder: Path, address: str, kills: int) -> None:
    """Kill one after another at some moment while messages come; then all are there, once, on both sides."""
    chance, count = random.Random(11), 0
    with open_stream(address) as stream:
        for _ in range(kills):
            process = subprocess.Popen(
                [sys.executable, "-c", PUSHER, str(folder), address], stdout=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(3):
                stream.publish([*messages(count, count + 20), Message(b"poison")])
                count += 20
                time.sleep(chance.random() * 0.1)  # the moment is what is tried
            process.kill()
            process.communicate()
        project = Project(folder)
        pusher = project.features.stream_pusher("newest", address)
        with stream.consumer("g") as consumer:
            pusher.run(consumer)
        assert stream.lag("g") == Lag(0, 0)
    check(project, count)
    project.close()


def check(project: Project, count: int) -> None:
    """So many clicks came, each once."""
    source = project.features.pushed("newest")
    assert source.log is not None
    found = [value for batch in source.log.rows(["number"]) for value in batch.column(0).to_pylist()]
    assert sorted(found) == list(range(count))
    asked = [{"user": user} for user in range(USERS)]
    newest = [max(number for number in range(count) if number % USERS == user) for user in range(USERS)]
    assert project.features.get_online_features(["newest:number"], asked).to_dict()["number"] == newest
    counted = project.features.definitions.view("counted")
    assert isinstance(counted, AggregationView)
    rows = pa.table({"user": list(range(USERS)), "event_timestamp": ["2026-01-05T12:00:00Z"] * USERS})
    joined = point_in_time_join(rows, [project.features.definitions.view("newest"), counted])
    assert joined.column("number").to_pylist() == newest
    assert joined.column("clicks").to_pylist() == [count // USERS] * USERS


@pytest.mark.parametrize(
    "kind",
    ["local", "nats", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("redis", "kafka"))],
)
def test_killed_pushers_lose_nothing_and_count_nothing_twice(kind: str, brokers: StartBroker, folder: Path) -> None:
    """On each broker; poison between does not stop them."""
    killed_pushers(folder, address_of(brokers(kind), f"s{uuid4().hex[:12]}"), kills=1)


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["local", "redis", "nats"])
def test_many_killed_pushers_lose_nothing(kind: str, brokers: StartBroker, folder: Path) -> None:
    """The same, many times."""
    killed_pushers(folder, address_of(brokers(kind), f"s{uuid4().hex[:12]}"), kills=40)
