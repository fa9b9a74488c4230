"""Queues in the record store: adding items, the next one for a person, labels, and what is left of an erased one.

Documents: the queue itself; an item each; a label for each person and item; how far each person is. An item is added
under keys that its batch decides, and is in the queue once the queue's own document names the batch: whoever is killed
in between leaves nothing that shows, and doing the same again goes on with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate

import msgspec

from modelyard.access import Principal
from modelyard.audit import AuditLog
from modelyard.core import (
    Clock,
    IdSource,
    InvalidInput,
    canonical_json,
    check_name,
    check_text,
    digest_of,
    is_name,
    shown,
)
from modelyard.storage import Document, RecordStore, Snapshot, Transaction

from .agreement import Agreement, agreement_of
from .errors import InvalidItems, NoItem, NoQueue, OtherAnswer
from .order import place_in_order
from .records import (
    LABELS,
    MOST_ITEMS,
    Former,
    Item,
    Judged,
    JudgeLabel,
    JudgeLabelled,
    Kept,
    Part,
    Progress,
    QueueInfo,
    Shown,
)

_QUEUE, _ITEM, _LABEL, _JUDGED = "llm-queue", "llm-queue-item", "llm-queue-label", "llm-queue-judged"
_AT_ONCE = 500
"""Items that one transaction writes: others who write wait for it."""

_NOTE = 1000


@dataclass(frozen=True)
class Added:
    """How many items a queue has, and how many of them are new."""

    items: int
    new: int


@dataclass(frozen=True)
class _Order:
    """A person's order through a queue."""

    queue: QueueInfo
    person: str

    def key(self, place: int) -> str:
        """The key of the item at a place from 0 on; what was added later comes later."""
        for part, end in zip(self.queue.parts, accumulate(each.count for each in self.queue.parts), strict=True):
            if place < end:
                at = place - (end - part.count)
                number = place_in_order(at, part.count, f"{self.queue.seed}/{self.person}/{part.batch}")
                return _item_key(self.queue.name, part.batch, number)
        raise IndexError(place)


