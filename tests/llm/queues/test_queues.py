"""Queues in a record store: adding, the next one, labels, what two people and two windows do to each other."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from modelyard.access import Principal, Role
from modelyard.audit import AuditLog
from modelyard.core import InvalidInput, ManualClock, SeededIds
from modelyard.llm.queues import InvalidItems, Item, NoItem, NoQueue, OtherAnswer, Queues
from modelyard.llm.queues import queues as module
from modelyard.storage import RecordStore, RevisionConflict, open_record_store
from modelyard.storage.drivers.sql import SqlSnapshot

from ...killing import in_child

ANN, BEN = (Principal(name, (Role.DEVELOPER,), "test") for name in ("ann", "ben/../x"))


@dataclass
class Desk:
    """Queues over a store, and what is beside them."""

    records: RecordStore
    queues: Queues
    audit: AuditLog
    clock: ManualClock


@pytest.fixture
def desk(tmp_path: Path, clock: ManualClock) -> Iterator[Desk]:
    """An empty store in a file."""
    records = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    records.migrate()
    audit = AuditLog(records, clock)
    yield Desk(records, Queues(records, audit, clock, SeededIds(0)), audit, clock)
    records.close()


def items(count: int, *, start: int = 0, entity: str | None = None) -> list[Item]:
    """So many answers of two variants."""
    return [
        Item(f"case-{each}", f"Question {each}?", f"Answer {each}.", origin={"variant": "AB"[each % 2]}, entity=entity)
        for each in range(start, start + count)
    ]


def judge(desk: Desk, who: Principal, label: str = "pass") -> list[str]:
    """Label all that is left for somebody; the questions in their order."""
    seen = []
    while (shown := desk.queues.next("pilot", who)) is not None:
        desk.queues.label("pilot", shown.ref, label, who)
        seen.append(shown.question)
    return seen


def test_everybody_is_shown_everything_once_in_an_order_of_their_own(desk: Desk) -> None:
    """Nobody's order is that of the file, and nobody's is another's."""
    assert desk.queues.add("pilot", items(10), "a file", ANN).new == 10
    first, second = judge(desk, ANN), judge(desk, BEN)
    assert sorted(first) == sorted(second) == sorted(each.question for each in items(10))
    assert len({tuple(first), tuple(second), tuple(each.question for each in items(10))}) == 3
    assert desk.queues.judged("pilot", ANN).labelled == 10


def test_adding_the_same_again_changes_nothing(desk: Desk) -> None:
    """Also when it is a part of what comes; what is new comes after what was there."""
    desk.queues.add("pilot", items(5), "a file", ANN)
    assert desk.queues.add("pilot", items(5), "a file", ANN).new == 0
    assert desk.queues.add("pilot", items(5, start=3), "another", ANN) == module.Added(8, 3)
    seen = judge(desk, ANN)
    assert sorted(seen[:5]) == sorted(each.question for each in items(5))
    assert len(seen) == 8
    assert [entry.body["detail"]["items"] for entry in desk.audit.entries() if entry.body["action"] == "llm.queue"] == [
        5, 3,
    ]  # fmt: skip


def test_an_item_with_another_answer_is_refused(desk: Desk) -> None:
    """People's labels are of what they saw."""
    desk.queues.add("pilot", items(2), "a file", ANN)
    with pytest.raises(OtherAnswer, match="'case-0' is in the queue 'pilot' with something else"):
        desk.queues.add("pilot", [Item("case-0", "Question 0?", "Something else.")], "a file", ANN)
    assert desk.queues.progress("pilot")[0].items == 2


def test_a_queue_has_so_many_items_and_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More go into another one."""
    monkeypatch.setattr(module, "MOST_ITEMS", 4)
    desk.queues.add("pilot", items(4), "a file", ANN)
    with pytest.raises(InvalidItems, match="would have 5 items, and has at most 4"):
        desk.queues.add("pilot", items(1, start=9), "a file", ANN)


def test_who_adds_at_the_same_time_as_another_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And does it again; nothing is in the queue twice."""
    desk.queues.add("pilot", items(1), "a file", ANN)
    new = Queues._new

    def late(self: Queues, *given: Any) -> Any:
        found = new(self, *given)
        monkeypatch.undo()
        desk.queues.add("pilot", items(2, start=1), "a file", BEN)
        return found

    monkeypatch.setattr(Queues, "_new", late)
    with pytest.raises(RevisionConflict):
        desk.queues.add("pilot", items(3), "a file", ANN)
    assert desk.queues.add("pilot", items(4), "a file", ANN) == module.Added(4, 1)
    assert len(judge(desk, ANN)) == 4


