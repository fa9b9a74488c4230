"""Every stream keeps every promise, on real brokers."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.contracts.brokers import MockKafka, NatsServer
from tests.contracts.redis_server import serve

from modelyard.streams import DEAD, Stream, open_stream
from modelyard.testing import StreamSuite
from modelyard.testing.streams import Again


def opening(address: str, named: str | None = None) -> Iterator[Again]:
    """Opens streams at an address with NAME in it; all are closed in the end."""
    name, opened = named or f"s{uuid4().hex[:12]}", list[Stream]()

    def again(name: str = name) -> Stream:
        opened.append(open_stream(address.replace("NAME", name)))
        return opened[-1]

    maker = open_stream(address.replace("NAME", name) + ("&" if "?" in address else "?") + "create=true")
    maker.publish([])
    maker.close()
    yield again
    for each in opened:
        each.close()


class TestLocal(StreamSuite):
    """Files of SQLite."""

    @pytest.fixture
    def again(self, tmp_path: Path) -> Iterator[Again]:
        yield from opening(f"local:{tmp_path}/streams/NAME")


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """The address of a server."""
    yield from serve()


class TestRedis(StreamSuite):
    """A server of Valkey or Redis."""

    @pytest.fixture
    def again(self, redis: str) -> Iterator[Again]:
        yield from opening(f"{redis}/NAME")


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with JetStream."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    with server:
        yield server.address


class TestNats(StreamSuite):
    """NATS JetStream."""

    @pytest.fixture
    def again(self, nats: str) -> Iterator[Again]:
        yield from opening(f"{nats}/NAME")


@pytest.fixture(scope="module")
def kafka() -> Iterator[MockKafka]:
    """librdkafka's mock cluster."""
    with MockKafka() as server:
        yield server


class TestKafka(StreamSuite):
    """Kafka's protocol, spoken by librdkafka's mock cluster: it keeps all in memory, makes no topics,
    and takes no commits from outside of a group, by which groups are set back."""

    divides_slowly = True
    rewinds = False

    @pytest.fixture
    def again(self, kafka: MockKafka) -> Iterator[Again]:
        name = f"s{uuid4().hex[:12]}"
        kafka.topic(name)
        kafka.topic(name + DEAD)
        yield from opening(f"{kafka.address}/NAME?session=1500ms", name)
