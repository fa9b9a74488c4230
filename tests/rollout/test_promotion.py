"""Promotion, demotion and rollback of models: all deployments or none, and nothing without standing."""

from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.access import SYSTEM
from modelyard.audit import IntentUndone
from modelyard.bundling import BuiltBundle
from modelyard.core import Conflict, Digest, InvalidInput, ManualClock, Unavailable, Verdict
from modelyard.registry import (
    ApprovalRule,
    ModelVersion,
    ModelVersionNotFound,
    NeedsApproval,
    NotServable,
    VersionState,
)
from modelyard.rollout import NoRollout, RolloutActive
from modelyard.routing import Feed, FeedFolder
from modelyard.storage import RecordStore
from modelyard.storage.drivers.sql import SqlRecordStore

from .shop import ANA, BOB, Shop

TWO = {"a": {"model": "fraud@production"}, "b": {"model": "fraud@production", "strategy": "canary"}}


@pytest.fixture
def shop(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Shop:
    """A registry with three good versions that nothing follows."""
    return stocked(Shop(tmp_path, clock=clock), built)


@pytest.fixture
def pair(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Shop:
    """The same, followed by a deployment that switches at once and one with a canary."""
    return stocked(Shop(tmp_path, clock=clock, deployments=TWO), built)


def relabelled(shop: Shop, tags: dict[str, str]) -> ModelVersion:
    """Version 1 with other tags, and a description."""
    version = shop.registry.get("fraud", 1)

    def change(state: VersionState) -> VersionState:
        return msgspec.structs.replace(state, tags=tags, description="what it is")

    return shop.promotions.relabel(version, ANA, "model.tag", change, {"tags": tags})


def said(shop: Shop) -> Any:
    """What the mirror says of version 1."""
    return shop.tracked._read()["fraud"]["said"]["1"]  # type: ignore[attr-defined]


def raise_unavailable() -> None:
    """MLflow is down."""
    raise Unavailable("MLflow does not answer.")


def stocked(shop: Shop, built: BuiltBundle) -> Shop:
    """Three versions with bundles."""
    for _ in range(3):
        shop.version(built.path, built.digest)
    return shop


def kinds(events: Any) -> list[tuple[str | None, str]]:
    """What was decided, by deployment."""
    return [(each.deployment, each.kind) for each in events]


class TestTheAliasAlone:
    """Where no deployment follows."""

    def test_it_moves_and_the_holder_before_is_archived(self, shop: Shop) -> None:
        """With who and why in the history, and MLflow shown both."""
        shop.promotions.promote("fraud", 1, "Production", ANA, "first")
        (event,) = shop.promotions.promote("fraud", "v2", "PRODUCTION", BOB)
        assert (event.kind, event.version) == ("promoted", 2)
        assert shop.verify() == {"production": 2}
        assert [(each.by, each.reason) for each in shop.registry.history("fraud")] == [
            ("ana", "first"),
            ("bob", "v2 is production; no deployment follows it"),
        ]
        shown = shop.tracked.shown("fraud")
        assert shown is not None
        assert shown.stages == {1: "Archived", 2: "Production", 3: "None"}

    def test_promoting_what_is_there_already_changes_nothing(self, shop: Shop) -> None:
        """A pipeline may say it twice; nothing is recorded."""
        shop.promotions.promote("fraud", 1, "production", ANA)
        before = len(shop.audit.entries())
        assert kinds(shop.promotions.promote("fraud", 1, "production", ANA)) == [(None, "unchanged")]
        assert len(shop.audit.entries()) == before

    def test_a_promotion_costs_three_commits_at_most(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """Decision with audit and intent, that it is applied, that it is shown; a rollback two."""
        commits: list[int] = []
        transaction = SqlRecordStore.transaction

        @contextmanager
        def counted(self: SqlRecordStore, *, durable: bool = True) -> Any:
            with transaction(self, durable=durable) as tx:
                yield tx
            commits.append(1)

        monkeypatch.setattr(SqlRecordStore, "transaction", counted)
        acts: list[tuple[Callable[[], object], int]] = [
            (lambda: shop.promotions.promote("fraud", 1, "production", ANA), 3),
            (lambda: shop.promotions.promote("fraud", 2, "production", ANA), 3),
            (lambda: shop.promotions.set_alias("fraud", 3, "mine", ANA), 3),
            (lambda: shop.promotions.roll_back("fraud", ANA, "worse"), 2),
            (lambda: relabelled(shop, {"team": "risk"}), 3),
        ]
        for act, most in acts:
            commits.clear()
            act()
            assert 1 <= len(commits) <= most

    def test_tags_and_descriptions_are_shown_in_mlflow(self, shop: Shop) -> None:
        """What is new, what has changed, and what is gone; on record like any other change."""
        for tags in ({"team": "risk", "old": "1"}, {"team": "fraud"}):
            assert relabelled(shop, tags).tags == tags
            assert said(shop) == {"tags": tags, "description": "what it is"}
        entry = shop.audit.entries()[-1].body
        assert (entry["action"], entry["subject"], entry["principal"]) == ("model.tag", "fraud/1", "ana")
        assert shop.intents.pending() == []

    def test_what_mlflow_could_not_be_told_is_told_later(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """It counts here meanwhile."""
        with monkeypatch.context() as patch:
            patch.setattr(shop.tracked, "tell", lambda *_: raise_unavailable())
            assert relabelled(shop, {"team": "risk"}).tags == {"team": "risk"}
        shop.intents.reconcile()
        assert said(shop)["tags"] == {"team": "risk"}

    def test_demoted_is_in_no_stage_and_not_archived(self, shop: Shop) -> None:
        """Of two stages the higher one, unless it is named; out of none it is an error."""
        for stage in ("production", "staging"):
            shop.promotions.promote("fraud", 1, stage, ANA)
        shop.promotions.demote("fraud", "production", ANA)
        assert shop.registry.aliases("fraud") == {"staging": 1}
        with pytest.raises(Conflict, match="is not in production"):
            shop.promotions.demote("fraud", 1, ANA, stage="production")
        shop.promotions.demote("fraud", 1, ANA)
        assert shop.registry.versions("fraud", stage="None")[0].number == 1
        with pytest.raises(Conflict, match="It is: in no stage"):
            shop.promotions.demote("fraud", 1, ANA)

    def test_rolling_back_goes_back_version_by_version(self, shop: Shop) -> None:
        """Never to what was rolled back; or to the one that is named; never to what was not there."""
        for number in (1, 2, 3):
            shop.promotions.promote("fraud", number, "production", ANA)
        for number in (2, 1):
            (event,) = shop.promotions.roll_back("fraud", ANA, "worse")
            assert (event.kind, event.version) == ("rolled_back", number)
            assert shop.verify() == {"production": number}
        with pytest.raises(NoRollout, match="nothing to roll back to"):
            shop.promotions.roll_back("fraud", ANA, "worse")
        for number in (2, 3):
            shop.promotions.promote("fraud", number, "production", ANA)
        shop.promotions.roll_back("fraud", ANA, "far back", to="v1")
        assert shop.verify() == {"production": 1}
        with pytest.raises(NoRollout, match="version 3 of fraud was not in production before"):
            shop.promotions.roll_back("fraud", ANA, "forward", to=3)

    def test_a_free_alias_needs_no_gate_and_a_stage_does(self, shop: Shop) -> None:
        """Also by `alias set`; names that mean something are refused."""
        failed = shop.version(None, None, verdict=Verdict.FAIL)
        shop.promotions.set_alias("fraud", failed, "worst", ANA)
        assert shop.registry.get("fraud", "worst").number == failed
        for alias in ("production", "Staging"):
            with pytest.raises(NotServable, match=r"metadata only.*gate did not pass"):
                shop.promotions.set_alias("fraud", failed, alias, ANA)
        with pytest.raises(InvalidInput, match="cannot name an alias"):
            shop.promotions.set_alias("fraud", 1, "v7", ANA)
        shop.promotions.remove_alias("fraud", "worst", ANA)
        with pytest.raises(ModelVersionNotFound):
            shop.promotions.remove_alias("fraud", "worst", ANA)

    def test_archived_by_hand_and_back(self, shop: Shop) -> None:
        """Not while it holds an alias; twice is once."""
        shop.promotions.promote("fraud", 1, "production", ANA)
        with pytest.raises(Conflict, match="it is production"):
            shop.promotions.archive("fraud", 1, ANA)
        for archived, told in ((True, "archived"), (True, "unchanged"), (False, "restored"), (False, "unchanged")):
            assert kinds(shop.promotions.archive("fraud", 2, ANA, archived=archived)) == [(None, told)]
            assert shop.registry.get("fraud", 2).archived is archived


class TestDeployments:
    """Where deployments follow."""

    def test_all_begin_and_the_alias_waits_for_the_last(self, pair: Shop) -> None:
        """The first version is live everywhere at once; then one switches and the other tries."""
        assert kinds(pair.promotions.promote("fraud", 1, "production", ANA)) == [("a", "deployed"), ("b", "deployed")]
        assert pair.registry.aliases("fraud") == {"production": 1}
        events = pair.promotions.promote("fraud", 2, "production", ANA, "better")
        assert kinds(events) == [("a", "deployed"), ("b", "started")]
        assert (pair.live("a"), pair.live("b")) == ("2", "1")
        assert pair.registry.aliases("fraud") == {"production": 1}
        with pytest.raises(RolloutActive):
            pair.promotions.promote("fraud", 3, "production", ANA)
        assert pair.live("a") == "2"

    def test_what_one_takes_back_all_take_back(self, pair: Shop) -> None:
        """The canary of one is taken back: the other returns to the version before with it."""
        pair.promotions.promote("fraud", 1, "production", ANA)
        pair.promotions.promote("fraud", 2, "production", ANA)
        event = pair.rollouts.rollback("b", SYSTEM, "errors")
        assert event.kind == "rolled_back"
        assert (pair.live("a"), pair.live("b")) == ("1", "1")
        assert pair.verify() == {"production": 1}
        assert pair.rollouts.history("a")[-1].detail == "b: errors"

    def test_what_cannot_be_published_has_happened_nowhere(self, pair: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """Routes, rollouts and alias of all deployments are as they were."""
        pair.promotions.promote("fraud", 1, "production", ANA)

        def full(self: FeedFolder, feed: Feed) -> None:
            raise Unavailable("The disk is full.")

        with monkeypatch.context() as broken:
            broken.setattr(FeedFolder, "publish", full)
            with pytest.raises(IntentUndone, match="disk is full"):
                pair.promotions.promote("fraud", 2, "production", ANA)
        routes = [pair.rollouts.route(each) for each in ("a", "b")]
        assert [[arm.version for arm in each.arms] for each in routes if each is not None] == [["1"], ["1"]]
        assert pair.verify() == {"production": 1}
        assert kinds(pair.promotions.promote("fraud", 2, "production", ANA)) == [("a", "deployed"), ("b", "started")]

    def test_a_rollback_takes_back_the_rollouts_and_then_the_version(self, pair: Shop) -> None:
        """Every deployment, in one decision, whoever has it live; approvals are not asked for."""
        pair.promotions.promote("fraud", 1, "production", ANA)
        pair.promotions.promote("fraud", 2, "production", ANA)
        pair.promotions.roll_back("fraud", ANA, "not this one")
        assert pair.verify() == {"production": 1}
        for each in ("a", "b"):
            pair.rollouts.start(each, 3, ANA, strategy="all-at-once")
        pair.promotions.roll_back("fraud", ANA, "nor that")
        assert (pair.live("a"), pair.live("b")) == ("1", "1")
        assert pair.verify() == {"production": 1}
        with pytest.raises(NoRollout, match="never had another"):  # what was rolled back never comes back by itself
            pair.promotions.roll_back("fraud", ANA, "once more")
        pair.rollouts.start("a", 2, ANA, strategy="all-at-once")
        pair.promotions.roll_back("fraud", ANA, "by name", to="v1")
        assert (pair.live("a"), pair.live("b")) == ("1", "1")

    def test_what_serves_is_neither_demoted_nor_deleted(self, pair: Shop) -> None:
        """Nor a version on trial; what nothing points at is gone from here and from MLflow."""
        pair.promotions.promote("fraud", 1, "production", ANA)
        pair.promotions.promote("fraud", 2, "production", ANA)
        with pytest.raises(Conflict, match="a, b would serve without an alias"):
            pair.promotions.demote("fraud", 1, ANA)
        for number in (1, 2):
            with pytest.raises(Conflict, match=r"cannot be deleted.*the route of"):
                pair.promotions.delete("fraud", number, ANA)
        pair.promotions.delete("fraud", "v3", ANA)
        with pytest.raises(ModelVersionNotFound):
            pair.registry.get("fraud", 3)
        shown = pair.tracked.shown("fraud")
        assert shown is not None
        assert set(shown.stages) == {1, 2}


class TestApprovals:
    """Where the project asks for some."""

    @pytest.fixture
    def strict(self, tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Shop:
        """Production asks for one approval; two deployments follow."""
        return stocked(Shop(tmp_path, clock=clock, deployments=TWO, rules={"production": ApprovalRule()}), built)

    def test_no_way_to_production_goes_around_them(self, strict: Shop) -> None:
        """Neither a promotion, nor an alias, nor a rollout; a shadow is heard by nobody and needs none."""
        ways: list[Any] = [
            lambda: strict.promotions.promote("fraud", 1, "production", ANA),
            lambda: strict.promotions.set_alias("fraud", 1, "production", ANA),
            lambda: strict.rollouts.start("a", 1, ANA),
            lambda: strict.rollouts.start("b", 1, ANA, strategy="canary"),
        ]
        for way in ways:
            with pytest.raises(NeedsApproval, match="0 of 1 approvals for production"):
                way()
        strict.approvals.approve(strict.registry.get("fraud", 1), "production", BOB)
        strict.promotions.promote("fraud", 1, "production", ANA)
        assert kinds([strict.rollouts.shadow("a", 2, ANA)]) == [("a", "shadow")]

    def test_a_rollback_waits_for_nobody(self, strict: Shop, clock: ManualClock) -> None:
        """The approval has expired long ago."""
        for number in (1, 2):
            strict.approvals.approve(strict.registry.get("fraud", number), "production", BOB)
            for deployment in ("a", "b"):
                strict.rollouts.start(deployment, number, ANA, strategy="all-at-once")
        clock.advance(timedelta(days=30))
        strict.promotions.roll_back("fraud", ANA, "worse")
        assert strict.verify() == {"production": 1}
        with pytest.raises(NeedsApproval, match="expired"):
            strict.promotions.promote("fraud", 2, "production", ANA)

    def test_an_approval_that_is_void_by_the_time_of_the_decision_does_not_count(self, strict: Shop) -> None:
        """It is looked at again in the transaction that decides."""
        strict.approvals.approve(strict.registry.get("fraud", 1), "production", BOB)
        records: RecordStore = strict.records
        transaction = type(records).transaction

        @contextmanager
        def meanwhile(self: Any, *, durable: bool = True) -> Any:
            strict.configuration = Digest("changed")
            with transaction(self, durable=durable) as tx:
                yield tx

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(records), "transaction", meanwhile)
            with pytest.raises(NeedsApproval, match="configuration has changed"):
                strict.promotions.promote("fraud", 1, "production", ANA)
        assert strict.registry.aliases("fraud") == {}

    def test_a_version_that_waits_for_an_answer_is_not_deleted(self, strict: Shop) -> None:
        """Until it has one."""
        version = strict.registry.get("fraud", 3)
        strict.approvals.request(version, "production", ANA)
        with pytest.raises(Conflict, match="a request for production"):
            strict.promotions.delete("fraud", 3, ANA)
        strict.approvals.reject(version, "production", BOB, "no")
        strict.promotions.delete("fraud", 3, ANA)
