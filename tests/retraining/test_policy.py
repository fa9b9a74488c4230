"""What keeps an automatic cycle back: cooldown, budget and quiet hours; each says until when."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from modelyard.retraining import Budget, Hold, Loop, LoopEvent, QuietHours, RetrainingSettings, TrainingWindow
from modelyard.retraining.policy import holds
from modelyard.retraining.policy.quiet import quiet_until

from .yard import DAY, DRIFTED, ME, Yard

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)


def hours(start: str, end: str, *days: str) -> QuietHours:
    """Quiet hours as in the project file."""
    return QuietHours.model_validate({"from": start, "to": end, **({"days": days} if days else {})})


@pytest.mark.parametrize(
    ("quiet", "at", "until"),
    [
        ([hours("08:00", "18:00")], "2026-01-05T12:00", "2026-01-05T18:00"),
        ([hours("08:00", "18:00")], "2026-01-05T18:00", None),
        ([hours("08:00", "18:00")], "2026-01-05T08:00", "2026-01-05T18:00"),
        ([hours("22:00", "06:00")], "2026-01-05T23:00", "2026-01-06T06:00"),
        ([hours("22:00", "06:00")], "2026-01-05T05:59", "2026-01-05T06:00"),
        ([hours("22:00", "06:00", "fri")], "2026-01-10T05:00", "2026-01-10T06:00"),
        ([hours("22:00", "06:00", "sat")], "2026-01-10T05:00", None),
        ([hours("00:00", "00:00", "sat", "sun")], "2026-01-10T05:00", "2026-01-12T00:00"),
        ([hours("08:00", "12:00"), hours("11:00", "15:00")], "2026-01-05T09:00", "2026-01-05T15:00"),
    ],
)
def test_quiet_hours_end_when_the_last_of_them_does(quiet: list[QuietHours], at: str, until: str | None) -> None:
    """Over midnight they belong to the day on which they began."""
    found = quiet_until(quiet, datetime.fromisoformat(at).replace(tzinfo=UTC), ZoneInfo("UTC"))
    assert found == (None if until is None else datetime.fromisoformat(until).replace(tzinfo=UTC))


def test_quiet_hours_are_those_of_the_time_zone() -> None:
    """06:00 in Berlin is 05:00 UTC in January and 04:00 in July."""
    night = [hours("22:00", "06:00")]
    assert quiet_until(night, datetime(2026, 1, 5, 2, tzinfo=UTC), BERLIN) == datetime(2026, 1, 5, 5, tzinfo=UTC)
    assert quiet_until(night, datetime(2026, 7, 5, 2, tzinfo=UTC), BERLIN) == datetime(2026, 7, 5, 4, tzinfo=UTC)
    assert quiet_until(night, datetime(2026, 1, 5, 5, tzinfo=UTC), BERLIN) is None


def test_hours_without_an_end_tell_a_far_one() -> None:
    """Quiet all day, every day: as far as one looks."""
    until = quiet_until([hours("00:00", "00:00")], MONDAY, ZoneInfo("UTC"))
    assert until is not None
    assert until > MONDAY + 30 * DAY


def test_a_time_without_quotes_is_read_as_it_was_meant() -> None:
    """YAML reads 22:00 as the number 1320; what is no time is refused."""
    assert QuietHours.model_validate({"from": 1320, "to": "06:00"}).start == time(22)
    for wrong in (8, 2400, 8.5, "25:00", True):
        with pytest.raises(ValidationError):
            QuietHours.model_validate({"from": wrong, "to": "06:00"})


def event(days_ago: float, kind: Any = "triggered", seconds: float = 0.0) -> LoopEvent:
    """Something that happened."""
    return LoopEvent((MONDAY - days_ago * DAY).isoformat(), "fraud", 1, kind, "", {"seconds": seconds})


def held(budget: dict[str, Any], history: list[LoopEvent]) -> Hold:
    """What the budget says."""
    found = holds(Loop("fraud"), 7 * DAY, Budget(**budget), (), ZoneInfo("UTC"), history, MONDAY)
    (only,) = [each for each in found if each.kind != "cooldown"]
    return only


def test_a_budget_of_cycles_is_that_of_any_seven_days() -> None:
    """However they began; the oldest that counts says until when."""
    history = [event(1), event(3), event(6.5), event(7)]
    assert (held({"runs_a_week": 4}, history).holds, held({"runs_a_week": 4}, history).evidence) == (
        False, {"used": 3, "of": 4},
    )  # fmt: skip
    full = held({"runs_a_week": 3}, history)
    assert (full.holds, full.until) == (True, (MONDAY + 0.5 * DAY).isoformat())
    over = held({"runs_a_week": 2}, history)
    assert over.until == (MONDAY + 4 * DAY).isoformat()  # two must be gone, of which the younger goes then


def test_a_budget_of_minutes_counts_what_steps_computed() -> None:
    """Of trainings that failed, too."""
    history = [event(1, "gated", 600), event(2, "retrying", 300), event(8, "gated", 6000)]
    calm = held({"minutes_a_week": 16}, history)
    assert (calm.holds, calm.evidence["used"]) == (False, 15)
    full = held({"minutes_a_week": 15}, history)
    assert (full.holds, full.until) == (True, (MONDAY + 5 * DAY).isoformat())
    assert held({"minutes_a_week": 5}, history).until == (MONDAY + 6 * DAY).isoformat()


def test_quiet_hours_hold_back_the_loop_and_not_a_person(yard: Yard) -> None:
    """Noon is quiet; at six in the evening it acts."""
    yard.policy |= {"quiet": [{"from": "08:00", "to": "18:00"}]}
    loop = yard.restarted()
    yard.saw(**DRIFTED)
    assert loop.tick() == []
    told = loop.explain("fraud")
    assert not told.acts
    assert told.summary.endswith("but waits until 2026-01-05T18:00:00+00:00: these are quiet hours.")
    yard.clock.advance(timedelta(hours=6))
    assert loop.tick()[0].kind == "triggered"
    yard.clock.advance(18 * timedelta(hours=1))
    loop.trigger("fraud", "cannot wait", ME)
    assert loop.tick()[-1].kind == "promoted"


def test_a_spent_budget_holds_back_the_loop_until_a_week_has_passed(yard: Yard) -> None:
    """A cycle that a person began counts, and is itself refused by no budget."""
    yard.policy |= {"budget": {"runs_a_week": 1}, "cooldown": "1h"}
    loop = yard.restarted()
    loop.trigger("fraud", "by hand", ME)
    loop.tick()
    yard.clock.advance(DAY)
    yard.saw(**DRIFTED)
    assert loop.tick() == []
    (runs,) = [each for each in loop.explain("fraud").holds if each.kind == "runs"]
    assert (runs.holds, runs.evidence, runs.until) == (True, {"used": 1, "of": 1}, (MONDAY + 7 * DAY).isoformat())
    loop.trigger("fraud", "by hand again", ME)
    loop.tick()
    yard.clock.advance(7 * DAY)
    yard.saw(**DRIFTED)
    assert loop.tick()[0].kind == "triggered"


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ({"window": {"kind": "sliding"}}, "needs `length`"),
        ({"window": {"kind": "weighted"}}, "needs `half_life`"),
        ({"window": {"kind": "sliding", "length": "1d", "half_life": "1d"}}, "weighs no row"),
        ({"window": {"length": "1d"}}, "an expanding window has no `length`"),
        ({"timezone": "Europe/Berln"}, "Did you mean 'Europe/Berlin'"),
        ({"quiet": [{"from": "22:00"}]}, "to"),
        ({"budget": {"runs_a_week": 0}}, "greater than or equal to 1"),
        ({"retry": {"retries": 21}}, "less than or equal to 20"),
    ],
)
def test_what_is_no_policy_is_refused(declared: dict[str, Any], match: str) -> None:
    """With what is wrong."""
    with pytest.raises(ValidationError, match=match):
        RetrainingSettings.model_validate({"pipeline": "training", "deployment": "d", **declared})


@pytest.mark.parametrize(
    ("declared", "given"),
    [
        ({}, {}),
        ({"kind": "sliding", "length": "30d"}, {"window": {"length": "30d"}}),
        ({"kind": "weighted", "half_life": "1w"}, {"window": {"half_life": "7d"}}),
        ({"kind": "weighted", "half_life": "7d", "length": "90d"}, {"window": {"half_life": "7d", "length": "90d"}}),
    ],
)
def test_the_training_window_is_a_parameter_of_the_pipeline(declared: dict[str, Any], given: dict[str, Any]) -> None:
    """All of the history is none."""
    assert TrainingWindow.model_validate(declared).params == given


def test_the_pipeline_is_given_the_window_of_the_policy(yard: Yard) -> None:
    """What a person gives by hand wins."""
    yard.policy |= {"window": {"kind": "sliding", "length": "30d"}}
    loop = yard.restarted()
    loop.trigger("fraud", "by hand", ME)
    loop.tick()
    loop.trigger("fraud", "by hand", ME, params={"window": {"length": "3d"}})
    loop.tick()
    assert [each["window"] for each in yard.params] == [{"length": "30d"}, {"length": "3d"}]
