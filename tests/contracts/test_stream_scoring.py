"""Streams are scored on real brokers while consumers are killed and brokers go away: nothing is lost."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.contracts.brokers import BROKERS, NoBroker, StartBroker, address_of, started_brokers

from modelyard.bundling import BuiltBundle
from modelyard.streams import Lag, Message, Stream, StreamUnavailable, open_stream
from modelyard.testing.streams import received

COMMAND = [sys.executable, "-m", "modelyard", "stream", "--json"]

KILLED = """
import os, signal, sys
from modelyard.cli import main
from modelyard.streams import Consumer

left = [int(sys.argv.pop(1))]
acknowledge = Consumer.acknowledge

def deadly(self, deliveries):
    if len(deliveries) > 1 and left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= len(deliveries) > 1
    acknowledge(self, deliveries)

Consumer.acknowledge = deadly
main()
"""
"""`modelyard`, which kills itself when answers are published and their messages not yet acknowledged."""


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartBroker]:
    """Starts brokers, each once."""
    yield from started_brokers(tmp_path_factory)


@pytest.fixture
def pair(request: pytest.FixtureRequest, brokers: StartBroker) -> tuple[str, str]:
    """Addresses of a stream of rows and of one of answers, on the broker that is asked for."""
    name = f"s{uuid4().hex[:10]}"
    broker = brokers(request.param)
    return address_of(broker, name), address_of(broker, f"{name}a")


def ask(stream: Stream, numbers: range) -> None:
    """Publish rows that are told by a number; every tenth is none that the model takes."""
    rows = [{"amount": float(at) if at % 10 else "none", "country": "de", "number": at} for at in numbers]
    stream.publish([Message(json.dumps(row).encode(), b"k") for row in rows])


def answered(address: str, count: int) -> dict[int, set[str]]:
    """The keys under which each number was answered, once so many numbers were."""
    found: dict[int, set[str]] = {}
    with open_stream(address) as stream, stream.consumer("reader") as consumer:
        for _ in range(60):
            for each in (more := consumer.receive(1000, 0.5)):
                number = json.loads(each.message.value)["input"]["number"]
                found.setdefault(number, set()).add(each.message.key.decode())
            consumer.acknowledge(more)
            if len(found) >= count and not more:
                break
    return found


def command(folder: Path, pair: tuple[str, str], *more: str) -> list[str]:
    """What scores one stream into another."""
    return ["--bundle", str(folder), "--in", pair[0], "--out", pair[1], "--group", "g", *more]


@pytest.mark.parametrize(
    "pair",
    [each if each == "nats" else pytest.param(each, marks=pytest.mark.long) for each in BROKERS],
    indirect=True,
)
def test_a_killed_scorer_loses_nothing_and_repeats_only_under_the_same_key(
    pair: tuple[str, str], built: BuiltBundle, tmp_path: Path
) -> None:
    """Killed between publishing and acknowledging, then another ends what is left."""
    with open_stream(pair[0]) as rows:
        ask(rows, range(100))
        given = command(built.path, pair, "--batch-size", "30", "--until-empty")
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, "1", "stream", *given], check=False, capture_output=True, cwd=tmp_path
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        done = subprocess.run([*COMMAND, *given], check=True, capture_output=True, cwd=tmp_path)
        assert rows.lag("g") == Lag(0, 0)
        told = json.loads(done.stdout)
        found = answered(pair[1], 90)
        with rows.dead_letters().consumer("reader") as consumer:
            dead = {json.loads(each.message.value)["number"] for each in received(consumer, 10, 15)}
    assert set(found) == {at for at in range(100) if at % 10}
    assert all(len(keys) == 1 for keys in found.values())
    assert len({next(iter(keys)) for keys in found.values()}) == 90
    assert dead == set(range(0, 100, 10))
    assert told["answered"] < 90  # what the first acknowledged did not come again


@pytest.mark.long
@pytest.mark.parametrize("kind", ["redis", "nats"])
def test_scoring_goes_on_when_its_broker_was_away(
    kind: str, brokers: StartBroker, built: BuiltBundle, tmp_path: Path
) -> None:
    """Killed and started again while rows come; SIGTERM then ends it in good order."""
    broker, name = brokers(kind), f"s{uuid4().hex[:10]}"
    assert not isinstance(broker, NoBroker)
    pair = address_of(broker, name), address_of(broker, f"{name}a")
    process = subprocess.Popen(
        [*COMMAND, *command(built.path, pair)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        with open_stream(pair[0]) as rows:
            for begin in range(0, 90, 30):
                again(rows, range(begin, begin + 30))
                broker.go_away()
                broker.come_back()
        found = answered(pair[1], 81)
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert json.loads(told)["answered"] >= 81
    assert set(found) == {at for at in range(90) if at % 10}


def again(rows: Stream, numbers: range) -> None:
    """Publish until the broker has vouched."""
    pause = threading.Event()
    for _ in range(100):
        try:
            return ask(rows, numbers)
        except StreamUnavailable:
            pause.wait(0.1)
    raise AssertionError("the broker does not come back")
