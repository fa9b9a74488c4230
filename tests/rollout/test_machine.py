"""What operators and facts may do to a rollout under way, and what they may not."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.rollout.yard import ME, Yard

from modelyard.access import Principal, Role
from modelyard.bundling import BuiltBundle
from modelyard.core import InvalidInput, ManualClock
from modelyard.registry import ApprovalRule, NeedsApproval
from modelyard.rollout import Asked, NoNextStep, NoRollout, NotEnoughEvidence, Rollout, RolloutActive, parse_steps

HOUR = timedelta(hours=1)
MakeYard = Callable[..., Yard]


@pytest.fixture
def make(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> MakeYard:
    """Makes a yard with these declarations, version 1 live and version 2 on its way."""

    def made(**options: Any) -> Yard:
        yard = Yard(tmp_path, clock, built, **options)
        yard.canary()
        return yard

    return made


def state_of(yard: Yard) -> Rollout:
    """The rollout."""
    state = yard.rollouts.state("d")
    assert state is not None
    return state


def weights(yard: Yard) -> dict[str, float]:
    """The arms of the route."""
    route = yard.rollouts.route("d")
    assert route is not None
    return {arm.name: arm.weight for arm in route.arms}


def test_what_is_asked_for_is_kept_with_the_rollout_and_what_is_not_is_as_declared(make: MakeYard) -> None:
    """A later change of the project file changes no rollout that is under way."""
    yard = make()
    yard.rollouts.abort("d", ME, "to begin another")
    asked = Asked(steps=(5, 20, 100), dwell=timedelta(minutes=3), min_requests=50)
    yard.rollouts.start("d", 2, ME, asked=asked)
    plan = state_of(yard).plan
    assert (plan.steps, plan.dwell_s, plan.min_requests, plan.strategy) == ((5, 20, 100), 180.0, 50, "canary")
    assert plan.acceptable == 0.01
    assert weights(yard) == {"live": 0.95, "canary": 0.05}


@pytest.mark.parametrize("steps", ["", "5,50", "50,5,100", "0,100", "5,5,100", "a,100"])
def test_steps_that_are_none_are_refused(steps: str) -> None:
    """They grow from 1 to 100."""
    with pytest.raises(InvalidInput, match=r"[Ss]teps"):
        parse_steps(steps)


def test_an_option_that_a_strategy_would_ignore_is_refused(make: MakeYard) -> None:
    """Blue-green has no steps."""
    yard = make()
    yard.rollouts.abort("d", ME, "another")
    with pytest.raises(InvalidInput, match="--steps means nothing"):
        yard.rollouts.start("d", 2, ME, asked=Asked("blue-green", steps=(5, 100)))


def test_asking_twice_changes_nothing(make: MakeYard) -> None:
    """Start, pause, resume and abort say so, and write no history; another version is refused."""
    yard = make()
    began = len(yard.rollouts.history("d"))
    assert yard.rollouts.start("d", 2, ME).kind == "unchanged"
    assert yard.rollouts.resume("d", ME).kind == "unchanged"
    assert yard.rollouts.pause("d", ME, "lunch").kind == "paused"
    assert yard.rollouts.pause("d", ME, "tea").kind == "unchanged"
    assert yard.rollouts.resume("d", ME).kind == "resumed"
    with pytest.raises(RolloutActive, match="version 2"):
        yard.rollouts.start("d", yard.version(), ME)
    assert yard.rollouts.abort("d", ME, "enough").kind == "aborted"
    assert yard.rollouts.abort("d", ME, "enough").kind == "unchanged"
    kinds = [event.kind for event in yard.rollouts.history("d")][began:]
    assert kinds == ["paused", "resumed", "aborted"]
    with pytest.raises(NoRollout, match="no rollout under way"):
        yard.rollouts.pause("d", ME)


def test_a_paused_rollout_takes_no_step_and_still_goes_back(make: MakeYard, clock: ManualClock) -> None:
    """Nor does the time count."""
    yard = make()
    yard.rollouts.pause("d", ME, "an incident")
    yard.serve(500)
    clock.advance(5 * HOUR)
    assert yard.rollouts.tick() == []
    assert state_of(yard).observed_s == 0
    assert state_of(yard).missing == (f"being resumed: paused by {ME.name}: an incident",)
    with pytest.raises(NoNextStep, match="paused"):
        yard.rollouts.advance("d", ME)
    yard.serve(300, canary_errors=0.8, seed=1)
    (event,) = yard.rollouts.tick()
    assert event.kind == "rolled_back"
    assert weights(yard) == {"live": 1.0}


def test_an_operator_spares_a_rollout_its_time_but_not_its_evidence(make: MakeYard) -> None:
    """Advance goes to the last step, step by step; promote says what is missing; both are on record with who did it."""
    yard = make()
    assert yard.rollouts.advance("d", ME, "it looks well").by == ME.name
    assert yard.rollouts.advance("d", ME, step=2).kind == "unchanged"
    assert weights(yard) == {"live": 0.5, "canary": 0.5}
    with pytest.raises(NoNextStep, match="the takeover"):
        yard.rollouts.advance("d", ME)
    yard.serve(300)
    with pytest.raises(NotEnoughEvidence, match="more canary requests"):
        yard.rollouts.promote("d", ME)
    yard.serve(1500, seed=1)
    event = yard.rollouts.promote("d", ME, "in a hurry")
    assert (event.kind, event.by) == ("promoted", ME.name)
    assert event.evidence["promotion_e_value"] >= 20
    assert yard.registry.aliases("fraud") == {"production": 2}
    assert yard.rollouts.promote("d", ME).kind == "unchanged"


def test_what_is_missing_is_told_with_how_long_it_takes(make: MakeYard, clock: ManualClock) -> None:
    """At the last step: so many requests, at the rate of this step."""
    yard = make()
    yard.rollouts.advance("d", ME)
    yard.serve(200)
    clock.advance(2 * HOUR)
    assert yard.rollouts.tick() == []
    (requests, value) = state_of(yard).missing
    assert "more canary requests, about " in requests
    assert "at the present rate" in requests
    assert value.startswith("an e-value of 20 (now ")


def test_for_how_long_it_is_held_is_told_beyond_its_time(make: MakeYard, clock: ManualClock) -> None:
    """Nothing while a step's hour lasts, while it is paused, or when none is under way."""
    yard = make()
    yard.rollouts.advance("d", ME)
    yard.serve(200)
    for hours, held in ((1, 0.0), (2, 2.0), (1, 3.0)):
        clock.advance(hours * HOUR)
        yard.rollouts.tick()
        assert yard.rollouts.held_s("d") == held * 3600
    yard.rollouts.pause("d", ME)
    assert yard.rollouts.held_s("d") == 0
    yard.rollouts.resume("d", ME)
    yard.rollouts.abort("d", ME, "enough")
    assert yard.rollouts.held_s("d") == 0


