"""Whatever operators, clocks, models and processes do, in whatever order: what must always hold, holds."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.conftest import NOON
from tests.rollout.yard import ME, Yard

from modelyard.access import Principal, Role
from modelyard.bundling import BuiltBundle
from modelyard.core import Conflict, Forbidden, ManualClock, NotFound
from modelyard.registry import ApprovalRule
from modelyard.rollout import Rollouts

BOB = Principal("bob", (Role.OPERATOR,), "key")
RULE = ApprovalRule.model_validate({"required": 1, "expires": "7d", "roles": ["operator"]})
UNPROVED = ("blue-green", "rolling")
"""Strategies that ask for servers, not for evidence."""

REFUSALS = (Conflict, Forbidden, NotFound)
"""What operators may be told; anything else is a mistake."""


class Rolling(RuleBasedStateMachine):
    """One deployment, two processes, two operators, and everything that may happen to a version on its way."""

    built: BuiltBundle

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock(NOON)
        declared = {"steps": (20, 50, 100), "dwell": "1h", "min_requests": 60, "acceptable": 0.1}
        self.yard = Yard(Path(self._folder.name), self.clock, self.built, declared=declared, rules={"production": RULE})
        self.others = self.yard.process()
        self.approved: set[int] = set()
        self.seed = 0
        self.first()

    def first(self) -> None:
        """Version 1, approved and live."""
        version = self.yard.registry.get("fraud", self.yard.version())
        self.yard.approvals.approve(version, "production", BOB)
        self.approved.add(version.number)
        self.yard.rollouts.start("d", version.number, ME)

    def by(self, other: bool) -> Rollouts:
        """One of the two processes."""
        return self.others if other else self.yard.rollouts

    def attempt(self, act: Any, *given: Any, **named: Any) -> None:
        """Something that may be refused."""
        try:
            act(*given, **named)
        except REFUSALS:
            return

    @precondition(lambda self: self.yard.numbers.count < 6)
    @rule(approve=st.booleans())
    def register(self, approve: bool) -> None:
        """One more version, approved or not."""
        version = self.yard.registry.get("fraud", self.yard.version())
        if approve:
            self.yard.approvals.approve(version, "production", BOB)
            self.approved.add(version.number)

    @rule(
        other=st.booleans(),
        number=st.integers(1, 6),
        strategy=st.sampled_from(["canary", "blue-green", "rolling", "all-at-once"]),
    )
    def start(self, other: bool, number: int, strategy: Any) -> None:
        """A rollout, of whatever version."""
        self.attempt(self.by(other).start, "d", number, ME, strategy=strategy)

    @rule(verb=st.sampled_from(["advance", "pause", "resume", "promote"]), other=st.booleans())
    def decide(self, verb: str, other: bool) -> None:
        """An operator's decision."""
        self.attempt(getattr(self.by(other), verb), "d", ME)

    @rule(verb=st.sampled_from(["abort", "rollback"]), other=st.booleans())
    def take_back(self, verb: str, other: bool) -> None:
        """An operator's other decision."""
        self.attempt(getattr(self.by(other), verb), "d", ME, "by hand")

    @rule(requests=st.sampled_from([0, 30, 300]), errors=st.sampled_from([0.0, 0.0, 0.02, 0.6]))
    def serve(self, requests: int, errors: float) -> None:
        """Requests, some of which the candidate fails."""
        self.seed += 1
        self.yard.serve(requests, canary_errors=errors, seed=self.seed, error="invalid_output")

    @rule(hours=st.sampled_from([0, 1, 30]), days=st.sampled_from([0, 1, -1]))
    def wait(self, hours: int, days: int) -> None:
        """Time passes, and clocks are put."""
        self.clock.advance(timedelta(hours=hours))
        self.clock.jump(timedelta(days=days))

    @rule(refused=st.sampled_from(["", "", "", "it crashed"]), ago=st.sampled_from([0, 0, 100]))
    def beat(self, refused: str, ago: int) -> None:
        """A server says how it is."""
        self.yard.beat(refused=refused, ago_s=ago)

    @rule(other=st.booleans())
    def tick(self, other: bool) -> None:
        """A look, by either process."""
        self.by(other).tick()

    @invariant()
    def weights_sum_to_one(self) -> None:
        """Of those who answer; one is live, names are unique, and servers see the newest route."""
        route, feed = self.yard.rollouts.route("d"), self.yard.feed.read()
        assert route is not None
        assert feed is not None
        assert feed.routes == (route,)
        for each in (route, route.at("s1"), route.at("another")):
            assert abs(sum(arm.weight for arm in each.arms if arm.role != "shadow") - 1) < 1e-9
        assert len({arm.name for arm in route.arms}) == len(route.arms)

    @invariant()
    def one_transition_is_active_at_most(self) -> None:
        """What is on its way is on the route, and nothing else is."""
        route, rollout = self.yard.rollouts.route("d"), self.yard.rollouts.state("d")
        assert route is not None
        candidates = [arm.version for arm in route.arms if arm.role == "canary"]
        active = [str(rollout.version)] if rollout is not None and rollout.state == "active" else []
        assert candidates == active

    @invariant()
    def nothing_unapproved_is_live_and_no_canary_without_evidence(self) -> None:
        """By whomever it was promoted; and the alias is what is live."""
        route = self.yard.rollouts.route("d")
        assert route is not None
        live = int(route.live.version)
        assert live in self.approved
        assert self.yard.registry.aliases("fraud")["production"] == live
        promoted = [each.evidence for each in self.yard.rollouts.history("d") if each.kind == "promoted"]
        for evidence in promoted:
            assert evidence["strategy"] in UNPROVED or evidence["promotion_e_value"] >= 20
            assert evidence["strategy"] in UNPROVED or evidence["canary_units"] >= 60

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.yard.journal.close()
        self.yard.records.close()
        self._folder.cleanup()


def _case(built: BuiltBundle, examples: int, steps: int) -> None:
    class Case(Rolling):
        pass

    Case.built = built
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    case = settings(max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True,
                    suppress_health_check=checks, print_blob=False)  # fmt: skip
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Case, settings=case)


def test_weights_transitions_and_promotions_are_right_after_every_step(built: BuiltBundle) -> None:
    """A few random lives of a deployment."""
    _case(built, 5, 25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_same_over_many_lives(built: BuiltBundle) -> None:
    """Hundreds."""
    _case(built, 400, 50)
