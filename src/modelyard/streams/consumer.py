"""Consuming in a group: what all brokers have in common."""

import time
from collections.abc import Callable, Sequence
from logging import WARNING
from types import TracebackType
from typing import Self

from modelyard.core import log_event

from .contract import Feed
from .records import ConsumerOptions, Delivery, Lag, Message

_LONGEST_REASON = 1000
_PAUSE_S = 0.2
"""Seconds without a message after which what was gathered is worked on."""

BuryMessage = Callable[[Message], None]
"""Publishes a dead letter; when it returns, the broker has it."""


class Consumer:
    """One consumer of a group. At least once: what is not acknowledged comes again, and any message may come twice.

    The consumers of a group share its messages; each group gets all. With one consumer in the group, messages of one
    key come in the order in which they were published, as long as none comes again; on Kafka with several too.
    Use from one thread, and close when done: what was not acknowledged is then delivered to others at once.
    """

    def __init__(
        self, feed: Feed, group: str, options: ConsumerOptions, bury: BuryMessage, lag: Callable[[], Lag]
    ) -> None:
        self.group = group
        self._feed = feed
        self._options = options
        self._bury = bury
        self._lag = lag
        self._out: dict[str, tuple[Delivery, float]] = {}
        self._closed = False

    def receive(self, limit: int = 100, wait_s: float = 1.0) -> list[Delivery]:
        """At most `limit` messages; none when there is none for `wait_s` seconds, or too many are in flight.

        A message delivered more often than `deliveries` says becomes a dead letter instead. StreamUnavailable, or
        nothing, while the broker is away; once it is back this goes on.
        """
        now = time.monotonic()
        self._out = {position: each for position, each in self._out.items() if each[1] > now}
        room = min(limit, self._options.in_flight - len(self._out))
        if room <= 0:
            self._feed.fetch(0, 0.0)
            return []
        found = self._feed.fetch(room, wait_s)
        until = time.monotonic() + self._options.redeliver_s
        self._out.update({each.position: (each, until) for each in found})
        spent = [each for each in found if each.attempt > self._options.deliveries]
        for each in spent:
            self.dead_letter(each, f"delivered {each.attempt - 1} times and never acknowledged")
        return [each for each in found if each.attempt <= self._options.deliveries] if spent else found

    def gather(self, limit: int, seconds: float) -> list[Delivery]:
        """What comes until there are `limit` messages, or for so long, or until no more comes: to work on together."""
        found: list[Delivery] = []
        end = time.monotonic() + seconds
        while len(found) < limit:
            more = self.receive(limit - len(found), _PAUSE_S)
            found += more
            if time.monotonic() > end or (found and not more):
                break
        return found

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done, and not delivered again; see `contract.Feed.confirm`."""
        if deliveries:
            self._feed.confirm(deliveries)
        for each in deliveries:
            self._out.pop(each.position, None)

    def reject(self, delivery: Delivery, reason: str) -> bool:
        """Deliver it again, or make it a dead letter if this was the last delivery; whether it became one."""
        if delivery.attempt >= self._options.deliveries:
            self.dead_letter(delivery, reason)
            return True
        self._feed.give_back([delivery])
        self._out.pop(delivery.position, None)
        return False

    def dead_letter(self, delivery: Delivery, reason: str) -> None:
        """Put a message aside at once: publish it to the dead letters, then acknowledge it."""
        told = {
            "modelyard-dead-reason": reason[:_LONGEST_REASON],
            "modelyard-dead-group": self.group,
            "modelyard-dead-position": delivery.position,
            "modelyard-dead-attempts": str(delivery.attempt),
        }
        message = delivery.message
        self._bury(Message(message.value, message.key, {**message.headers, **told}))
        log_event(
            "streams", "dead letter", level=WARNING, group=self.group, position=delivery.position, reason=reason[:200]
        )
        self.acknowledge([delivery])

    def lag(self) -> Lag:
        """How far the group is behind."""
        return self._lag()

    def close(self) -> None:
        """Give back what was not acknowledged, and leave the group. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            self._feed.give_back([each for each, _ in self._out.values()])
        finally:
            self._out.clear()
            self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()
