"""What the gateway asks of those around it."""

from collections.abc import Callable
from typing import Protocol


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


class Caller(Protocol):
    """Who asks, as far as it is known before the body is read."""

    @property
    def scope(self) -> str:
        """What tells his permissions from those of others; empty where everybody may ask."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of readers that he is in."""

    def may(self, deployment: str) -> bool:
        """Whether he may ask this deployment."""

    def permit(self, deployment: str) -> None:
        """PermissionDenied when he may not ask this deployment."""
