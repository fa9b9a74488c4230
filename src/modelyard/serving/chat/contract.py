"""What the gateway asks of those around it."""

from collections.abc import Callable
from typing import Protocol

from ..applications import LoadedApplication


class Outlet(Protocol):
    """Where an answer goes: whole by `write`, or `open`, any number of `push`, and `finish`. One task's.

    Nothing that is sent after the caller has left raises; `on_leave` says when he has.
    """

    def write(self, status: int, body: bytes) -> None:
        """Send a whole answer."""

    def open(self) -> None:
        """Begin a stream of events."""

    def push(self, data: bytes) -> None:
        """Send some of it."""

    def finish(self) -> None:
        """End it."""

    def on_leave(self, act: Callable[[], object]) -> None:
        """Have something done when the caller hangs up before the end."""

    async def drained(self) -> None:
        """Wait until the caller has taken most of what was sent."""


class TextGuard(Protocol):
    """What an answer's text passes through; it holds back what may begin something that must not leave."""

    def feed(self, text: str) -> str:
        """Take the next text; what may leave by now."""

    def end(self) -> str:
        """There is no more: the rest."""


MakeGuard = Callable[[LoadedApplication], TextGuard | None]
"""Makes the guard of one answer; None where an application has none."""


class Caller(Protocol):
    """Who asks, as far as it is known before the body is read."""

    def may(self, deployment: str) -> bool:
        """Whether he may ask this deployment."""

    def permit(self, deployment: str) -> None:
        """PermissionDenied when he may not ask this deployment."""
