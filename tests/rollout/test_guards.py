"""Each guard of a rollout, proved by taking it away: what it keeps from happening then happens."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.rollout.yard import ME, Yard

from modelyard.access import Principal, Role
from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.registry import ApprovalRule
from modelyard.rollout import Rollout, Tally, machine
from modelyard.rollout.looking import Looks
from modelyard.rollout.machine import Machine
from modelyard.rollout.servers import Servers
from modelyard.rollout.strategies import BlueGreen, Canary, canary

HOUR = timedelta(hours=1)
RULE = {"production": ApprovalRule.model_validate({"required": 1, "expires": "7d", "roles": ["operator"]})}
BOB = Principal("bob", (Role.OPERATOR,), "key")
Story = Callable[[Yard, ManualClock], None]


def going(yard: Yard, **how: Any) -> None:
    """Version 2 is on its way, by the last step of a canary or as asked."""
    yard.canary()
    if how:
        yard.rollouts.abort("d", ME, "another way")
        yard.rollouts.start("d", 2, ME, **how)


def ended(yard: Yard) -> str:
    """How the rollout stands."""
    state = yard.rollouts.state("d")
    assert state is not None
    return state.state


def a_canary_that_fails_goes_back(yard: Yard, _: ManualClock) -> None:
    """By its evidence."""
    going(yard)
    yard.serve(200, canary_errors=0.6)
    yard.rollouts.tick()
    assert ended(yard) == "rolled_back"


def a_step_without_requests_is_not_passed(yard: Yard, clock: ManualClock) -> None:
    """However long it takes."""
    going(yard)
    clock.advance(9 * HOUR)
    yard.rollouts.tick()
    state = yard.rollouts.state("d")
    assert state is not None
    assert state.step == 0


def too_few_requests_promote_nothing(yard: Yard, clock: ManualClock) -> None:
    """At the last step, whose time has passed."""
    going(yard)
    yard.rollouts.advance("d", ME)
    yard.serve(100)
    clock.advance(9 * HOUR)
    yard.rollouts.tick()
    assert ended(yard) == "active"


def a_paused_rollout_takes_no_step(yard: Yard, clock: ManualClock) -> None:
    """Though its time has passed and requests come."""
    going(yard)
    clock.advance(2 * HOUR)
    yard.rollouts.tick()
    clock.advance(2 * HOUR)
    yard.rollouts.tick()
    yard.rollouts.pause("d", ME)
    yard.serve(300)
    yard.rollouts.tick()
    state = yard.rollouts.state("d")
    assert state is not None
    assert state.step == 0


def a_day_that_a_clock_is_put_forward_is_no_time(yard: Yard, clock: ManualClock) -> None:
    """Requests are there; the step's hour is not."""
    going(yard)
    yard.serve(300)
    clock.jump(timedelta(days=1))
    yard.rollouts.tick()
    state = yard.rollouts.state("d")
    assert state is not None
    assert state.step == 0


def a_version_that_no_server_can_load_goes_back(yard: Yard, _: ManualClock) -> None:
    """The first that says so is enough."""
    going(yard)
    yard.beat("s1", refused="it crashed")
    yard.rollouts.tick()
    assert ended(yard) == "rolled_back"


def a_server_that_falls_silent_takes_it_back(yard: Yard, clock: ManualClock) -> None:
    """After its time."""
    going(yard)
    yard.beat("s1")
    yard.rollouts.tick()
    yard.beat("s1", ago_s=100)
    clock.advance(timedelta(minutes=1))
    yard.rollouts.tick()
    assert ended(yard) == "rolled_back"


def green_waits_for_every_server(yard: Yard, clock: ManualClock) -> None:
    """One of two has it."""
    going(yard, strategy="blue-green")
    clock.advance(2 * HOUR)
    yard.beat("s1")
    yard.beat("s2", follows=False)
    yard.rollouts.tick()
    assert ended(yard) == "active"


