"""The way out: a bounded queue and a thread of its own, so that no run waits for a receiver, or fails with it."""

import json
import os
import queue
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from logging import WARNING
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from modelyard.core import log_event

Event = Mapping[str, Any]

SECONDS = 3.0
"""How long a receiver may take for one event."""

_WAITING = 1_000
_TRIES = 3
"""After so many failures one after the other, nothing more is tried."""


class Receiver(Protocol):
    """Takes events, one at a time, in their order. Raises OSError when it cannot."""

    @property
    def name(self) -> str:
        """Where it is, without secrets."""

    def take(self, event: Event) -> None:
        """Take one event; it is kept, or received, when this returns."""


class FileReceiver:
    """A file that gets one event a line. Several processes may write: a line is written in one piece."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        return str(self._path)

    def take(self, event: Event) -> None:
        line = json.dumps(event, allow_nan=False).encode() + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(file, line) != len(line):
                raise OSError(f"{self._path} took a part of an event only")
        finally:
            os.close(file)


class HttpReceiver:
    """An endpoint that events are posted to. Redirects are not followed: a key goes to the host that was named."""

    def __init__(self, url: str, api_key: str = "", *, seconds: float = SECONDS) -> None:
        self._url = url
        self._key = api_key
        self._seconds = seconds
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def name(self) -> str:
        try:
            parts = urlsplit(self._url)
        except ValueError:
            return "a URL that is none"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def take(self, event: Event) -> None:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        body = json.dumps(event, allow_nan=False).encode()
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 - http and https alone
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                answer.read(1)
        except ValueError as error:  # a URL that is none
            raise OSError(str(error)) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """An answer that points elsewhere is an error."""


class Sender:
    """Hands events on from a thread of its own. What cannot be sent is counted, and logged once."""

    def __init__(self, receiver: Receiver, *, waiting: int = _WAITING) -> None:
        self._receiver = receiver
        self._queue: queue.Queue[Callable[[], Event] | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._work, daemon=True, name="openlineage")
        self._begun = False
        self._failures = 0
        self.sent = 0
        self.lost = 0
        self.why = ""

    def put(self, make: Callable[[], Event]) -> None:
        """Take an event, to be made and sent later; never waits. With a full queue it is lost."""
        if not self._begun:
            self._begun = True
            self._thread.start()
        try:
            self._queue.put_nowait(make)
        except queue.Full:
            self.lost += 1
            self.why = self.why or "more waited than there is room for"

    def close(self, seconds: float = 2 * SECONDS) -> None:
        """Wait at most so long for what is on its way; what is not sent then is lost, and all that was lost is told."""
        if not self._begun:
            return
        end = time.monotonic() + seconds
        try:
            self._queue.put(None, timeout=seconds)
            self._thread.join(max(0.0, end - time.monotonic()))
        except queue.Full:
            self.why = self.why or f"nothing moved for {seconds:g} s"
        left = self._queue.qsize() + int(self._thread.is_alive())
        if lost := self.lost + left:
            why = self.why or f"they took longer than {seconds:g} s"
            log_event("pipelines", "lineage events lost", level=WARNING, lost=lost, sent=self.sent,
                      receiver=self._receiver.name, why=why)  # fmt: skip

    def _work(self) -> None:
        while (make := self._queue.get()) is not None:
            if self._failures >= _TRIES:
                self.lost += 1
                continue
            try:
                self._receiver.take(make())
                self.sent += 1
                self._failures = 0
            except Exception as error:  # the edge of the thread: no run fails because its lineage is not told
                self.lost += 1
                self._failures += 1
                self.why = f"{type(error).__name__}: {error}"[:300]
