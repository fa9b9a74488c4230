"""What one group has done with one partition, beyond the one number that Kafka keeps of it.

Kafka commits an offset: all before it is done. Messages are acknowledged one by one here, and deliveries are counted
so that those of killed consumers count. Both go into the text that Kafka keeps beside a committed offset: from that
offset on, runs of messages with their deliveries, 0 for one that is done already.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

_MOST = 100_000
"""Messages of a run: more were never in flight, so the text is not ours."""

_LONGEST = 3800
"""Bytes of text; brokers take 4096 by default. What has no room is forgotten: more comes twice, nothing is lost."""


class Progress:
    """Offsets that were delivered and not acknowledged, with their attempts, and those acknowledged ahead of others."""

    def __init__(self, committed: int | None = None, metadata: str = "") -> None:
        """What the broker knows; None when nothing was committed yet."""
        self.committed = committed
        self.attempts: dict[int, int] = {}
        self.done: set[int] = set()
        self.waiting: set[int] = set()
        self.next = committed or 0
        for offset, attempts in _decoded(committed or 0, metadata):
            if attempts:
                self.attempts[offset] = attempts
            else:
                self.done.add(offset)
        self._ahead = frozenset(self.done)
        """What is done and still comes from the broker, also when it is before what is committed by then."""

    def seen(self, offset: int) -> bool:
        """Take note of a message that came from the broker; False when it is done already."""
        self.next = max(self.next, offset + 1)
        if offset in self.done or offset in self._ahead:
            return False
        self.waiting.add(offset)
        return True

    def delivered(self, offset: int) -> int:
        """Count a delivery; the attempt that it is."""
        self.attempts[offset] = self.attempts.get(offset, 0) + 1
        return self.attempts[offset]

    def acknowledged(self, offset: int) -> None:
        """A message is done."""
        if offset in self.waiting:
            self.waiting.discard(offset)
            self.attempts.pop(offset, None)
            self.done.add(offset)

    def position(self) -> tuple[int, str]:
        """The offset to commit, all before which is done, and the text beside it."""
        first = min(self.waiting, default=self.next)
        while first in self.done:
            first += 1
        self.done = {each for each in self.done if each > first}
        self.committed = first
        told = dict.fromkeys(self.done, 0) | {each: count for each, count in self.attempts.items() if each >= first}
        return first, _encoded(first, sorted(told.items()))


def counts(committed: int, metadata: str) -> tuple[int, int]:
    """How many messages from a committed offset on are delivered and not done, and how many are done."""
    found = [attempts for _, attempts in _decoded(committed, metadata)]
    done = found.count(0)
    return len(found) - done, done


def _encoded(first: int, attempts: Iterable[tuple[int, int]]) -> str:
    """Runs as `offset-from-the-first+length:attempts`."""
    text = ""
    for (_, count), run in groupby(enumerate(attempts), lambda item: (item[1][0] - item[0], item[1][1])):
        offsets = [offset for _, (offset, _) in run]
        part = f"{offsets[0] - first}+{len(offsets)}:{count}"
        if len(text) + len(part) + 1 > _LONGEST:
            break
        text += ("," if text else "") + part
    return text


def _decoded(first: int, text: str) -> Iterator[tuple[int, int]]:
    """Offsets and attempts of a text; nothing of one that others wrote."""
    try:
        runs = [(int(a), int(b), int(c)) for a, b, c in (_parts(each) for each in text.split(",") if each)]
    except ValueError:
        return
    for start, length, attempts in runs:
        for offset in range(first + start, first + start + min(length, _MOST)):
            yield offset, attempts


def _parts(run: str) -> tuple[str, str, str]:
    start, _, rest = run.partition("+")
    length, _, attempts = rest.partition(":")
    return start, length, attempts