def what_was_rejected_meanwhile_is_not_promoted(yard: Yard, clock: ManualClock) -> None:
    """Approvals that counted at the beginning hold; a rejection since does not wait."""
    for number in (1, 2):
        version = yard.registry.get("fraud", yard.version())
        yard.approvals.approve(version, "production", BOB)
        yard.rollouts.start("d", number, ME)
    yard.rollouts.advance("d", ME)
    yard.serve(1_500)
    yard.approvals.reject(yard.registry.get("fraud", 2), "production", BOB, "it was found out")
    clock.advance(2 * HOUR)
    yard.rollouts.tick()
    assert ended(yard) == "active"


def nothing(*_: Any) -> None:
    """In place of what checks."""


def by_the_wall(self: Looks, rollout: Rollout) -> float:
    """How long ago a rollout was looked at, as naive clocks have it."""
    return (self._clock.now() - self._clock.now().fromisoformat(rollout.looked_at)).total_seconds()


def unasked(self: Machine, view: Any, rollout: Rollout) -> Any:
    """The version, whether it may hold its alias or not."""
    return self._registry.read(view, "fraud", rollout.version)


def decided_though_paused(self: Machine, look: Any) -> Any:
    """What the strategy says, paused or not."""
    return Canary().judge(look.facts)


GUARDS: tuple[tuple[str, Story, object, str, object], ...] = (
    ("guardrails", a_canary_that_fails_goes_back, Tally, "breached", lambda *_: ""),
    ("requests at a step", a_step_without_requests_is_not_passed, Tally, "step_rows", 1),
    ("evidence", too_few_requests_promote_nothing, Canary, "lacks", lambda *_: ()),
    ("the pause", a_paused_rollout_takes_no_step, Machine, "_decide", decided_though_paused),
    ("observed time", a_day_that_a_clock_is_put_forward_is_no_time, Looks, "passed", by_the_wall),
    ("a step's time", a_day_that_a_clock_is_put_forward_is_no_time, canary, "too_early", lambda _: ()),
    ("refused loads", a_version_that_no_server_can_load_goes_back, Looks, "_trouble", lambda *_: ""),
    ("silent servers", a_server_that_falls_silent_takes_it_back, Servers, "lost", lambda *_: ""),
    ("every server", green_waits_for_every_server, BlueGreen, "lacks", lambda *_: ()),
    ("rejections", what_was_rejected_meanwhile_is_not_promoted, Machine, "_standing", unasked),
)


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock, built: BuiltBundle, request: pytest.FixtureRequest) -> Yard:
    """A deployment; where approvals are asked for, one is."""
    rejected = request.node.callspec.params["story"] is what_was_rejected_meanwhile_is_not_promoted
    return Yard(tmp_path, clock, built, rules=RULE if rejected else None)


@pytest.mark.parametrize("story", list(dict.fromkeys(each[1] for each in GUARDS)), ids=lambda each: each.__name__)
def test_with_its_guard_the_story_ends_well(yard: Yard, clock: ManualClock, story: Story) -> None:
    """As it is told."""
    story(yard, clock)


@pytest.mark.parametrize(
    ("story", "where", "name", "without"), [each[1:] for each in GUARDS], ids=[each[0] for each in GUARDS]
)
def test_without_its_guard_it_does_not(
    yard: Yard,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    story: Story,
    where: object,
    name: str,
    without: Any,
) -> None:
    """So that the guard is what does it."""
    monkeypatch.setattr(where, name, without)
    with pytest.raises(AssertionError):
        story(yard, clock)


def test_a_look_at_what_has_moved_on_is_dropped_by_its_guard_alone(
    tmp_path: Path, clock: ManualClock, built: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator takes it back while a look is under way: without the guard the look would write its own over that."""
    for guarded, expected in ((True, "rolled_back"), (False, "active")):
        folder = tmp_path / str(guarded)
        folder.mkdir()
        yard = Yard(folder, clock, built)
        going(yard)
        look = Looks.look

        def meanwhile(self: Looks, rollout: Rollout, yard: Yard = yard, look: Any = look) -> Any:
            found = look(self, rollout)
            yard.rollouts.abort("d", ME, "an operator was quicker")
            return found

        with monkeypatch.context() as patched:
            patched.setattr(Looks, "look", meanwhile)
            if not guarded:
                patched.setattr(machine, "require_unmoved", nothing)
            yard.rollouts.tick()
        assert ended(yard) == expected
