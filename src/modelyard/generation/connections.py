"""HTTP/1.1 as a client on asyncio: connections are kept, answers read as they come, and hung up on when left.

No redirects, no proxies, no compression: an upstream is asked where it is declared to be.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import httptools

from modelyard.core import InvalidInput, shown

from .errors import UpstreamBroken, UpstreamUnavailable

MOST_IDLE = 128
"""Connections kept open to one upstream while nothing is asked."""

_HIGH_WATER = 1 << 20
_MOST_HEADERS = 200
_LARGEST_HEAD = 256 << 10
_ENDING_SECONDS = 1.0


class Address(NamedTuple):
    """Where an upstream is, taken from its URL."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """InvalidInput for what is no http or https URL, or carries a name and password, a query or a fragment."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        plain = not (parts.query or parts.fragment or parts.username or parts.password)
        if parts.scheme not in ("http", "https") or not parts.hostname or not plain or not url.isascii():
            raise InvalidInput(
                f"{shown(url, 100)} is no address of an upstream.",
                code="INVALID_UPSTREAM",
                remedy="Write http://HOST:PORT/v1, or https://HOST/v1; keys go into a variable: key_variable.",
            )
        tls = parts.scheme == "https"
        return cls(parts.hostname, port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    @property
    def host_header(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Answer:
    """An answer that is coming: status and headers are there, `read` gives the body piece by piece.

    Use it in one task. `close` it when done: what has not come by then is hung up on.
    """

    __slots__ = ("_error", "_link", "_parts", "_size", "_waiter", "ended", "headers", "reused", "status")

    def __init__(self, link: "_Link", *, reused: bool) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = False
        self.reused = reused
        self._link = link
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Wait for status and headers; UpstreamUnavailable when the connection ended before."""
        while not self.status and self._error is None:
            await self._wait()
        if not self.status and self._error is not None:
            raise self._error

    @property
    def at_hand(self) -> bool:
        """Whether `read` has nothing to wait for."""
        return bool(self._parts) or self.ended or self._error is not None

    async def read(self) -> bytes:
        """The next bytes of the body, nothing at its end; UpstreamBroken when it was cut."""
        while not self.at_hand:
            await self._wait()
        if not self._parts:
            if self._error is not None:
                raise self._error
            return b""
        data = self._parts.popleft() if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        self._link.resume()
        return data

    def close(self, *, ending: bool = False) -> None:
        """Keep the connection when all has come, and hang up on it otherwise.

        `ending`: no more than the end of the body is to come, which is waited for where nobody is kept waiting.
        """
        self._link.release(self, ending=ending)

    def took(self, data: bytes) -> None:
        """More of the body."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > _HIGH_WATER:
            self._link.pause()
        self.wake()

    def failed(self, error: Exception) -> None:
        """No more will come."""
        if not self.ended:
            self._error = self._error or error
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class _Link(asyncio.Protocol):
    """One connection to an upstream."""

    def __init__(self, idle: "deque[_Link]") -> None:
        self._idle = idle
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._answer: Answer | None = None
        self._framed = False
        self._paused = False
        self._lasting = False
        self._ending = False
        self._asked = 0
        self._head = 0
        self.closed = False

    def ask(self, request: bytes) -> Answer:
        """Send a request."""
        assert self._transport is not None  # noqa: S101 - a link is handed out once it is connected
        self._parser = httptools.HttpResponseParser(self)
        self._framed = self._ending = False
        self._head = 0
        self._answer = answer = Answer(self, reused=self._asked > 0)
        self._asked += 1
        self._transport.write(request)
        return answer

    def release(self, answer: Answer, *, ending: bool) -> None:
        """The answer is not read any further; with `ending` nothing but the end of it is to come."""
        if self._answer is not answer or self._ending:
            return
        if ending and not answer.ended and not self.closed:
            self._ending = True
            asyncio.get_running_loop().call_later(_ENDING_SECONDS, self._give_up, answer)
            return
        self._let_go(answer)

    def _give_up(self, answer: Answer) -> None:
        if self._answer is answer and self._ending:
            self._let_go(answer)

    def _let_go(self, answer: Answer) -> None:
        self._answer = None
        fit = answer.ended and self._framed and self._lasting and not self.closed
        if fit and len(self._idle) < MOST_IDLE:
            self.resume()
            self._idle.append(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Hang up."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")  # noqa: S101 - uvloop's are no subclass
        self._transport = transport  # type: ignore[assignment]  # as above

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        if self._answer is None:  # nobody asked
            self.abort()
            return
        answer = self._answer
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(answer, "it goes over to another protocol, which nobody asked for")
        except httptools.HttpParserError as error:
            self._fail(answer, str(error))
        if not answer.status:
            self._head += len(data)
            if self._head > _LARGEST_HEAD:
                self._fail(answer, f"its headers have more than {_LARGEST_HEAD} bytes")

    def _fail(self, answer: Answer, why: str) -> None:
        """Give an answer up that is no HTTP."""
        answer.failed(UpstreamBroken(f"The upstream does not speak HTTP: {why}.", context={"why": "protocol"}))
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        self.closed = True
        answer = self._answer
        if answer is None or answer.ended:
            return
        if not answer.status:
            answer.failed(UpstreamUnavailable("The upstream hung up before it answered.", context={"why": "hung up"}))
        elif not self._framed and exc is None:
            answer.ended = True
            answer.wake()
        else:
            answer.failed(UpstreamBroken("The upstream's answer was cut off.", context={"why": "cut"}))

    def on_message_begin(self) -> None:
        """httptools's: an answer behind the one that was asked for is nobody's."""
        if self._answer is None or self._answer.ended:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools's."""
        headers = self._answer.headers if self._answer is not None and not self.closed else {}
        if len(headers) < _MOST_HEADERS:
            key = name.decode("latin-1").lower()
            headers[key] = value.decode("latin-1")
            self._framed = self._framed or key in ("content-length", "transfer-encoding")

    def on_headers_complete(self) -> None:
        """httptools's."""
        status = self._parser.get_status_code()
        if self.closed or self._answer is None:
            return
        if 100 <= status < 200:  # the answer itself is to come, with headers of its own
            self._answer.headers.clear()
            self._framed = False
            return
        if status < 100:
            self._fail(self._answer, f"there is no status {status}")
            return
        self._lasting = self._parser.should_keep_alive()
        self._answer.status = status
        self._answer.wake()

    def on_body(self, body: bytes) -> None:
        """httptools's."""
        if self._answer is not None and not self.closed:
            self._answer.took(body)

    def on_message_complete(self) -> None:
        """httptools's."""
        if self._answer is not None and self._answer.status and not self.closed:
            self._answer.ended = True
            self._answer.wake()
            if self._ending:
                self._let_go(self._answer)


class Connections:
    """Connections to upstreams, kept while they are idle. One event loop's."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int, bool], deque[_Link]] = {}

    async def post(
        self, address: Address, path: str, headers: Mapping[str, str], body: bytes, *, connect_seconds: float
    ) -> Answer:
        """Send a POST and wait for the head of its answer; UpstreamUnavailable when there is none.

        A kept connection that the upstream had hung up on meanwhile is not held against it: another is opened.
        """
        lines = [f"POST {address.path}{path} HTTP/1.1", f"host: {address.host_header}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        while True:
            answer = (await self._link(address, connect_seconds)).ask(request)
            try:
                await answer.head()
            except UpstreamUnavailable:
                answer.close()
                if answer.reused:
                    continue
                raise
            except BaseException:
                answer.close()
                raise
            return answer

    def close(self) -> None:
        """Hang up on all that are idle."""
        for links in self._idle.values():
            while links:
                links.pop().abort()

    async def _link(self, address: Address, connect_seconds: float) -> _Link:
        idle = self._idle.setdefault((address.host, address.port, address.tls), deque())
        while idle:
            if not (link := idle.pop()).closed:
                return link
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(connect_seconds):
                _, made = await loop.create_connection(
                    lambda: _Link(idle), address.host, address.port, ssl=_tls() if address.tls else None
                )
        except (OSError, TimeoutError, UnicodeError) as error:  # what is no name of a host is no Unicode to it
            why = "nobody answered in time" if isinstance(error, TimeoutError) else str(error)
            raise UpstreamUnavailable(
                f"{address.host}:{address.port} cannot be reached: {why}.",
                context={"why": "connect"},
                remedy="See that the upstream runs, and that its address is right: upstreams in modelyard.yaml.",
            ) from error
        return made


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
