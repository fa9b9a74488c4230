"""Streams when processes are killed and brokers go away: nothing acknowledged is lost, nothing done comes back."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from tests.contracts.brokers import BROKERS, NoBroker, StartBroker, address_of, started_brokers

from modelyard.core import ModelyardError
from modelyard.streams import Delivery, Lag, Message, Stream, StreamUnavailable, open_stream
from modelyard.testing.streams import received, values

CONSUMER = """
import sys
from modelyard.streams import open_stream
consumer = open_stream(sys.argv[1]).consumer("g")
done = 0
while True:
    found = consumer.receive(10, 0.2)
    for each in found:
        print(each.message.value.decode(), each.attempt, flush=True)
    if done < 10:
        consumer.acknowledge(found[:5])
        done += len(found[:5])
        print("acknowledged", *(each.message.value.decode() for each in found[:5]), flush=True)
"""
"""Acknowledges half of what it gets first, and then nothing any more."""

PRODUCER = """
import sys
from modelyard.streams import Message, open_stream
stream = open_stream(sys.argv[1])
number = int(sys.argv[2])
while True:
    stream.publish([Message(b"%d" % (number + each), b"k") for each in range(5)])
    print(number + 4, flush=True)
    number += 5
"""
"""Publishes numbers five at a time, and says how far the broker has vouched."""


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartBroker]:
    """Starts brokers, each once."""
    yield from started_brokers(tmp_path_factory)


@pytest.mark.parametrize("kind", BROKERS)
def test_what_a_killed_consumer_had_comes_to_another(kind: str, brokers: StartBroker) -> None:
    """As a second attempt; what it had acknowledged does not."""
    address = address_of(brokers(kind), f"s{uuid4().hex[:12]}")
    with open_stream(address) as stream:
        stream.publish([Message(b"%d" % number, b"k%d" % number) for number in range(30)])
        process = subprocess.Popen([sys.executable, "-c", CONSUMER, address], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        done, seen = set[str](), set[str]()
        while len(seen) < 20 or len(done) < 10:
            words = process.stdout.readline().split()
            done |= set(words[1:] if words[0] == "acknowledged" else [])
            seen |= {words[0]} - {"acknowledged"}
        process.kill()
        process.communicate()
        with stream.consumer("g") as consumer:
            found = {each.message.value.decode(): each for each in received(consumer, 30 - len(done), 15)}
            assert set(found) == {str(number) for number in range(30)} - done
            assert all(found[each].attempt >= 2 for each in seen - done)
            consumer.acknowledge(list(found.values()))
            assert consumer.receive(10, 0.2) == []
        assert stream.lag("g") == Lag(0, 0)


@pytest.mark.parametrize("kind", BROKERS)
def test_what_a_killed_producer_was_told_is_there(kind: str, brokers: StartBroker) -> None:
    """All of it, in order; at most what it was not told any more besides, perhaps twice when it is sent again."""
    address, told, random_ = address_of(brokers(kind), f"s{uuid4().hex[:12]}"), -1, random.Random(5)
    for _ in range(2):
        command = [sys.executable, "-c", PRODUCER, address, str(told + 1)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        told = int(process.stdout.readline())
        time.sleep(random_.random() * 0.05)  # the moment is what is tried
        process.kill()
        rest, _ = process.communicate()
        told = int(rest.split()[-1]) if rest.strip() else told
    with open_stream(address) as stream, stream.consumer("g") as consumer:
        found: list[int] = []
        while more := received(consumer, 1000, 1.5):
            found += [int(each.message.value) for each in more]
            consumer.acknowledge(more)
    first: list[int] = list(dict.fromkeys(found))
    assert set(range(told + 1)) <= set(found)
    assert first == sorted(first)
    assert len(found) <= told + 1 + 2 * 505  # each may have had one call under way


@pytest.mark.parametrize("kind", ["redis", pytest.param("nats", marks=pytest.mark.long), "kafka"])
def test_a_broker_that_was_away_goes_on(kind: str, brokers: StartBroker) -> None:
    """While it is away callers are told, or get nothing; then the same objects work, and nothing is lost."""
    broker = brokers(kind)
    assert not isinstance(broker, NoBroker)
    with open_stream(address_of(broker, f"s{uuid4().hex[:12]}")) as stream, stream.consumer("g") as consumer:
        stream.publish([Message(b"0"), Message(b"1")])
        (first, *_) = received(consumer, 2)
        consumer.acknowledge([first])
        broker.go_away()
        try:
            assert quietly(lambda: consumer.receive(10, 0.3)) == []
            if kind != "kafka":  # which waits ten seconds before it says so
                with pytest.raises(StreamUnavailable, match="cannot be used") as told:
                    stream.publish([Message(b"2")])
                assert "127.0.0.1" in told.value.message
                assert told.value.remedy
        finally:
            broker.come_back()
        again(lambda: stream.publish([Message(b"3")]))
        seen = {first.message.value}
        end = time.monotonic() + 20
        while not {b"0", b"1", b"3"} <= seen and time.monotonic() < end:
            found = quietly(lambda: consumer.receive(10, 0.3))
            seen |= set(values(found))
            again(lambda found=found: consumer.acknowledge(found))  # type: ignore[misc]
        assert seen >= {b"0", b"1", b"3"}
        assert stream.lag("g").waiting == 0


def quietly(ask: Callable[[], list[Delivery]]) -> list[Delivery]:
    """What is received; nothing while the broker is away."""
    try:
        return ask()
    except StreamUnavailable:
        return []


def again(do: Callable[[], None]) -> None:
    """Do something that may fail until the connection is there again."""
    end = time.monotonic() + 20
    while True:
        try:
            return do()
        except StreamUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("scheme", ["redis", "nats"])
def test_a_broker_that_is_not_there_is_told_without_its_password(scheme: str) -> None:
    """With where it was looked for, and what to do."""
    with (
        open_stream(f"{scheme}://joe:s3cret@127.0.0.1:1/events") as stream,
        pytest.raises(ModelyardError) as told,
    ):
        stream.publish([Message(b"x")])
    assert isinstance(told.value, StreamUnavailable)
    assert "127.0.0.1:1" in told.value.message
    assert "s3cret" not in str(told.value)
    assert told.value.remedy


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["local", "redis", "nats"])
def test_hundreds_of_killed_consumers_lose_nothing(kind: str, brokers: StartBroker) -> None:
    """While messages come; in the end each was seen, and none waits."""
    address, count = address_of(brokers(kind), f"s{uuid4().hex[:12]}"), 0
    chance, seen = random.Random(9), set[str]()
    with open_stream(address) as stream:
        for _ in range(100):
            stream.publish([Message(b"%d" % (count + each), b"k") for each in range(20)])
            count += 20
            process = subprocess.Popen([sys.executable, "-c", CONSUMER, address], stdout=subprocess.PIPE, text=True)
            time.sleep(0.3 + chance.random() * 0.3)
            process.kill()
            told, _ = process.communicate()
            for line in told.split("\n")[:-1]:
                words = line.split()
                seen |= set(words[1:] if words[0] == "acknowledged" else words[:1])
        seen |= drained(stream)
    assert seen >= {str(number) for number in range(count)}


def drained(stream: Stream) -> set[str]:
    """Everything that is left, acknowledged."""
    seen = set[str]()
    with stream.consumer("g") as consumer:
        while consumer.lag() != Lag(0, 0):
            found = consumer.receive(500, 0.5)
            seen |= {each.message.value.decode() for each in found}
            consumer.acknowledge(found)
    return seen
