"""One client's connection: a deadline for what it sends, and a short way for the requests that come all day."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .http import Found, HttpServer, extra_headers
from .outlets import EVENTS
from .requests import Request

SHORT_BYTES = 65_536
"""A body up to this size is taken whole before anything looks at it; larger ones are read bit by bit."""

_TOGETHER = 10
_EVENTS = b"".join(b"%b: %b\r\n" % each for each in EVENTS) + b"transfer-encoding: chunked\r\n"
_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Corked:
    """A transport that sends the head of an answer together with its body: one system call instead of two."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def write(self, data: bytes) -> None:
        """Hold the first piece until the next one, or the end of this turn of the loop."""
        if self._held:
            data, self._held = self._held + data, b""
            self._transport.write(data)
        else:
            self._held = data
            self._loop.call_soon(self._let_go)

    def write_whole(self, data: bytes) -> None:
        """Send an answer that is complete, after whatever is held."""
        self._let_go()
        self._transport.write(data)

    def close(self) -> None:
        """Send what is held, and close."""
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Exchange:
    """A request that is answered without a task, with the state that uvicorn's connection looks at.

    It is its own `message_event`: what uvicorn sets to wake the task of a request, when there is more of it or its
    caller has left.
    """

    __slots__ = (
        "_leave",
        "body",
        "connection",
        "disconnected",
        "found",
        "keep_alive",
        "more_body",
        "response_complete",
    )

    def __init__(self, connection: "Connection", found: Found, *, keep_alive: bool) -> None:
        self.connection = connection
        self.found = found
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self._leave: Callable[[], object] | None = None

    @property
    def message_event(self) -> "_Exchange":
        """See above."""
        return self

    def set(self) -> None:
        """uvicorn's: something has come, or the caller has left."""
        if self.disconnected and self._leave is not None:
            leave, self._leave = self._leave, None
            leave()
        elif self.disconnected and self.more_body:
            self.connection.served.left(self.found)

    def on_leave(self, act: Callable[[], object]) -> None:
        """Have something done when the caller hangs up before the end."""
        self._leave = act

    def open(self) -> None:
        """Begin a stream of events."""
        if self._gone():
            return
        head = STATUS_LINE[200] + _EVENTS
        if not self.keep_alive:
            head += b"connection: close\r\n"
        self.connection.transport.write(head + b"\r\n")

    def push(self, data: bytes) -> None:
        """Send some of it."""
        if data and not self._gone():
            self.connection.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self) -> None:
        """End it, and let the connection go on with the next request."""
        self.response_complete = True
        if self._gone():
            return
        self.connection.transport.write(b"0\r\n\r\n")
        if not self.keep_alive:
            self.connection.transport.close()
        self.connection.on_response_complete()

    async def drained(self) -> None:
        """Wait until the caller has taken most of what was sent."""
        if self.connection.flow.write_paused:
            await self.connection.flow.drain()

    def _gone(self) -> bool:
        return self.disconnected or self.connection.transport.is_closing()

    def write(self, status: int, body: bytes) -> None:
        """Send the answer, and let the connection go on with the next request."""
        self.response_complete = True
        transport: Any = self.connection.transport
        if self.disconnected or transport.is_closing():
            return
        head = b"%bcontent-type: application/json\r\ncontent-length: %d\r\n" % (STATUS_LINE[status], len(body))
        if status != 200:
            head += b"".join(b"%b: %b\r\n" % each for each in extra_headers(status))
        if not self.keep_alive:
            head += b"connection: close\r\n"
        transport.write_whole(b"%b\r\n%b" % (head, body))
        if not self.keep_alive:
            transport.close()
        self.connection.on_response_complete()


class Connection(HttpToolsProtocol):
    """uvicorn's connection, which knows since when it waits for the rest of a request, or for the next.

    Requests to our own endpoints, short, sent whole and one at a time, are handed to the application as they are and
    answered when it says so. uvicorn starts a task for each of the others, which costs as much as all the rest.
    """

    receiving_since: float | None = None
    idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Corked(transport))  # type: ignore[arg-type]  # all of a transport that is asked for
        self.receiving_since = time.monotonic()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.receiving_since = time.monotonic()
        self.idle_since = None

    def on_headers_complete(self) -> None:
        exchange = self._exchange()
        if exchange is None:
            super().on_headers_complete()
        else:
            self.cycle = exchange  # type: ignore[assignment]  # all of a cycle that is asked for

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.receiving_since = None
        exchange: Any = self.cycle
        if isinstance(exchange, _Exchange) and not exchange.response_complete:
            scope: Any = self.scope
            request = Request(scope, exchange.found.deployment)
            request.body = bytes(exchange.body)
            self.served.begin(exchange.found, request, exchange)

    def on_response_complete(self) -> None:
        """As uvicorn has it, but idle connections are ended by the sweep: a timer for each answer costs more."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self.idle_since = time.monotonic()

    @property
    def served(self) -> HttpServer:
        """What answers."""
        app: HttpServer = self.config.app  # type: ignore[assignment]  # uvicorn is given nothing else
        return app

    def time_out(self) -> None:
        """Say that it took too long, and hang up."""
        self.transport.write(_TIMEOUT)
        self.transport.close()

    def _exchange(self) -> _Exchange | None:
        """The short way for the request whose headers are there; None for those that must take the long one."""
        app, parser = self.served, self.parser
        if (
            (self.cycle is not None and not self.cycle.response_complete)
            or self.pipeline
            or self.flow.write_paused
            or self.expect_100_continue
            or parser.should_upgrade()
            or parser.get_http_version() != "1.1"
            or app.traced
            or not self._is_short()
        ):
            return None
        known = app.line(parser.get_method(), self.url)
        if known.found is None:
            return None
        self.scope["method"], self.scope["path"], self.scope["query_string"] = known.method, known.path, known.query
        return _Exchange(self, known.found, keep_alive=parser.should_keep_alive())

    def _is_short(self) -> bool:
        for name, value in self.headers:
            if name == b"content-length":
                return value.isdigit() and int(value) <= SHORT_BYTES
            if name == b"transfer-encoding":
                return False
        return True


async def sweep(connections: Iterable[Any], *, receive_seconds: float, idle_seconds: float) -> None:
    """Hang up on every connection that has been sending one request, or nothing, for longer than it may.

    A few at a time: when hundreds are late together, requests are answered in between.
    """
    now, closed = time.monotonic(), 0
    for connection in list(connections):
        if connection.transport.is_closing():
            continue
        if connection.receiving_since is not None and connection.receiving_since < now - receive_seconds:
            connection.time_out()
        elif connection.idle_since is not None and connection.idle_since < now - idle_seconds:
            connection.transport.close()
        else:
            continue
        closed += 1
        if closed % _TOGETHER == 0:
            await asyncio.sleep(0)
