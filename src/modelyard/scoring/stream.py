"""Scoring a stream: at least once, with answers whose keys tell duplicates."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Clock, to_micros
from modelyard.inference import Bundle, InvalidRow, IsolatedModelFailed
from modelyard.streams import Consumer, Delivery, Lag, Message, MessageTooLarge, Stream

from .messages import Asked, MessageReader, MessageWriter

TOGETHER = 2_000
"""So many messages are scored together, at most."""

_WAIT_S = 0.5
_LAG_EVERY_S = 1.0


@dataclass(frozen=True)
class StreamScored:
    """What was answered and what became a dead letter; and what is left, as the broker said last."""

    answered: int = 0
    refused: int = 0
    left: Lag = field(default_factory=Lag)


WatchStream = Callable[[StreamScored], None]
"""Is told how far it is, after each batch."""


@dataclass(frozen=True)
class _Batch:
    """Messages with their answers."""

    deliveries: Sequence[Delivery]
    answers: Sequence[Message]


class StreamScorer:
    """Answers the messages of a stream by messages of another. For one consumer, from one thread.

    The answers are with their broker before the messages are acknowledged: a process that is killed anywhere leaves
    messages that come again, and are answered under the same key. Nothing more is asked for while answers cannot be
    published. What is no row of the model becomes a dead letter at once; a row on which the model fails comes again,
    and becomes one when its deliveries are used up.
    """

    def __init__(self, bundle: Bundle, output: Stream, *, stream: str, version: str, clock: Clock) -> None:
        """`stream` tells the one that is consumed from others; see `MessageReader`."""
        self._bundle = bundle
        self._output = output
        self._reader = MessageReader(bundle, stream)
        self._writer = MessageWriter(bundle, version)
        self._clock = clock
        self._held: _Batch | None = None
        self._asked_at = float("-inf")
        self.done = StreamScored()

    def run(
        self,
        consumer: Consumer,
        *,
        together: int = TOGETHER,
        until_empty: bool = False,
        stopped: Callable[[], bool] = lambda: False,
        watch: WatchStream = lambda _: None,
    ) -> StreamScored:
        """Answer what comes until `stopped` says so, or until nothing is left; what was done since the beginning.

        Stopping finishes the batch at hand: its answers are published and its messages acknowledged. Raises what
        consumer and output raise, and may be called again: answers that could not be published are held, and go first.
        """
        while True:
            self._finish(consumer)
            if stopped():
                self._look(consumer, at_once=True)
                watch(self.done)
                return self.done
            found = consumer.receive(together, _WAIT_S)
            self._held = self._scored(consumer, found)
            self._finish(consumer)
            self._look(consumer, at_once=until_empty and not found)
            watch(self.done)
            if until_empty and not found and self.done.left.is_done:
                return self.done

    def _finish(self, consumer: Consumer) -> None:
        """Publish the answers that are held, then acknowledge their messages."""
        while (held := self._held) is not None:
            try:
                self._output.publish(held.answers)
            except MessageTooLarge as error:
                place = int(str(error.context["place"]))
                self._refuse(consumer, held.deliveries[place], f"Its answer is too large: {error.message}")
                self._held = _without(held, place)
                continue
            consumer.acknowledge(held.deliveries)
            self._held = None
            self.done = replace(self.done, answered=self.done.answered + len(held.deliveries))

    def _look(self, consumer: Consumer, *, at_once: bool) -> None:
        """Ask the broker how far the group is behind; not after every batch."""
        now = time.monotonic()
        if at_once or now - self._asked_at >= _LAG_EVERY_S:
            self.done = replace(self.done, left=consumer.lag())
            self._asked_at = now

    def _scored(self, consumer: Consumer, found: Sequence[Delivery]) -> _Batch | None:
        """The answers to messages; those that are no rows are put aside."""
        asked = []
        for each in found:
            try:
                asked.append(self._reader.read(each))
            except InvalidRow as error:
                self._refuse(consumer, each, error.message)
        if not asked:
            return None
        try:
            scores = self._scores(asked)
        except (InvalidRow, IsolatedModelFailed):  # of one of them or several: each is tried by itself
            asked, scores = self._one_by_one(consumer, asked)
        if not asked:
            return None
        answers = self._writer.write(asked, scores, to_micros(self._clock.now()))
        return _Batch([each.delivery for each in asked], answers)

    def _scores(self, asked: Sequence[Asked]) -> NDArray[np.float64]:
        encoded = self._bundle.encode([each.row for each in asked])
        return self._bundle.scores(encoded.matrix, encoded.arrays)

    def _one_by_one(self, consumer: Consumer, asked: Sequence[Asked]) -> tuple[list[Asked], NDArray[np.float64]]:
        kept, scores = [], []
        for each in asked:
            try:
                scores.append(self._scores([each]))
                kept.append(each)
            except InvalidRow as error:
                self._refuse(consumer, each.delivery, error.message)
            except IsolatedModelFailed as error:
                if consumer.reject(each.delivery, error.message):
                    self.done = replace(self.done, refused=self.done.refused + 1)
        return kept, np.concatenate(scores) if scores else np.empty((0, 1))

    def _refuse(self, consumer: Consumer, delivery: Delivery, reason: str) -> None:
        consumer.dead_letter(delivery, reason)
        self.done = replace(self.done, refused=self.done.refused + 1)


def _without(batch: _Batch, place: int) -> _Batch:
    keep = [at for at in range(len(batch.deliveries)) if at != place]
    return _Batch([batch.deliveries[at] for at in keep], [batch.answers[at] for at in keep])
