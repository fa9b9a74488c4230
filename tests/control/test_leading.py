"""One control process leads: who is silent is followed by another, and writes nothing more."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelyard.control import LEADER, Health, Leader, leading
from modelyard.control.sending import sending
from modelyard.core import ManualClock, SystemClock
from modelyard.storage import Lease, LeaseLost, StoreUnavailable, open_record_store
from modelyard.wiring import Project

from ..conftest import NOON

LASTS = timedelta(seconds=15)


@pytest.fixture
def clock() -> ManualClock:
    """Noon."""
    return ManualClock(NOON)


@pytest.fixture
def new_leader(tmp_path: Path, clock: ManualClock) -> Any:
    """Makes one that might lead, over a store of its own on one database."""

    def make() -> Leader:
        store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
        store.migrate()
        return Leader(Lease(store, LEADER, clock, lasts=LASTS), monotonic=clock.monotonic)

    return make


def test_one_leads_and_the_other_says_for_whom_it_waits(new_leader: Any, clock: ManualClock) -> None:
    """However often both ask; when the first has handed over, the second leads at once."""
    first, second = new_leader(), new_leader()
    for _ in range(4):
        first.ask()
        second.ask()
        assert (first(), second()) == (True, False)
        clock.advance(LASTS / 2)
    assert second.waits_for == f"process {os.getpid()} on {first.lease.stored().host}"
    first.stop()
    second.ask()
    assert (first(), second(), second.waits_for, second.lease.epoch) == (False, True, None, 2)


def test_who_cannot_reach_the_store_stops_before_another_begins(
    new_leader: Any, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own clock, without being told; when it is back it waits."""
    first, second = new_leader(), new_leader()
    first.ask()

    def away() -> bool:
        raise StoreUnavailable("It is away.")

    with monkeypatch.context() as patch:
        patch.setattr(first.lease, "renew", away)
        clock.advance(LASTS - timedelta(seconds=1))
        with pytest.raises(StoreUnavailable):
            first.ask()
        second.ask()
        assert (first(), second()) == (True, False)
        clock.advance(timedelta(seconds=1))
        assert not first()
        second.ask()
        assert second()
    first.ask()
    assert (first(), first.waits_for is not None) == (False, True)


def test_a_leader_that_was_stopped_for_a_moment_goes_on(new_leader: Any, clock: ManualClock) -> None:
    """Where nobody took over meanwhile: it is the same epoch."""
    first = new_leader()
    first.ask()
    clock.advance(LASTS * 2)
    assert not first()
    first.ask()
    assert (first(), first.lease.epoch) == (True, 1)


def test_a_project_writes_only_while_its_process_leads(shop: Path, clock: ManualClock) -> None:
    """Everything that it records: who was deposed is refused in the transaction, and what it read stays readable."""
    first, second = (Project(shop, clock=clock, environment={}) for _ in range(2))
    one, two = (Lease(each.records, LEADER, clock, lasts=LASTS) for each in (first, second))
    assert one.take()
    acting = first.another(fence=one.check)
    acting.checkpoints.write_soon()
    tag = {"team": "risk"}
    with acting.records.transaction() as tx:
        acting.audit.record(tx, acting.principal, "test", "subject", tag)
    entries = len(acting.audit.entries())
    clock.advance(LASTS)
    assert two.take()
    with pytest.raises(LeaseLost), acting.records.transaction() as tx:
        acting.audit.record(tx, acting.principal, "test", "subject", tag)
    assert len(acting.audit.entries()) == entries
    for each in (acting, first, second):
        each.close()


def test_who_does_not_lead_sends_nothing(shop: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread asks each time; the first delivery is after it began to lead."""
    project = Project(shop, clock=clock, environment={})
    asked, sent, delivered = [0], threading.Event(), []

    def leads() -> bool:
        asked[0] += 1
        return asked[0] > 3

    def deliver(_: object) -> None:
        delivered.append(asked[0])
        sent.set()

    monkeypatch.setattr(project.outbox, "deliver", deliver)
    with sending(project, every=0.001, leads=leads):
        assert sent.wait(30)
    assert delivered[0] == 4
    project.close()


def test_health_is_published_and_taken_away_with_the_process(shop: Path, clock: ManualClock) -> None:
    """Whether it leads, when it looked, what was wrong; a console that does not answer is not up."""
    project = Project(shop, clock=clock, environment={"MODELYARD_CONTROL_PORT": "1"})
    leader = Leader(Lease(project.records, LEADER, clock), monotonic=clock.monotonic)
    health, file = Health(project, leader), project.run_folder / "control.json"
    with leading(leader), health.published(every=60):
        health.looked_at, health.trouble = clock.now(), "The store is away."
        health.publish()
        assert json.loads(file.read_bytes()) == {
            "leads": True, "epoch": 1, "waits_for": None, "looked_at": NOON.isoformat(),
            "trouble": "The store is away.", "console_up": False, "pid": os.getpid(), "looks": 0,
        }  # fmt: skip
        values = {family.name: family.samples[0].value for family in health.collect()}
        assert values == {"control_leader": 1.0, "console_up": 0.0}
    assert not file.exists()
    assert leader.lease.holder() is None
    project.close()


@contextmanager
def control(project: Path, events: list[dict[str, Any]], seen: threading.Condition) -> Iterator[subprocess.Popen[str]]:
    """A real control process, its log read as it comes."""
    command = [sys.executable, "-m", "modelyard.control", "--project", str(project)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            with seen:
                events.append({"pid": process.pid, **json.loads(line)} if line.startswith("{") else {"text": line})
                seen.notify_all()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        thread.join(10)
        for stream in (process.stdin, process.stderr):
            if stream is not None:
                stream.close()


def test_when_the_leader_is_killed_the_other_takes_over(shop: Path) -> None:
    """Two real processes over one record store: the second waits and says so, and leads after `kill -9`."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\ncontrol: {metrics_port: null, port: null, lease: 2s, every: 1m}\n")
    events: list[dict[str, Any]] = []
    seen = threading.Condition()

    def come(pid: int, event: str) -> None:
        with seen:
            assert seen.wait_for(
                lambda: any(each.get("pid") == pid and each["event"] == event for each in events), 60
            ), events

    with control(shop, events, seen) as first:
        come(first.pid, "leads")
        with control(shop, events, seen) as second:
            come(second.pid, "waits: another control process leads")
            os.kill(first.pid, signal.SIGKILL)
            come(second.pid, "leads")
            second.send_signal(signal.SIGTERM)
            come(second.pid, "hands over")
            assert second.wait(30) == 0
    project = Project(shop, environment={})
    lease = Lease(project.records, LEADER, SystemClock())
    assert lease.holder() is None
    assert lease.take()
    assert lease.epoch == 3
    project.close()