def test_a_label_is_corrected_and_what_it_was_is_kept(desk: Desk) -> None:
    """Each is audited with who and when; saying the same again is none."""
    desk.queues.add("pilot", items(3), "a file", ANN)
    shown = desk.queues.next("pilot", ANN)
    assert shown is not None
    first, new = desk.queues.label("pilot", shown.ref, "pass", ANN, "looks right")
    assert new
    assert desk.queues.label("pilot", shown.ref, "pass", ANN, "looks right") == (first, False)
    desk.clock.advance(timedelta(minutes=5))
    later, new = desk.queues.label("pilot", shown.ref, "fail", ANN, "the date\nis wrong")
    assert new
    assert [(each.label, each.note, each.at) for each in later.history] == [("pass", "looks right", first.at)]
    assert desk.queues.show("pilot", shown.ref, ANN).mine == later
    assert desk.queues.show("pilot", shown.ref, BEN).mine is None
    assert desk.queues.judged("pilot", ANN).counts == {"pass": 0, "fail": 1, "skip": 0}
    told = [entry.body for entry in desk.audit.entries() if entry.body["action"] == "llm.label"]
    assert [(each["principal"], each["detail"]["label"], each["detail"]["before"]) for each in told] == [
        ("ann", "pass", None),
        ("ann", "fail", "pass"),
    ]


def test_what_was_labelled_out_of_turn_does_not_come_again(desk: Desk) -> None:
    """As in another window, or by its name."""
    desk.queues.add("pilot", items(6), "a file", ANN)
    ahead = judge(desk, BEN)
    refs = {shown.question: shown.ref for shown in shown_to(desk, ANN)}
    for question in ahead[:3]:
        desk.queues.label("pilot", refs[question], "skip", ANN)
    assert sorted(judge(desk, ANN)) == sorted(ahead[3:])
    assert desk.queues.judged("pilot", ANN).counts == {"pass": 3, "fail": 0, "skip": 3}


def shown_to(desk: Desk, who: Principal) -> list[Any]:
    """Everything in the queue as somebody sees it."""
    refs = {label.item for _, label in desk.queues.labels("pilot")}
    return [desk.queues.show("pilot", ref, who) for ref in refs]


def test_people_and_windows_at_once_never_get_in_each_others_way(desk: Desk) -> None:
    """Two windows of each of two people: every item has one label of each, and the counts are right."""
    desk.queues.add("pilot", items(6), "a file", ANN)
    failed: list[BaseException] = []

    def work(who: Principal) -> None:
        try:
            judge(desk, who, "pass" if who is ANN else "fail")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in (ANN, BEN) * 2]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    given = list(desk.queues.labels("pilot"))
    assert len({(item, label.by) for item, label in given}) == len(given) == 12
    assert [each.counts["pass"] + each.counts["fail"] for each in desk.queues.progress("pilot")[0].people] == [6, 6]


def test_finding_the_next_item_reads_as_little_of_ten_thousand_as_of_ten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many statements for the next one and a label, and each asks for a document by its key."""
    shown = {}
    for name, count in (("small", 10), ("large", 10_000)):
        desk.queues.add(name, items(count), "a file", ANN)
        shown[name] = desk.queues.next(name, ANN)
    monkeypatch.setattr(SqlSnapshot, "scan", None)  # it would read many
    counts = {}
    for name, item in shown.items():
        with statements() as asked:
            assert desk.queues.next(name, ANN) == item
            assert item is not None
            desk.queues.label(name, item.ref, "pass", ANN)
            desk.queues.next(name, ANN)
        counts[name] = len(asked)
    assert counts["large"] == counts["small"] < 40


@contextmanager
def statements() -> Iterator[list[str]]:
    """What databases are asked inside the block."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield asked
    event.remove(Engine, "before_cursor_execute", note)


def test_an_erased_answer_is_shown_to_nobody_and_its_labels_stay(desk: Desk) -> None:
    """Also one that is added again from the same file."""
    mine = items(2, start=50, entity="person 7")
    desk.queues.add("pilot", [*items(4), *mine], "the log", ANN)
    refs = {shown.question: shown.ref for shown in [desk.queues.next("pilot", ANN)] if shown}
    for ref in refs.values():
        desk.queues.label("pilot", ref, "pass", ANN)
    assert desk.queues.forget(["person 7"]) == 2
    assert len(judge(desk, BEN)) == 4
    with desk.records.snapshot() as view:
        kept = str([each.body for each in view.scan("llm-queue-item")])
    assert "Question 50" not in kept
    assert "person 7" not in kept
    assert desk.queues.add("pilot", mine, "the log", ANN).new == 0
    assert desk.queues.agreement("pilot").items == 6


