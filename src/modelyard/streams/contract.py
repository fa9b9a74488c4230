"""What a broker's driver promises. `Stream` and `Consumer` stand on it, and add what all have in common."""

from collections.abc import Sequence
from typing import Protocol

from modelyard.core import Micros

from .records import ConsumerOptions, Delivery, Lag, Message


class Feed(Protocol):
    """One consumer's share of a stream, within a group. Used from one thread.

    Each message is delivered to one consumer of the group at a time, at least once. It is delivered again when it is
    given back, when its consumer closes or dies, and `redeliver_s` after it was delivered and not confirmed; then its
    attempt is one higher, also in another process. New messages come in the order in which they were published, those
    of one key at least; what is delivered again comes when it comes.
    """

    def fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        """At most `limit` messages; when there is none, as soon as there is one, or nothing after `wait_s` seconds.

        With a limit of 0 it only tells the broker that this consumer lives. May return nothing, or raise
        StreamUnavailable, while the broker is away; goes on by itself when it is back.
        """

    def confirm(self, deliveries: Sequence[Delivery]) -> None:
        """These are done: when it returns, the broker knows. StreamUnavailable when it cannot be told.

        One that meanwhile went to another consumer may be delivered there all the same.
        """

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Deliver these again soon, to whoever asks."""

    def close(self) -> None:
        """Leave the group. Idempotent; never raises for a broker that is away."""


class Broker(Protocol):
    """Where streams are kept. Connects when it is first used. Used from one thread.

    All methods raise StreamUnavailable when the broker does not answer in time, and those with a name raise
    StreamNotFound when there is no such stream.
    """

    def limit(self) -> int:
        """How many bytes a message may have; what has more is not given to `send`."""

    def exists(self, name: str) -> bool:
        """Whether there is a stream of this name."""

    def names(self) -> list[str]:
        """Some names of streams that are there, for a message about one that is not."""

    def create(self, name: str) -> None:
        """Make a stream, unless it is there."""

    def send(self, name: str, messages: Sequence[Message]) -> None:
        """Publish in this order. When it returns the broker has vouched for all of them; when it raises, any of them
        may be there, and sending all again leaves duplicates of those and loses none.
        """

    def feed(self, name: str, group: str, options: ConsumerOptions) -> Feed:
        """Join a group, which begins with the oldest message when it is new."""

    def lag(self, name: str, group: str) -> Lag:
        """How far a group is behind, of all its consumers together. A group that nobody was in has all to come.

        A broker may count what was just delivered or acknowledged a moment later.
        """

    def rewind(self, name: str, group: str, since: Micros | None) -> None:
        """Let a group begin again, with the oldest message or the first published at `since` or later.

        Nobody may be consuming in it: GroupInUse where the broker can tell.
        """

    def close(self) -> None:
        """End all connections. Idempotent."""
