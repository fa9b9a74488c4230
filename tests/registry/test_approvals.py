"""Approvals: who may, what counts, and what makes it void."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.access import Principal, Role
from modelyard.audit import AuditLog
from modelyard.core import Digest, ManualClock
from modelyard.registry import (
    ApprovalRule,
    Approvals,
    Counted,
    MayNotApprove,
    ModelVersion,
    NothingToApprove,
    obstacles,
)
from modelyard.storage import RecordStore, open_record_store

AUTHOR, ASKER, ANA, BOB = (Principal(each, (Role.OPERATOR,), "key") for each in ("eve", "max", "ana", "bob"))
DEVELOPER = Principal("dev", (Role.DEVELOPER,), "key")
PASSED = ({"verdict": "pass", "reasons": []},)
VERSION = ModelVersion("fraud", 2, "v2", "", "eve", bundle=Digest("b"), artifact=Digest("a"), gates=PASSED)


class Desk:
    """Approvals over a real store, with a configuration that can change."""

    def __init__(self, folder: Path, clock: ManualClock, rules: Mapping[str, ApprovalRule]) -> None:
        self.records: RecordStore = open_record_store(f"sqlite:///{folder / 'records.db'}")
        self.records.migrate()
        self.audit = AuditLog(self.records, clock)
        self.configuration = Digest("c1")
        self.approvals = Approvals(self.records, self.audit, clock, rules, lambda *_: self.configuration)

    def counted(self, version: ModelVersion = VERSION) -> Counted:
        """What counts now for production."""
        with self.records.snapshot() as view:
            return self.approvals.counted(view, version, "production")


@pytest.fixture
def desk(tmp_path: Path, clock: ManualClock) -> Desk:
    """Two approvals for production, by operators or approvers; none for staging."""
    return Desk(tmp_path, clock, {"production": ApprovalRule(required=2)})


def test_as_many_different_people_as_the_rule_says(desk: Desk) -> None:
    """One person counts once, however often; all is in the audit."""
    desk.approvals.request(VERSION, "production", ASKER, "please")
    for _ in range(2):
        told = desk.approvals.approve(VERSION, "production", ANA)
    assert told.missing == "it has 1 of 2 approvals for production"
    assert desk.approvals.approve(VERSION, "production", BOB).missing == ""
    assert [each.body["action"] for each in desk.audit.entries()] == ["model.request"] + ["model.approve"] * 3
    assert desk.audit.entries()[1].body["detail"]["bundle"] == "b"
    assert obstacles(VERSION, desk.counted()) == []


def test_nobody_approves_what_is_their_own(desk: Desk) -> None:
    """Neither the author nor who asked; and of other roles nobody."""
    desk.approvals.request(VERSION, "production", ASKER)
    for who, why in ((AUTHOR, "eve registered it"), (ASKER, "max asked for the approval"), (DEVELOPER, "that takes")):
        with pytest.raises(MayNotApprove, match=why):
            desk.approvals.approve(VERSION, "production", who)
    assert desk.counted().approved_by == ()


def test_who_approved_and_asks_afterwards_has_approved_what_is_their_own(desk: Desk) -> None:
    """A request begins anew, so that no order of the two helps."""
    desk.approvals.approve(VERSION, "production", ANA)
    desk.approvals.request(VERSION, "production", ANA)
    assert desk.counted().approved_by == ()


def test_whatever_changes_makes_it_void(desk: Desk, clock: ManualClock) -> None:
    """The bundle, the configuration, time; each is told."""
    desk.approvals.approve(VERSION, "production", ANA)
    assert desk.counted().approved_by == ("ana",)
    other = ModelVersion("fraud", 2, "v2", "", "eve", bundle=Digest("other"), gates=PASSED)
    assert "it was for another bundle" in desk.counted(other).missing
    desk.configuration = Digest("c2")
    assert "the configuration has changed since" in desk.counted().missing
    desk.configuration = Digest("c1")
    clock.advance(timedelta(hours=23, minutes=59))
    assert desk.counted().approved_by == ("ana",)
    clock.advance(timedelta(minutes=1))
    assert "the approval of ana is void: it expired after 1d" in desk.counted().missing


def test_a_rejection_stands_until_somebody_asks_anew(desk: Desk) -> None:
    """Whatever was approved before, and whoever would approve after."""
    desk.approvals.approve(VERSION, "production", ANA)
    told = desk.approvals.reject(VERSION, "production", BOB, "too slow")
    assert told.missing.startswith("bob rejected it on 2026-01-05T12:00:00: too slow")
    with pytest.raises(NothingToApprove, match="Ask anew: modelyard model request fraud 2"):
        desk.approvals.approve(VERSION, "production", ANA)
    desk.approvals.request(VERSION, "production", ASKER)
    assert desk.counted().missing == "it has 0 of 2 approvals for production"
    assert desk.approvals.approve(VERSION, "production", ANA).approved_by == ("ana",)


def test_an_open_request_is_known_until_it_is_answered_or_over(desk: Desk, clock: ManualClock) -> None:
    """So that nothing that waits for an answer is deleted."""

    def waiting() -> list[str]:
        with desk.records.snapshot() as view:
            return desk.approvals.open(view, "fraud", 2)

    assert waiting() == []
    desk.approvals.request(VERSION, "production", ASKER)
    assert waiting() == ["production"]
    clock.advance(timedelta(hours=24))
    assert waiting() == []
    desk.approvals.request(VERSION, "production", ASKER)
    desk.approvals.reject(VERSION, "production", ANA, "no")
    assert waiting() == []


def test_there_is_nothing_to_approve_without_a_rule_or_a_bundle(desk: Desk) -> None:
    """An approval that would bind to nothing is refused; what no rule asks for is never missing."""
    with pytest.raises(NothingToApprove, match="Nothing asks for approvals of 'staging'"):
        desk.approvals.request(VERSION, "staging", ASKER)
    bare = ModelVersion("fraud", 3, "v3", "", "eve")
    with pytest.raises(NothingToApprove, match="metadata only"):
        desk.approvals.approve(bare, "production", ANA)
    with desk.records.snapshot() as view:
        assert desk.approvals.counted(view, VERSION, "staging").missing == ""


def test_every_obstacle_is_told_at_once(desk: Desk) -> None:
    """No bundle, no gate, no approval: three reasons, three remedies."""
    bare = ModelVersion("fraud", 3, "v3", "", "eve")
    with desk.records.snapshot() as view:
        found = obstacles(bare, desk.approvals.counted(view, bare, "production"))
    assert [each.kind for each in found] == ["bundle", "gate", "approval"]
    assert all(each.remedy for each in found)
