"""Hosts whose clocks differ: what is renewed is not taken, no step is passed sooner, no window loses or doubles.

A clock a host, and one store between them. Jumps of one clock: `tests/rollout/test_guards.py`.
"""

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock, to_micros
from modelyard.history import PredictionLog
from modelyard.inference import load_bundle
from modelyard.journal import Journal, PredictionRecord
from modelyard.monitoring import AlertBook, AlertSettings, Monitors, MonitorSettings
from modelyard.storage import FencedRecordStore, Lease, LeaseLost, open_record_store

from ..conftest import NOON
from ..rollout.yard import Yard

pytestmark = pytest.mark.long

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
LASTS = timedelta(seconds=15)


class Hosts:
    """Two hosts, the second of which is `ahead`; real time passes for both."""

    def __init__(self, ahead: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clocks = {"one": ManualClock(NOON), "two": ManualClock(NOON + ahead)}
        self._patch = monkeypatch

    def on(self, host: str) -> ManualClock:
        """What is done next is done on this host."""
        self._patch.setattr(socket, "gethostname", lambda: host)
        return self.clocks[host]

    def pass_(self, by: timedelta) -> None:
        """Time."""
        for clock in self.clocks.values():
            clock.advance(by)


@pytest.mark.parametrize("ahead", [9, 3, -3, -9, -3600])
def test_a_lease_that_is_renewed_is_not_taken(ahead: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For ten minutes of renewals every five seconds, while the other host, nine seconds ahead, asks each second."""
    hosts = Hosts(ahead * SECOND, monkeypatch)
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    first, second = (Lease(store, "control", hosts.clocks[each], lasts=LASTS) for each in ("one", "two"))
    hosts.on("one")
    assert first.take()
    for at in range(1, 601):
        hosts.pass_(SECOND)
        hosts.on("two")
        assert not second.take()
        if at % 5 == 0:
            hosts.on("one")
            assert first.renew()


def test_of_two_that_believe_to_lead_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute ahead, a host takes what is held, again and again; each write is of whoever holds it, in their order."""
    hosts = Hosts(60 * SECOND, monkeypatch)
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    leases = {host: Lease(store, "control", hosts.clocks[host], lasts=LASTS) for host in ("one", "two")}
    written, refused = [], 0
    for at in range(60):
        host = ("one", "two")[at // 3 % 2]
        hosts.on(host)
        leases[host].take()
        for each, lease in leases.items():
            try:
                with FencedRecordStore(store, lease.check).transaction() as tx:
                    tx.append("done", {"by": each, "epoch": lease.epoch})
                written.append(each)
            except LeaseLost:
                refused += 1
        hosts.pass_(SECOND)
    with store.snapshot() as view:
        bodies = [each.body for each in view.entries("done")]
    epochs = [each["epoch"] for each in bodies]
    assert [each["by"] for each in bodies] == written
    assert epochs == sorted(epochs)
    assert len({(each["epoch"], each["by"]) for each in bodies}) == len(set(epochs))
    assert len(written) == refused == 60


@pytest.mark.parametrize("ahead", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_rollout_that_changes_hosts_is_promoted_no_sooner(
    ahead: timedelta, tmp_path: Path, built: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One host looks for half of the first step's hour, the other then goes on; counts are as if there were one."""
    hosts = Hosts(ahead, monkeypatch)
    yard = Yard(tmp_path, hosts.clocks["one"], built)
    yard.canary()
    first = yard.process()
    yard.clock = hosts.clocks["two"]
    second = yard.process()
    yard.clock = hosts.clocks["one"]  # the servers' own
    for minute in range(1, 59):
        yard.serve(40, seed=minute)
        hosts.pass_(60 * SECOND)
        (first if minute <= 30 else second).tick()
        state = yard.rollouts.state("d")
        assert state is not None
        if minute < 45:  # what a change of hosts may add is a quarter of a step
            assert (state.step, state.state) == (0, "active")
    assert state is not None
    evidence = state.evidence
    assert evidence["canary_requests"] + evidence["live_requests"] == 58 * 40


def test_windows_hold_what_servers_of_several_clocks_wrote(
    tmp_path: Path, built: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers, ten minutes apart, and monitors that change hosts: each record is in one window."""
    hosts = Hosts(timedelta(minutes=10), monkeypatch)
    journal = tmp_path / "journal"
    servers = {host: Journal(journal, host, clock) for host, clock in hosts.clocks.items()}
    records = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    records.migrate()
    settings = {"d": MonitorSettings(window=HOUR, revisions=2)}
    bundle = load_bundle(built.path)
    monitors = {
        host: Monitors(
            records, PredictionLog(journal, tmp_path / "log"), clock, lambda *_: bundle, settings,
            AlertBook(records, clock, AlertSettings()),
        )
        for host, clock in hosts.clocks.items()
    }  # fmt: skip
    since, sent = NOON, 0
    for minute in range(1, 6 * 60 + 1):
        for host, clock in hosts.clocks.items():
            at = to_micros(clock.now())
            named = f"{host}-{minute}"
            row = (50.0, "de", 3.0)
            record = PredictionRecord(named, at, "d", 1, "1", "live", "live", True, "e", row, "1", (0.6,), 9)
            servers[host].append([record])
            sent += 1
        hosts.pass_(timedelta(minutes=1))
        if minute % 10 == 0:
            monitors[("one", "two")[minute // 10 % 2]].run("d", since=since)
    hosts.pass_(3 * HOUR)
    found = monitors["one"].run("d", since=since) and monitors["two"].windows("d")
    starts = [each.start for each in found]
    assert starts == sorted(set(starts))
    assert sum(each.requests for each in found) == sent
    assert any(each.late for each in found)  # the host behind wrote into windows that the other had closed
