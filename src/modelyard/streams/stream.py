"""One stream of a broker."""

import re
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from modelyard.core import check_name, did_you_mean, shown, to_micros

from .consumer import Consumer
from .contract import Broker
from .errors import InvalidMessage, InvalidStreamAddress, MessageTooLarge, StreamNotFound
from .records import ConsumerOptions, Lag, Message

DEAD = "-dead"
"""What the name of a stream's dead letters ends with."""

_MARGIN = 4096
"""Bytes that messages leave free, so that what a dead letter says in its headers has room beside them."""

_HEADER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Stream:
    """A named stream: publish to it, consume it in groups, look at its dead letters.

    Connects when it is first used. Use from one thread, and close when done. StreamNotFound when the broker has no
    stream of this name, unless it may be created.
    """

    def __init__(
        self,
        broker: Broker,
        name: str,
        *,
        create: bool = False,
        group: str | None = None,
        options: ConsumerOptions | None = None,
    ) -> None:
        self.name = name
        self._broker = broker
        self._create = create
        self._group = group
        self._options = options or ConsumerOptions()
        self._there = False

    @property
    def limit(self) -> int:
        """How many bytes a message may have, key and headers included."""
        return self._broker.limit() - _MARGIN

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish in this order, at least once: when it returns, the broker has vouched for all of them.

        When it raises StreamUnavailable any of them may be there: publish all again. MessageTooLarge and InvalidMessage
        name the first that is wrong, before anything is published.
        """
        self._be_there()
        if not messages:
            return
        limit = self.limit
        for place, each in enumerate(messages):
            _check(each, place, limit, self.name)
        self._broker.send(self.name, messages)

    def consumer(self, group: str | None = None, options: ConsumerOptions | None = None) -> Consumer:
        """Join a group, by default that of the address. A new group begins with the oldest message there is."""
        named, chosen = self._named(group), options or self._options
        self._be_there()
        feed = self._broker.feed(self.name, named, chosen)
        return Consumer(feed, named, chosen, self._bury, lambda: self.lag(named))

    def lag(self, group: str | None = None) -> Lag:
        """How far a group is behind."""
        named = self._named(group)
        self._be_there()
        return self._broker.lag(self.name, named)

    def rewind(self, group: str | None = None, since: datetime | None = None) -> None:
        """Let a group begin again: with the oldest message, or the first that was published at `since` or later.

        What was acknowledged comes again, and attempts count anew. Nobody may be consuming in the group meanwhile:
        GroupInUse where the broker can tell.
        """
        named = self._named(group)
        self._be_there()
        self._broker.rewind(self.name, named, None if since is None else to_micros(since))

    def dead_letters(self) -> "Stream":
        """The stream of messages that were put aside, over the same connection; their headers say why."""
        return Stream(self._broker, self.name + DEAD, create=True, group=self._group, options=self._options)

    def close(self) -> None:
        """End the connections. Idempotent; consumers are closed first."""
        self._broker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def _bury(self, message: Message) -> None:
        dead = self.dead_letters()
        dead._be_there()
        self._broker.send(dead.name, [message])

    def _named(self, group: str | None) -> str:
        named = group or self._group
        if named is None:
            raise InvalidStreamAddress(
                f"It is not said in which group stream '{self.name}' is consumed.",
                code="NO_GROUP",
                remedy="Name one: group=NAME in the address.",
            )
        return check_name("group", named)

    def _be_there(self) -> None:
        if self._there:
            return
        if not self._broker.exists(self.name):
            if not self._create:
                raise StreamNotFound(
                    f"There is no stream '{self.name}'.",
                    remedy=f"{did_you_mean(self.name, self._broker.names())} Or have it made: add create=true to its "
                    "address.",
                )
            self._broker.create(self.name)
        self._there = True


def _check(message: Message, place: int, limit: int, name: str) -> None:
    if message.size > limit:
        raise MessageTooLarge(
            f"Message {place} has {message.size:,} bytes, and stream '{name}' takes {limit:,}.",
            context={"place": place, "size": message.size, "limit": limit},
            remedy="Send less in one message, or raise the broker's limit and max_bytes of the address.",
        )
    for header in message.headers:
        if not _HEADER.fullmatch(header):
            raise InvalidMessage(
                f"Message {place} has a header named {shown(header)}.",
                remedy="Name headers by 1 to 64 letters, digits, '-' and '_'.",
            )
