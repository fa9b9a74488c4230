"""Rows that a stream brings, at least once, with the effect of once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from modelyard.core import InvalidInput
from modelyard.features.definitions import FeatureView
from modelyard.features.errors import BadMessage
from modelyard.streams import Consumer, Delivery, Lag

from .messages import MessageReader
from .push import Pusher

ROWS = 5_000
"""Messages that are worked on together."""

_SECONDS = 0.5


@dataclass(frozen=True)
class StreamPushed:
    """What came: new rows, messages that were in the log before, those that became dead letters; and what is left."""

    rows: int = 0
    again: int = 0
    refused: int = 0
    left: Lag = field(default_factory=Lag)


Watch = Callable[[StreamPushed], None]
"""Is told how far it is after each batch."""


@dataclass(frozen=True)
class _Batch:
    """Messages that are rows."""

    deliveries: Sequence[Delivery]
    rows: pa.Table
    names: Sequence[str]


class StreamPusher:
    """Takes the messages of a stream as rows of a push source. For one consumer, from one thread.

    Rows are in the log, on the disk, and in the online store before their messages are acknowledged. A process that is
    killed anywhere between leaves messages that come again; they are known by their names in the log, so that nothing
    counts twice, and online the newest row stays in any case. Messages that are no rows become dead letters. Many
    consumers may work at once, also on one machine.
    """

    def __init__(self, pusher: Pusher, view: FeatureView, stream: str, id_name: str | None) -> None:
        views = pusher.views
        columns = dict.fromkeys(name for each in views for name in each.columns)
        schema = view.open().schema
        lacking = [name for name in columns if name not in schema.names]
        if lacking:
            for each in views:
                each.rows()  # which says in which view, and what there is
        required = {name for each in views for name in (*each.keys, each.event_time)}
        self._reader = MessageReader(pa.schema([schema.field(name) for name in columns]), sorted(required), id_name)
        self._pusher = pusher
        self._stream = blake2b(stream.encode(), digest_size=6).hexdigest()
        self._held: _Batch | None = None
        self._done = StreamPushed()

    def run(self, consumer: Consumer, *, seconds: float = _SECONDS, watch: Watch = lambda _: None) -> StreamPushed:
        """Take what has come to the group until nothing is left; what was done since the beginning.

        Rows are worked on when there are `ROWS` of them, or after so many seconds. Raises what the consumer and the
        stores raise, and may be called again: messages whose rows could not be kept are held, and done first.
        """
        while True:
            self._finish(consumer)
            found = consumer.gather(ROWS, seconds)
            self._held = self._read(consumer, found)
            self._finish(consumer)
            self._count(lag=consumer.lag())
            watch(self._done)
            if not found and self._done.left.is_done:
                return self._done

    @property
    def done(self) -> StreamPushed:
        """What was done since the beginning."""
        return self._done

    def _finish(self, consumer: Consumer) -> None:
        """Keep the rows that are held, then acknowledge their messages."""
        held = self._held
        if held is None:
            return
        new = self._pusher.push_messages(held.rows, held.names)
        consumer.acknowledge(held.deliveries)
        self._held = None
        self._count(rows=new, again=len(held.deliveries) - new)

    def _read(self, consumer: Consumer, found: Sequence[Delivery]) -> _Batch | None:
        """The rows of messages; those that are none are put aside."""
        read: list[tuple[Delivery, tuple[Any, ...], str]] = []
        for each in found:
            try:
                values, known = self._reader.read(each.message.value)
            except BadMessage as error:
                self._refuse(consumer, each, error)
            else:
                read.append(
                    (each, values, f"{self._stream}:{each.position}@{each.published_us}" if known is None else known)
                )
        if not read:
            return None
        deliveries, rows, names = zip(*read, strict=True)
        try:
            return _Batch(deliveries, self._checked(rows), names)
        except InvalidInput:  # of one of them or several: each is tried by itself
            return self._one_by_one(consumer, read)

    def _one_by_one(self, consumer: Consumer, read: Sequence[tuple[Delivery, tuple[Any, ...], str]]) -> _Batch | None:
        kept = []
        for each in read:
            try:
                self._checked([each[1]])
                kept.append(each)
            except InvalidInput as error:
                self._refuse(consumer, each[0], error)
        if not kept:
            return None
        deliveries, rows, names = zip(*kept, strict=True)
        return _Batch(deliveries, self._checked(rows), names)

    def _checked(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        table = self._reader.table(rows)
        self._pusher.check(table)
        return table

    def _refuse(self, consumer: Consumer, delivery: Delivery, error: InvalidInput) -> None:
        consumer.dead_letter(delivery, error.message)
        self._count(refused=1)

    def _count(self, *, rows: int = 0, again: int = 0, refused: int = 0, lag: Lag | None = None) -> None:
        done = self._done
        self._done = StreamPushed(done.rows + rows, done.again + again, done.refused + refused, lag or done.left)
