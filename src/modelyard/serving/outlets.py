"""Where answers that are streamed go, over ASGI: what is pushed is sent as fast as the caller takes it."""

import asyncio
from collections.abc import Callable
from typing import Any

from .requests import Receive, Send

EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
"""The headers of a stream of events."""

_MOST_WAITING = 1 << 20
_JSON = (b"content-type", b"application/json")
_END = None


class AsgiOutlet:
    """See `chat.contract.Outlet`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._waiting = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._leave: Callable[[], object] | None = None

    def write(self, status: int, body: bytes) -> None:
        """Send a whole answer."""
        length = (b"content-length", str(len(body)).encode())
        retry = [(b"retry-after", b"1")] if status in (429, 503) else []
        bearer = [(b"www-authenticate", b"Bearer")] if status == 401 else []
        headers = [_JSON, *retry, *bearer, length]
        self._queue.put_nowait({"type": "http.response.start", "status": status, "headers": headers})
        self._queue.put_nowait({"type": "http.response.body", "body": body})
        self._queue.put_nowait(_END)

    def open(self) -> None:
        """Begin a stream of events."""
        self._queue.put_nowait({"type": "http.response.start", "status": 200, "headers": EVENTS})

    def push(self, data: bytes) -> None:
        """Send some of it."""
        self._waiting += len(data)
        if self._waiting > _MOST_WAITING:
            self._drained.clear()
        self._queue.put_nowait({"type": "http.response.body", "body": data, "more_body": True})

    def finish(self) -> None:
        """End it."""
        self._queue.put_nowait({"type": "http.response.body", "body": b""})
        self._queue.put_nowait(_END)

    def on_leave(self, act: Callable[[], object]) -> None:
        """Have something done when the caller hangs up before the end."""
        self._leave = act

    async def drained(self) -> None:
        """Wait until the caller has taken most of what was sent."""
        await self._drained.wait()

    async def run(self, receive: Receive) -> None:
        """Send all that comes, until the end or until the caller has left."""
        watching = asyncio.create_task(self._watch(receive))
        try:
            while (message := await self._queue.get()) is not _END:
                await self._send(message)
                self._waiting -= len(message.get("body", b""))
                if self._waiting <= _MOST_WAITING:
                    self._drained.set()
        finally:
            watching.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if self._leave is not None:
            self._leave()
        self._drained.set()
        self._queue.put_nowait(_END)
