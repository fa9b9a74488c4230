"""The outbox: at least once, in order, for a day; a process that is killed loses nothing."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelyard.core import ManualClock
from modelyard.monitoring import AlertSeverity, Notice
from modelyard.storage import RecordStore, open_record_store

from .desk import MINUTE, TOLD, Desk, said

SLOW, FINE = {"latency_p99": 500.0}, {"latency_p99": 20.0}


class Killed(BaseException):
    """Nothing catches it."""


def kill() -> None:
    """What a kill -9 looks like from inside."""
    raise Killed


def test_what_is_not_taken_is_tried_later_and_later(desk: Desk) -> None:
    """10 s, 20 s, 40 s … up to 15 minutes; taken once it is taken."""
    desk.tell(SLOW)
    desk.clock.advance(MINUTE)
    desk.down = "ops answered 503."
    pauses = []
    desk.notices()
    for _ in range(9):
        (waiting,) = desk.outbox.waiting()
        assert waiting.error == "ops answered 503."
        pauses.append((waiting.next_at - desk.clock.now()).total_seconds())
        desk.clock.set(waiting.next_at)
        desk.deliver()
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 900, 900]
    desk.down = ""
    desk.clock.advance(timedelta(minutes=15))
    desk.deliver()
    assert len(desk.taken) == 1
    assert (desk.outbox.waiting(), desk.outbox.dead()) == ([], [])


def test_after_a_day_it_is_dead_and_shown(desk: Desk) -> None:
    """Not sooner, and not forgotten."""
    desk.tell(SLOW)
    desk.clock.advance(MINUTE)
    desk.outbox.compose()
    desk.down = "ops did not answer."
    begun = desk.clock.now()
    while desk.outbox.waiting():
        desk.clock.advance(timedelta(minutes=15))
        desk.deliver()
    assert timedelta(hours=24) <= desk.clock.now() - begun < timedelta(hours=25)
    (dead,) = desk.outbox.dead()
    assert (dead.error, dead.receiver) == ("ops did not answer.", "ops")
    assert dead.attempts > 90


def test_nothing_resolves_before_it_fired(desk: Desk) -> None:
    """While the first of a group is not taken, the second waits; other groups go on."""
    desk.tell(SLOW)
    desk.clock.advance(MINUTE)
    desk.down = "down"
    desk.notices()
    desk.tell({**FINE, "error_rate": 0.5})
    desk.clock.advance(5 * MINUTE)
    desk.notices()
    desk.down = ""
    waiting = desk.outbox.waiting()
    assert len(waiting) == 3
    desk.clock.advance(15 * MINUTE)
    desk.deliver()
    told = [said(notice) for _, notice in desk.taken]
    assert told.index((["latency_p99"], [])) < told.index(([], ["latency_p99"]))
    assert (["error_rate"], []) in told


def test_killed_between_delivery_and_note_it_is_delivered_again_under_the_same_id(desk: Desk) -> None:
    """At least once; a receiver can tell."""
    desk.tell(SLOW)
    desk.clock.advance(MINUTE)
    desk.outbox.compose()
    desk.when_taken = kill
    with pytest.raises(Killed):
        desk.deliver()
    again = desk.again()
    again.deliver()
    again.deliver()
    assert len(desk.taken) == 2
    assert len({identity for identity, _ in desk.taken}) == 1


def test_receivers_that_are_gone_or_break_keep_nobody_waiting(records: RecordStore, clock: ManualClock) -> None:
    """An exception of a library is an error like any other; its text, which may hold secrets, is not kept."""
    ops = {"webhook": "https://ops.example/x", "secret": "0123456789abcdef"}
    desk = Desk(records, clock, {"notify": {"a": ops, "b": ops}})
    desk.tell(SLOW)
    clock.advance(MINUTE)
    desk.outbox.compose()

    class Broken:
        def take(self, notice: Notice, identity: str, at: datetime) -> None:
            raise RuntimeError("https://user:hunter2@ops")

    tried = desk.outbox.deliver(lambda name: Broken() if name == "a" else desk)
    assert [(each.receiver, each.error) for each in tried] == [("a", "RuntimeError"), ("b", "")]
    assert len(desk.taken) == 1


def test_notifications_of_one_instant_are_told_apart(desk: Desk) -> None:
    """Two of one group at once are two."""
    notice = Notice("shop", AlertSeverity.INFO, desk.clock.now())
    assert len({desk.outbox.post(notice, "ops").id for _ in range(3)}) == 3
    assert len(desk.outbox.waiting()) == 3


def live(url: str, log: Path, minutes: int, tick: Callable[[], None] = lambda: None) -> None:
    """A process that reports, composes and delivers to a receiver that notes every delivery in a file."""
    records = open_record_store(url)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    desk = Desk(records, ManualClock(start), {**TOLD, "group_wait": "1s", "group_interval": "1s"})
    last = desk.book.told_at("test", "shop")
    with log.open("a") as file:

        def note() -> None:
            identity, notice = desk.taken[-1]
            states = (*notice.fired, *notice.resolved)
            names = [f"{each.fingerprint}/{each.episode}/{'resolved' if each.until else 'fired'}" for each in states]
            file.write(f"{identity} {','.join(names)}\n")
            file.flush()

        desk.when_taken = note
        for minute in range(0 if last is None else (last - start) // MINUTE, minutes):
            desk.clock.set(start + minute * MINUTE)
            desk.tell({"drift_score": 0.9 if minute % 5 in (1, 2) else 0.01})
            desk.notices()
            tick()
        desk.clock.advance(10 * MINUTE)
        desk.notices()


def delivered_in_spite_of(folder: Path, kills: int, minutes: int) -> None:
    """Kill -9 the process again and again; every transition is told once, in notifications that may come twice."""
    url, log = f"sqlite:///{folder / 'killed.db'}", folder / "deliveries"
    store = open_record_store(url)
    store.migrate()
    for number in range(kills):
        child = os.fork()
        if child == 0:
            live(url, log, minutes)
            os._exit(0)
        time.sleep(0.02 + 0.017 * (number % 8))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    live(url, log, minutes)
    deliveries = dict(line.split(" ") for line in log.read_text().splitlines())
    told = Counter(each for names in deliveries.values() for each in names.split(","))
    clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
    history = Desk(store, clock).book.history()
    happened = {f"{each.fingerprint}/{each.episode}/{'resolved' if each.until else 'fired'}" for each in history}
    assert len(happened) >= minutes // 5
    assert told == Counter(happened)
    store.close()


def test_kill_9_of_the_sender_loses_nothing(tmp_path: Path) -> None:
    """Nine kills."""
    delivered_in_spite_of(tmp_path, kills=9, minutes=40)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_hundreds_of_kills_lose_nothing(tmp_path: Path) -> None:
    """The same, at length."""
    delivered_in_spite_of(tmp_path, kills=300, minutes=1500)