class Queues:
    """Answers for people to judge. Every act is a record-store transaction with its audit entry; safe for any process.

    Finding a person's next item reads a handful of documents, however many the queue has.
    """

    def __init__(self, records: RecordStore, audit: AuditLog, clock: Clock, ids: IdSource) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._ids = ids

    def add(self, name: str, items: Sequence[Item], source: str, principal: Principal) -> Added:
        """Make a queue, or add to it what it does not have yet; adding the same again changes nothing.

        OtherAnswer where an item of the same name has something else to be judged.
        """
        check_name("queue", name)
        queue, revision = self._begun(name)
        new = self._new(queue, items)
        if not new:
            return Added(queue.items, 0)
        if queue.items + len(new) > MOST_ITEMS:
            raise InvalidItems(
                f"The queue '{name}' would have {queue.items + len(new):,} items, and has at most {MOST_ITEMS:,}.",
                remedy="Begin another one: --name.",
            )
        batch = digest_of(canonical_json([(each.ref, each.digest) for each in new]))[:16]
        for start in range(0, len(new), _AT_ONCE):
            with self._records.transaction() as tx:
                for number, kept in enumerate(new[start : start + _AT_ONCE], start):
                    _put(tx, _item_key(name, batch, number), name, kept)
        part = Part(batch, len(new), source, self._now(), principal.name)
        queue = msgspec.structs.replace(queue, parts=(*queue.parts, part))
        with self._records.transaction() as tx:
            tx.put(_QUEUE, name, msgspec.to_builtins(queue), expect=revision)
            self._audit.record(tx, principal, "llm.queue", name, {"items": len(new), "source": source, "batch": batch})
        return Added(queue.items, len(new))

    def progress(self, name: str | None = None) -> list[Progress]:
        """Every queue, or one, with how far each person is."""
        with self._records.snapshot() as view:
            if name is not None:
                found = [_queue(view, name)]
            else:
                found = [msgspec.convert(each.body, QueueInfo) for each in view.scan(_QUEUE)]
            return [Progress(each.name, each.created_at, each.items, _people(view, each.name)) for each in found]

    def next(self, name: str, principal: Principal) -> Shown | None:
        """The first item of the person's order that the person has not labelled; None when there is none left."""
        with self._records.snapshot() as view:
            queue, person = _queue(view, name), _person(principal.name)
            place = _judged(view, name, principal.name).place
            found = _first_from(view, _Order(queue, person), place)
            return None if found is None else _shown(found[1], None)

    def show(self, name: str, ref: str, principal: Principal) -> Shown:
        """An item by its ref, with what this person said of it; NoItem."""
        with self._records.snapshot() as view:
            kept = _item(view, _queue(view, name), ref)
            return _shown(kept, _labelled(view, name, _person(principal.name), ref))

    def judged(self, name: str, principal: Principal) -> Judged:
        """How far a person is."""
        with self._records.snapshot() as view:
            _queue(view, name)
            return _judged(view, name, principal.name)

    def label(
        self, name: str, ref: str, label: str, principal: Principal, note: str = ""
    ) -> tuple[JudgeLabelled, bool]:
        """Say what one thinks of an item, or think better of it; and whether that was new.

        Saying the same again changes nothing. What was said before stays in the label's history.
        """
        wanted, note = _label(label), check_text("note", note, longest=_NOTE, lines=True)
        with self._records.transaction() as tx:
            queue, person = _queue(tx, name), _person(principal.name)
            _item(tx, queue, ref)
            before = _labelled(tx, name, person, ref)
            if before is not None and (before.label, before.note) == (wanted, note):
                return before, False
            history = () if before is None else (*before.history, Former(before.label, before.note, before.at))
            given = JudgeLabelled(ref, principal.name, wanted, note, self._now(), history)
            tx.put(_LABEL, _label_key(name, person, ref), msgspec.to_builtins(given))
            self._count(tx, _Order(queue, person), given, before)
            detail = {"label": wanted, "before": None if before is None else before.label, "note": note}
            self._audit.record(tx, principal, "llm.label", f"{name}/{ref}", detail)
            return given, True

    def labels(self, name: str) -> Iterator[tuple[str, JudgeLabelled]]:
        """Every label, with its item's name where it comes from; by person, then by item."""
        with self._records.snapshot() as view:
            queue = _queue(view, name)
            names = {kept.ref: kept.item.item for kept in _every(view, queue) if kept.item is not None}
            given = _given(view, name)
        yield from ((names[each.item], each) for each in given if each.item in names)

    def agreement(self, name: str) -> Agreement:
        """How far people agree; items that were erased meanwhile are counted as they were labelled."""
        with self._records.snapshot() as view:
            queue = _queue(view, name)
            given = _given(view, name)
        return agreement_of(given, queue.items)

    def made_for(self, entities: Sequence[str]) -> list[Item]:
        """What is to be judged that was made for these."""
        with self._records.snapshot() as view:
            found = [msgspec.convert(each.body, Kept).item for each in _of_entities(view, entities)]
        return [each for each in found if each is not None]

    def forget(self, entities: Sequence[str]) -> int:
        """Take away what is to be judged of items that were made for these; returns how many. Their labels stay."""
        with self._records.transaction() as tx:
            found = _of_entities(tx, entities)
            for document in found:
                empty = msgspec.structs.replace(msgspec.convert(document.body, Kept), item=None)
                _put(tx, document.key, document.key.partition("/")[0], empty)
        return len(found)

    def remove(self, name: str, reason: str, principal: Principal) -> int:
        """Remove a queue with its items and labels; returns how many documents. The audit record keeps all acts.

        The queue goes last: who is killed in between finds it, with what is left of it, and removes that.
        """
        with self._records.snapshot() as view:
            _queue(view, name)
        removed = 0
        for kind in (_ITEM, _LABEL, _JUDGED):
            while some := self._page(kind, name):
                with self._records.transaction() as tx:
                    for document in some:
                        tx.delete(kind, document.key)
                removed += len(some)
        with self._records.transaction() as tx:
            tx.delete(_QUEUE, name)
            self._audit.record(tx, principal, "llm.unqueue", name, {"removed": removed, "reason": reason})
        return removed

    def _page(self, kind: str, name: str) -> list[Document]:
        """The first documents of a kind that a queue has."""
        with self._records.snapshot() as view:
            return view.scan(kind, prefix=f"{name}/", limit=_AT_ONCE)

    def _begun(self, name: str) -> tuple[QueueInfo, int]:
        """The queue and its revision; made where there is none, without items."""
        with self._records.transaction() as tx:
            if (document := tx.get(_QUEUE, name)) is not None:
                return msgspec.convert(document.body, QueueInfo), document.revision
            queue = QueueInfo(name, self._ids.new(self._clock.micros()), self._now())
            return queue, tx.put(_QUEUE, name, msgspec.to_builtins(queue))

    def _new(self, queue: QueueInfo, items: Sequence[Item]) -> list[Kept]:
        """Those that the queue has not yet, each once."""
        with self._records.snapshot() as view:
            known = {each.ref: each.digest for each in _every(view, queue)}
        new: list[Kept] = []
        for item in items:
            kept = Kept(_ref(queue, item.item), item.digest, item)
            if kept.ref not in known:
                known[kept.ref] = kept.digest
                new.append(kept)
            elif known[kept.ref] != kept.digest:
                raise OtherAnswer(
                    f"The item {shown(item.item)} is in the queue '{queue.name}' with something else to judge.",
                    context={"queue": queue.name, "item": item.item},
                    remedy="Labels belong to what people saw: put the new answers into a queue of their own, --name.",
                )
        return new

    def _count(self, tx: Transaction, order: _Order, given: JudgeLabelled, before: JudgeLabelled | None) -> None:
        """Note how far the person is now."""
        name = order.queue.name
        judged = _judged(tx, name, given.by)
        counts = {each: judged.counts.get(each, 0) for each in LABELS}
        counts[given.label] += 1
        if before is not None:
            counts[before.label] -= 1
        found = _first_from(tx, order, judged.place)
        place = order.queue.items if found is None else found[0]
        told = Judged(given.by, counts, place, given.item)
        tx.put(_JUDGED, f"{name}/{order.person}", msgspec.to_builtins(told))

    def _now(self) -> str:
        return self._clock.now().isoformat()


