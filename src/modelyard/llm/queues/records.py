"""Items, labels and who is how far, as frozen values."""

from typing import Any, Literal, get_args

import msgspec

from modelyard.core import Digest, canonical_json, digest_of

JudgeLabel = Literal["pass", "fail", "skip"]
"""What somebody says of an answer; `skip` says nothing of it."""

LABELS: tuple[JudgeLabel, ...] = get_args(JudgeLabel)
"""All that may be said of an answer."""

MOST_ITEMS = 10_000
"""Items of one queue."""


class Given(msgspec.Struct, frozen=True):
    """A text that an answer was given, out of a `source` of the index of this name that `groups` may read."""

    index: str
    source: str
    groups: tuple[str, ...]
    text: str


class Item(msgspec.Struct, frozen=True):
    """An answer to be judged: `item` is its name where it comes from, `origin` whose it is.

    Neither is shown to who judges. `chunks` are for everybody; of those in `given` whoever shows them decides each
    time, so that they are no part of the digest. `entity` is whom the log says it was made for: erasing finds it by
    that.
    """

    item: str
    question: str
    answer: str
    chunks: tuple[str, ...] = ()
    expected: str | None = None
    origin: dict[str, Any] = {}
    entity: str | None = None
    given: tuple[Given, ...] = ()

    @property
    def digest(self) -> Digest:
        """Of all that is judged, whosever it is."""
        return digest_of(canonical_json([self.question, self.answer, self.chunks, self.expected]))


class Kept(msgspec.Struct, frozen=True):
    """An item in its queue. `ref` names it to people and tells nothing; `item` is None once it was erased."""

    ref: str
    digest: Digest
    item: Item | None


class Part(msgspec.Struct, frozen=True):
    """Items that were added together: so many, under keys that begin with `batch`."""

    batch: str
    count: int
    source: str
    at: str
    by: str


class QueueInfo(msgspec.Struct, frozen=True):
    """A queue: the seed of everybody's order, and its items by parts; later ones are judged after earlier ones."""

    name: str
    seed: str
    created_at: str
    parts: tuple[Part, ...] = ()

    @property
    def items(self) -> int:
        return sum(each.count for each in self.parts)


class Former(msgspec.Struct, frozen=True):
    """What a label was before it was corrected."""

    label: JudgeLabel
    note: str
    at: str


class JudgeLabelled(msgspec.Struct, frozen=True):
    """What somebody says of an item, and what the same person said before, oldest first."""

    item: str
    by: str
    label: JudgeLabel
    note: str
    at: str
    history: tuple[Former, ...] = ()


class Judged(msgspec.Struct, frozen=True):
    """How far somebody is: `counts` by label, the first `place` of the own order without one, the `last` item."""

    by: str
    counts: dict[JudgeLabel, int] = {}
    place: int = 0
    last: str = ""

    @property
    def labelled(self) -> int:
        return sum(self.counts.values())


class Progress(msgspec.Struct, frozen=True):
    """A queue, how many items it has, and how far each person is."""

    name: str
    created_at: str
    items: int
    people: tuple[Judged, ...]


class Shown(msgspec.Struct, frozen=True):
    """An item as who judges sees it: nothing of where it comes from, nothing of what others say.

    Of `given` they see what they may read.
    """

    ref: str
    question: str
    answer: str
    chunks: tuple[str, ...]
    expected: str | None
    mine: JudgeLabelled | None
    given: tuple[Given, ...] = ()