def test_time_alone_promotes_nothing(make: MakeYard, clock: ManualClock) -> None:
    """A month at the last step with too few requests."""
    yard = make()
    yard.rollouts.advance("d", ME)
    yard.serve(200)
    for _ in range(30):
        clock.advance(timedelta(days=1))
        assert yard.rollouts.tick() == []
    assert state_of(yard).state == "active"


@pytest.mark.parametrize("jump", [timedelta(days=1), -timedelta(days=1)])
def test_a_clock_that_is_put_forward_or_back_makes_no_step_pass(
    make: MakeYard, clock: ManualClock, jump: timedelta
) -> None:
    """The step's hour is counted by what passed, in this process and in others; requests of both days are counted."""
    yard = make()
    yard.serve(300)
    clock.advance(timedelta(minutes=20))
    assert yard.rollouts.tick() == []
    clock.jump(jump)
    assert yard.rollouts.tick() == []
    assert state_of(yard).observed_s == 20 * 60
    other = yard.process()
    clock.jump(jump)
    assert other.tick() == []
    assert state_of(yard).observed_s <= 20 * 60 + 3600 / 4
    yard.serve(300, seed=1)
    clock.jump(-2 * jump)
    yard.serve(300, seed=2)
    clock.advance(timedelta(minutes=41))
    assert [event.kind for event in other.tick()] == ["advanced"]
    evidence = state_of(yard).evidence
    assert evidence["canary_requests"] + evidence["live_requests"] == 900


def test_daylight_saving_is_no_time(make: MakeYard, clock: ManualClock) -> None:
    """An hour by the clocks of Berlin is none on the morning when they are put forward."""
    yard = make()
    yard.rollouts.abort("d", ME, "again, on that morning")
    berlin = ZoneInfo("Europe/Berlin")
    clock.set(clock.now().astimezone(berlin).replace(month=3, day=29, hour=1, minute=30))
    yard.rollouts.start("d", 2, ME)
    yard.serve(300)
    clock.set(clock.now().astimezone(berlin).replace(hour=3, minute=0))
    assert yard.rollouts.tick() == []
    assert state_of(yard).observed_s == 30 * 60