def test_a_queue_is_removed_with_all_that_it_holds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another stays; who is cut off does it again; the audit record keeps who said what."""
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    for name in ("pilot", "pilot.2"):
        desk.queues.add(name, items(5), "a file", ANN)
    judge(desk, ANN)
    page = Queues._page

    def cut(self: Queues, kind: str, name: str) -> Any:
        if kind == "llm-queue-label":
            raise KeyboardInterrupt
        return page(self, kind, name)

    monkeypatch.setattr(Queues, "_page", cut)
    with pytest.raises(KeyboardInterrupt):
        desk.queues.remove("pilot", "done", ANN)
    assert desk.queues.next("pilot", BEN) is None
    monkeypatch.setattr(Queues, "_page", page)
    assert desk.queues.remove("pilot", "done", ANN) == 6  # the items went before
    with pytest.raises(NoQueue):
        desk.queues.remove("pilot", "done", ANN)
    assert [each.name for each in desk.queues.progress()] == ["pilot.2"]
    assert desk.queues.next("pilot.2", ANN) is not None
    with desk.records.snapshot() as view:
        kinds = ("llm-queue-item", "llm-queue-label", "llm-queue-judged")
        assert [len(view.scan(kind)) for kind in kinds] == [5, 0, 0]
    assert [entry.body["action"] for entry in desk.audit.entries()][-6:] == ["llm.label"] * 5 + ["llm.unqueue"]


def test_what_is_not_there_is_told(desk: Desk) -> None:
    """Queues, items, labels that are none, and notes that are no text."""
    with pytest.raises(NoQueue, match="no queue 'pilot'"):
        desk.queues.next("pilot", ANN)
    desk.queues.add("pilot", items(1), "a file", ANN)
    shown = desk.queues.next("pilot", ANN)
    assert shown is not None
    with pytest.raises(NoItem):
        desk.queues.label("pilot", "nosuch", "pass", ANN)
    with pytest.raises(InvalidInput, match="is no label"):
        desk.queues.label("pilot", shown.ref, "maybe", ANN)
    with pytest.raises(InvalidInput, match="cannot be printed"):
        desk.queues.label("pilot", shown.ref, "pass", ANN, "\x1b[2J")
    assert desk.queues.judged("pilot", ANN).labelled == 0


def test_items_of_a_batch_that_was_cut_off_are_in_no_queue(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed between two transactions leaves nothing that shows; the same again goes on with it."""
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    record = desk.audit.record

    def cut(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(desk.audit, "record", cut)
    with pytest.raises(KeyboardInterrupt):
        desk.queues.add("pilot", items(5), "a file", ANN)
    assert desk.queues.progress("pilot")[0].items == 0
    assert desk.queues.next("pilot", ANN) is None
    with desk.records.snapshot() as view:
        (ref, *_) = (each.body["ref"] for each in view.scan("llm-queue-item"))
    with pytest.raises(NoItem):
        desk.queues.show("pilot", ref, ANN)
    monkeypatch.setattr(desk.audit, "record", record)
    assert desk.queues.add("pilot", items(5), "a file", ANN).new == 5
    assert len(judge(desk, ANN)) == 5


def test_who_is_killed_in_the_middle_of_a_label_goes_on_with_that_item(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kill -9` after the label was written and before it was committed: the two before are kept, the third is not."""
    desk.queues.add("pilot", items(4), "a file", ANN)
    record = AuditLog.record

    def killing(self: AuditLog, *given: Any) -> int:
        if len(list(desk.queues.agreement("pilot").votes)) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return record(self, *given)

    def work() -> None:
        judge(desk, ANN)

    monkeypatch.setattr(AuditLog, "record", killing)
    assert in_child(work) == -signal.SIGKILL
    monkeypatch.undo()
    assert desk.queues.judged("pilot", ANN).labelled == 2
    assert len(list(desk.queues.labels("pilot"))) == 2
    assert len(judge(desk, ANN)) == 2
    assert desk.queues.agreement("pilot").by == {"ann": {"pass": 4, "fail": 0, "skip": 0}}
