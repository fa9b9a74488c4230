"""The open loop: requests leave when they are due, whether or not earlier ones are answered.

Latency counts from the instant a request was *due*, not from when a connection was free for it, so a server that stalls
cannot hide the requests that waited for it (coordinated omission; Tene, "How NOT to Measure Latency", 2013). Gaps are
exponential (a Poisson process) with a fixed seed.
"""

import asyncio
import itertools
import random
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httptools
import numpy as np
import uvloop

from .records import Endpoint

CONNECTIONS = 2000
_T = TypeVar("_T")

GIVEN_UP = 0
"""The status of a request that got no answer."""


@dataclass(frozen=True)
class Phase:
    """A rate, in requests a second, for some seconds."""

    rate: float
    seconds: float


@dataclass(frozen=True)
class Shot:
    """One request: when it was due (seconds from the start), how long until its answer ended, and its status."""

    due: float
    took_ms: float
    status: int

    @property
    def answered(self) -> bool:
        return self.status == 200


@dataclass(frozen=True)
class Shots:
    """What came of requests."""

    each: tuple[Shot, ...]

    def between(self, begin: float, end: float) -> "Shots":
        """Those that were due in [begin, end)."""
        return Shots(tuple(shot for shot in self.each if begin <= shot.due < end))

    def percentile(self, share: float) -> float | None:
        """A percentile of the answered, in ms; None without any."""
        taken = [shot.took_ms for shot in self.each if shot.answered]
        return float(np.percentile(taken, share)) if taken else None

    @property
    def failed(self) -> int:
        return sum(not shot.answered for shot in self.each)


class OpenLoop:
    """Drives an endpoint along phases; `stop` ends the last one early."""

    def __init__(self, endpoint: Endpoint, phases: Sequence[Phase], *, seed: int = 0, timeout: float = 10.0) -> None:
        self._port = endpoint.port
        self._requests = itertools.cycle([_request(endpoint.path, body) for body in endpoint.bodies])
        self._phases = phases
        self._random = random.Random(seed)  # noqa: S311 - gaps between requests
        self._timeout = timeout
        self._idle: list[_Connection] = []
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._shots: list[Shot] = []
        self._stopped = False
        self.began = 0.0

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return asyncio.get_running_loop().time() - self.began

    async def run(self) -> Shots:
        """Send all, wait for the last answers, and return every shot."""
        loop = asyncio.get_running_loop()
        self.began = loop.time() + 0.05
        tasks: set[asyncio.Task[None]] = set()
        for due in self._schedule():
            if (early := self.began + due - loop.time()) > 0:
                await asyncio.sleep(early)
            if self._stopped:
                break
            task = loop.create_task(self._shoot(due, next(self._requests)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        while tasks:
            await asyncio.wait(set(tasks))
        for connection in self._idle:
            connection.close()
        return Shots(tuple(self._shots))

    def _schedule(self) -> Iterator[float]:
        begin = 0.0
        for phase in self._phases:
            due = begin + self._random.expovariate(phase.rate)
            while due < begin + phase.seconds:
                yield due
                due += self._random.expovariate(phase.rate)
            begin += phase.seconds

    async def _shoot(self, due: float, request: bytes) -> None:
        status = GIVEN_UP
        try:
            async with asyncio.timeout_at(self.began + due + self._timeout):
                async with self._room:
                    status = await self._ask(request)
        except (TimeoutError, OSError):
            status = GIVEN_UP
        self._shots.append(Shot(due, (self.elapsed - due) * 1000, status))

    async def _ask(self, request: bytes) -> int:
        connection = await self._connection()
        try:
            status = await connection.ask(request)
        except asyncio.CancelledError:
            connection.close()
            raise
        if connection.open:
            self._idle.append(connection)
        return status

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(_Connection, "127.0.0.1", self._port)
        return made


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[int] | None = None
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.open = cast("asyncio.Transport", transport), True  # TCP's

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        self._finish(status)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.open = False
        self._finish(GIVEN_UP)

    async def ask(self, request: bytes) -> int:
        """Send and wait for the status; GIVEN_UP when the connection ends first."""
        assert self._transport is not None  # noqa: S101 - connected before it is handed out
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """End the connection."""
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def _finish(self, status: int) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(status)


def run(measuring: Coroutine[Any, Any, _T]) -> _T:
    """Run on uvloop, so that the generator takes as little of the machine as it can."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measuring)


def _request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body
