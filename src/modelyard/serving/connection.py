"""One client's connection, with a deadline for what it sends."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TOGETHER = 10
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


class Connection(HttpToolsProtocol):
    """uvicorn's connection, which knows since when it waits for the rest of a request; None when it does not."""

    receiving_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Corked(transport))  # type: ignore[arg-type]  # all of a transport that is asked for
        self.receiving_since = time.monotonic()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.receiving_since = time.monotonic()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.receiving_since = None

    def time_out(self) -> None:
        """Say that it took too long, and hang up."""
        self.transport.write(_TIMEOUT)
        self.transport.close()


async def close_slow_senders(connections: Iterable[Any], seconds: float) -> None:
    """Hang up on every connection that has been sending one request for longer than `seconds`.

    A few at a time: when hundreds are late together, requests are answered in between.
    """
    latest, closed = time.monotonic() - seconds, 0
    for connection in list(connections):
        since = connection.receiving_since
        if since is not None and since < latest and not connection.transport.is_closing():
            connection.time_out()
            closed += 1
            if closed % _TOGETHER == 0:
                await asyncio.sleep(0)
