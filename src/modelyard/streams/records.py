"""Messages, and what is known of them once they are delivered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.core import Micros


@dataclass(frozen=True)
class Message:
    """Bytes with a key and headers.

    The key may be empty, which is the same as none. Names of headers are 1 to 64 letters, digits, `-` and `_`, and
    brokers may change their case; values are any text. Headers beginning with `modelyard-dead-` are set on dead
    letters.
    """

    value: bytes
    key: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of value, key and headers."""
        told = sum(len(name) + len(text.encode()) for name, text in self.headers.items())
        return len(self.value) + len(self.key) + told


@dataclass(frozen=True)
class Delivery:
    """A message as a consumer got it.

    `position` names it within its stream, the same at each delivery. `attempt` counts deliveries in the group, from 1;
    those of consumers that were killed count too. `published_us` is when the broker, or its client, says it was
    published, to the millisecond.
    """

    message: Message
    position: str
    attempt: int
    published_us: Micros
    handle: Any = field(default=None, repr=False, compare=False)
    """What the driver needs to acknowledge it; nobody else's business."""


@dataclass(frozen=True)
class Lag:
    """How far a group is behind: messages that were never delivered in it, and those delivered and not acknowledged."""

    waiting: int = 0
    unacknowledged: int = 0

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return not self.waiting and not self.unacknowledged


@dataclass(frozen=True)
class ConsumerOptions:
    """How a consumer deals with what is not acknowledged.

    `deliveries`: after so many without acknowledgement a message becomes a dead letter. `in_flight`: so many may be
    delivered to one consumer and not acknowledged; it gets no more until some are. `redeliver_s`: seconds after which
    a message that was not acknowledged is delivered again, to whichever consumer of the group asks first.
    """

    deliveries: int = 5
    in_flight: int = 1000
    redeliver_s: float = 30.0