def test_blue_green_waits_for_every_server_and_switches_at_once(make: MakeYard, clock: ManualClock) -> None:
    """Without traffic before; the version before stays warm for its time, and a rollback needs nothing loaded."""
    yard = make()
    yard.rollouts.abort("d", ME, "another")
    yard.rollouts.start("d", 2, ME, strategy="blue-green")
    assert weights(yard) == {"live": 1.0, "green": 0.0}
    clock.advance(2 * HOUR)
    yard.rollouts.tick()
    assert state_of(yard).missing == ("a server that has it loaded",)
    with pytest.raises(NotEnoughEvidence, match="a server that has it loaded"):
        yard.rollouts.promote("d", ME)
    yard.beat("s1")
    yard.beat("s2", follows=False)
    yard.rollouts.tick()
    assert state_of(yard).missing == ("1 servers to load it: s2",)
    yard.beat("s2")
    (event,) = yard.rollouts.tick()
    assert (event.kind, event.detail) == ("promoted", "v2 is live: it is loaded and warm at 2 servers")
    assert weights(yard) == {"live": 1.0, "previous": 0.0}
    clock.advance(timedelta(minutes=9))
    assert yard.rollouts.tick() == []
    clock.advance(timedelta(minutes=2))
    assert [event.kind for event in yard.rollouts.tick()] == ["cooled"]
    assert weights(yard) == {"live": 1.0}
    assert yard.rollouts.tick() == []


def test_a_rollback_while_the_version_before_is_warm_takes_its_arm(make: MakeYard, clock: ManualClock) -> None:
    """The bundle stays loaded all the time: it is on both routes."""
    yard = make()
    yard.rollouts.advance("d", ME)
    yard.serve(1500)
    yard.rollouts.promote("d", ME)
    before = yard.rollouts.route("d")
    assert before is not None
    warm = next(arm for arm in before.arms if arm.name == "previous")
    yard.rollouts.rollback("d", ME, "worse")
    route = yard.rollouts.route("d")
    assert route is not None
    assert [(arm.name, arm.version, arm.bundle) for arm in route.arms] == [("live", "1", warm.bundle)]
    clock.advance(HOUR)
    assert yard.rollouts.tick() == []


def test_a_server_that_cannot_load_it_takes_it_back_at_once(make: MakeYard) -> None:
    """Without a single request."""
    yard = make()
    yard.beat("s1")
    yard.beat("s2", refused="the bundle's file model.onnx is damaged")
    (event,) = yard.rollouts.tick()
    assert (event.kind, event.detail) == (
        "rolled_back",
        "the version could not be loaded: the bundle's file model.onnx is damaged",
    )


def test_a_server_that_falls_silent_takes_it_back_after_a_while(make: MakeYard, clock: ManualClock) -> None:
    """One that was never heard of during the rollout, or ended in good order, does not."""
    yard = make()
    yard.beat("long-gone", ago_s=3600)
    yard.beat("s1")
    yard.beat("s2")
    assert yard.rollouts.tick() == []
    yard.feed.remove_status("s2")
    yard.beat("s1", ago_s=60)
    clock.advance(timedelta(seconds=20))
    assert yard.rollouts.tick() == []
    clock.advance(timedelta(seconds=20))
    (event,) = yard.rollouts.tick()
    assert event.detail == "server s1 has not been heard of for 40s, and did not end in good order"


def test_an_alarm_takes_it_back(make: MakeYard) -> None:
    """Whatever it is: the composition root says what may."""
    alarms: list[str] = []
    yard = make(alarms=[lambda rollout: "".join(alarms) if rollout.version == 2 else ""])
    assert yard.rollouts.tick() == []
    alarms.append("alert error_rate: 7% of requests fail")
    (event,) = yard.rollouts.tick()
    assert (event.kind, event.detail) == ("rolled_back", "alert error_rate: 7% of requests fail")


def test_shares_that_cannot_be_right_hold_it_and_are_told_once(make: MakeYard, clock: ManualClock) -> None:
    """The canary gets a third of what it should: nothing is promoted, also not by hand."""
    yard = make()
    yard.rollouts.advance("d", ME)
    for number in range(1, 3001):
        yard.journal.append([yard.record("canary" if number % 6 == 0 else "live", number=number)])
    clock.advance(2 * HOUR)
    (event,) = yard.rollouts.tick()
    assert (event.kind, event.detail) == ("held", "the arms do not get the shares that they should")
    assert yard.rollouts.tick() == []
    assert "no figure of either arm can be believed" in state_of(yard).reason
    with pytest.raises(NotEnoughEvidence, match="shares that can be believed"):
        yard.rollouts.promote("d", ME)