def _queue(view: Snapshot, name: str) -> QueueInfo:
    document = view.get(_QUEUE, name) if is_name(name) else None
    if document is None:
        raise NoQueue(
            f"There is no queue {shown(name)}.",
            remedy="See what there is: modelyard llm queues. Make one: modelyard llm queue FILE --name NAME",
        )
    return msgspec.convert(document.body, QueueInfo)


def _put(tx: Transaction, key: str, queue: str, kept: Kept) -> None:
    """Write an item. Whom it was made for is no part of what is kept, but what it is found by."""
    labels = {"ref": f"{queue}/{kept.ref}"}
    if kept.item is not None and kept.item.entity:
        labels["entity"] = _entity(kept.item.entity)
        kept = msgspec.structs.replace(kept, item=msgspec.structs.replace(kept.item, entity=None))
    tx.put(_ITEM, key, msgspec.to_builtins(kept), labels=labels)


def _first_from(view: Snapshot, order: _Order, place: int) -> tuple[int, Kept] | None:
    """The first place from here on whose item the person has not labelled, and that item; erased ones are passed."""
    while place < order.queue.items:
        document = view.get(_ITEM, order.key(place))
        kept = None if document is None else msgspec.convert(document.body, Kept)
        if (
            kept is not None
            and kept.item is not None
            and _labelled(view, order.queue.name, order.person, kept.ref) is None
        ):
            return place, kept
        place += 1
    return None


def _item(view: Snapshot, queue: QueueInfo, ref: str) -> Kept:
    """The item of a ref; NoItem. One of a batch that was never finished is none."""
    found = view.find(_ITEM, "ref", f"{queue.name}/{ref}") if is_name(ref) else []
    batches = {each.batch for each in queue.parts}
    for document in found:
        kept = msgspec.convert(document.body, Kept)
        if document.key.split("/")[1] in batches and kept.item is not None:
            return kept
    raise NoItem(
        f"The queue '{queue.name}' has no item {shown(ref)} to be judged.",
        context={"queue": queue.name},
        remedy=f"Ask for the next one: modelyard llm next {queue.name}",
    )


def _every(view: Snapshot, queue: QueueInfo) -> Iterator[Kept]:
    for part in queue.parts:
        for document in view.scan(_ITEM, prefix=f"{queue.name}/{part.batch}/"):
            yield msgspec.convert(document.body, Kept)


def _of_entities(view: Snapshot, entities: Sequence[str]) -> list[Document]:
    return [document for each in entities for document in view.find(_ITEM, "entity", _entity(each))]


def _given(view: Snapshot, name: str) -> list[JudgeLabelled]:
    return [msgspec.convert(each.body, JudgeLabelled) for each in view.scan(_LABEL, prefix=f"{name}/")]


def _labelled(view: Snapshot, name: str, person: str, ref: str) -> JudgeLabelled | None:
    document = view.get(_LABEL, _label_key(name, person, ref))
    return None if document is None else msgspec.convert(document.body, JudgeLabelled)


def _judged(view: Snapshot, name: str, by: str) -> Judged:
    document = view.get(_JUDGED, f"{name}/{_person(by)}")
    return Judged(by) if document is None else msgspec.convert(document.body, Judged)


def _people(view: Snapshot, name: str) -> tuple[Judged, ...]:
    found = [msgspec.convert(each.body, Judged) for each in view.scan(_JUDGED, prefix=f"{name}/")]
    return tuple(sorted(found, key=lambda each: each.by))


def _shown(kept: Kept, mine: JudgeLabelled | None) -> Shown:
    item = kept.item
    assert item is not None  # noqa: S101 - who finds items passes erased ones
    return Shown(kept.ref, item.question, item.answer, item.chunks, item.expected, mine, item.given)


def _label(label: str) -> JudgeLabel:
    for each in LABELS:
        if each == label:
            return each
    raise InvalidInput(
        f"{shown(label)} is no label.", code="NO_LABEL", context={"path": "label"}, remedy="Say pass, fail or skip."
    )


def _ref(queue: QueueInfo, item: str) -> str:
    """What names an item to people: nobody who has not the queue's seed finds by it which one it is."""
    return sha256(f"{queue.seed}/{item}".encode()).hexdigest()[:16]


def _entity(name: str) -> str:
    """What stands for whom an answer was made for."""
    return digest_of(name.encode())


def _person(name: str) -> str:
    """What stands for a person in keys: names of people may be anything."""
    return sha256(name.encode()).hexdigest()[:16]


def _item_key(queue: str, batch: str, number: int) -> str:
    return f"{queue}/{batch}/{number:06d}"


def _label_key(queue: str, person: str, ref: str) -> str:
    return f"{queue}/{person}/{ref}"