def test_failures_of_both_arms_take_no_canary_back(make: MakeYard, clock: ManualClock) -> None:
    """What the live arm fails itself counts as well: five in a hundred of either are no reason."""
    yard = make()
    yard.rollouts.advance("d", ME)
    yard.serve(2000, canary_errors=0.05, live_errors=0.05)
    assert yard.rollouts.tick() == []
    evidence = state_of(yard).evidence
    assert evidence["live_bad"] > 20
    assert evidence["canary_bad"] > 20


def test_rows_that_only_the_canary_refuses_are_its_fault(make: MakeYard) -> None:
    """A signature that is narrower than the live one's."""
    yard = make()
    yard.serve(400, canary_errors=0.5, error="input")
    (event,) = yard.rollouts.tick()
    assert event.detail.startswith("errors: ")


@pytest.mark.parametrize(
    ("error", "guardrail"), [("timeout", "timeouts"), ("invalid_output", "invalid outputs"), ("features", "errors")]
)
def test_each_guardrail_takes_it_back_by_itself(make: MakeYard, error: str, guardrail: str) -> None:
    """And is named."""
    yard = make()
    yard.serve(300, canary_errors=0.6, error=error)
    (event,) = yard.rollouts.tick()
    assert event.detail.startswith(f"{guardrail}: ")


def test_approvals_hold_for_the_rollout_that_began_with_them_and_a_rejection_does_not(
    make: MakeYard, clock: ManualClock, tmp_path: Path, built: BuiltBundle
) -> None:
    """They expire in a day, the rollout takes two; rejected meanwhile it waits, and promote refuses."""
    bob = Principal("bob", (Role.OPERATOR,), "key")
    rules = {"production": ApprovalRule.model_validate({"required": 1, "expires": "1d", "roles": ["operator"]})}
    yard = Yard(tmp_path, clock, built, rules=rules)
    for _ in range(2):
        version = yard.registry.get("fraud", yard.version())
        with pytest.raises(NeedsApproval):
            yard.rollouts.start("d", version.number, ME)
        yard.approvals.approve(version, "production", bob)
        yard.rollouts.start("d", version.number, ME)
    yard.rollouts.advance("d", ME)
    clock.advance(timedelta(days=2))
    yard.serve(1500)
    yard.approvals.reject(yard.registry.get("fraud", 2), "production", bob, "not before the audit")
    assert yard.rollouts.tick() == []
    assert "not before the audit" in state_of(yard).reason
    with pytest.raises(NeedsApproval):
        yard.rollouts.promote("d", ME)
    yard.approvals.request(yard.registry.get("fraud", 2), "production", ME)
    assert [event.kind for event in yard.rollouts.tick()] == ["promoted"]


def test_labels_count_when_they_had_their_time(make: MakeYard, clock: ManualClock) -> None:
    """The canary is wrong nine times in ten, live once: it goes back when the window has passed, not before."""
    yard = make(declared={"label_window": "30m"})
    yard.serve(400)
    route = yard.rollouts.route("d")
    assert route is not None
    yard.label(lambda arm, number: "1" if (number % 10 == 0) == (arm == "canary") else "0")
    clock.advance(timedelta(minutes=20))
    assert yard.rollouts.tick() == []
    clock.advance(timedelta(minutes=20))
    (event,) = yard.rollouts.tick()
    assert event.detail.startswith("quality: ")


def test_answers_that_are_spread_differently_take_it_back_where_a_bound_is_declared(make: MakeYard) -> None:
    """Half of the canary's scores are elsewhere; a bound above that lets it be."""
    yard = make(declared={"prediction_drift": 0.2})
    yard.rollouts.advance("d", ME)
    for number in range(1, 5001):
        arm = "canary" if number % 2 else "live"
        score = (number % 97) / 97 * (0.5 if arm == "canary" else 1.0)
        yard.journal.append([yard.scored(arm, score, number)])
    yard.rollouts.tick()
    for number in range(5001, 8001):
        arm = "canary" if number % 2 else "live"
        yard.journal.append([yard.scored(arm, (number % 97) / 97 * (0.5 if arm == "canary" else 1.0), number)])
    (event,) = yard.rollouts.tick()
    assert event.detail.startswith("its answers are spread differently: total variation distance 0.")
