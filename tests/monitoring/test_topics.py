"""Drift of what a language model is asked and answers, against a period or the first answers of a version."""

from datetime import datetime
from pathlib import Path

import pytest

from modelyard.core import ManualClock
from modelyard.monitoring import FeatureDrift, MonitorSettings, Period, Window

from .chats import DAY, Chats, drawn, rested


@pytest.fixture
def chats(tmp_path: Path, clock: ManualClock) -> Chats:
    """An empty journal and record store; windows are compared with the first 300 answers of their version."""
    return Chats(tmp_path, clock, MonitorSettings.model_validate({"window": "1d", "reference": {"first": 300}}))


@pytest.fixture
def midnight(clock: ManualClock) -> datetime:
    """The midnight after the clock's noon."""
    return (clock.now() + DAY).replace(hour=0)


def windows(chats: Chats, midnight: datetime, days: int) -> list[Window]:
    """The windows of so many days."""
    chats.clock.set(midnight + days * DAY)
    return chats.monitors().run("help", since=midnight)


def named(window: Window) -> dict[str, FeatureDrift]:
    """Drift by column."""
    return {each.name: each for each in window.features}


def test_unchanged_questions_pass_once_the_reference_has_its_answers(chats: Chats, midnight: datetime) -> None:
    """The day in which the reference still comes tells nothing, and says why; the next one is compared with it."""
    for day in range(3):
        chats.day(midnight + day * DAY, drawn(day, 400))
    first, second, third = windows(chats, midnight, 3)
    assert (first.verdict, first.features) == ("inconclusive", ())
    assert "has not its answers yet" in first.reasons[0]
    for each in (second, third):
        assert each.reference == "first 300 answers"
        assert each.verdict == "pass", each.reasons
        assert set(named(each)) == {
            "asked_characters", "nearest", "output_tokens", *(f"question_{place}" for place in range(1, 9)),
        }  # fmt: skip


def test_longer_questions_and_another_topic_are_told_by_their_columns(chats: Chats, midnight: datetime) -> None:
    """Lengths and the one direction that turned drift; what did not move does not."""
    chats.day(midnight, drawn(1, 400))
    chats.day(midnight + DAY, drawn(2, 400, longer=2.0, turned=0.5))
    _, moved = windows(chats, midnight, 2)
    assert set(moved.drifted) == {"asked_characters", "output_tokens", "question_1"}
    assert moved.verdict == "fail"
    assert moved.drift_score > 0.2
    assert (named(moved)["asked_characters"].shift or 0) > 1


def test_each_version_has_first_answers_of_its_own(chats: Chats, midnight: datetime) -> None:
    """A new prompt that answers at length is compared with itself, not with the one before."""
    chats.day(midnight, drawn(1, 400))
    for place, made in enumerate(drawn(2, 1000, longer=2.0)):
        chats.asked(midnight + DAY + 2 * DAY * place / 1001, made, version="2")
    second, third = windows(chats, midnight, 3)[1:]
    assert second.verdict == "inconclusive"
    assert (third.version, third.verdict) == ("2", "pass"), third.reasons
    assert third.drifted == ()


def test_a_period_is_a_reference_for_every_version(chats: Chats, midnight: datetime) -> None:
    """It is read once and remembered: a restarted monitor finds the same."""
    period = Period.model_validate({"from": midnight.isoformat(), "to": (midnight + DAY).isoformat()})
    chats.settings = MonitorSettings(window=DAY, reference=period)
    chats.day(midnight, drawn(1, 900))
    for place, made in enumerate(drawn(2, 300, longer=2.0)):
        chats.asked(midnight + DAY + DAY * place / 301, made, version="2")
    first, second = windows(chats, midnight, 2)
    assert first.verdict == "pass"
    assert "output_tokens" in second.drifted
    assert chats.monitors().judge("help", midnight + DAY, midnight + 2 * DAY) == second


def test_nothing_declared_is_said(chats: Chats, midnight: datetime) -> None:
    """A bundle of an application knows no training rows to compare with."""
    chats.settings = MonitorSettings(window=DAY)
    chats.day(midnight, [rested() for _ in range(50)])
    (window,) = windows(chats, midnight, 1)
    assert window.reasons == ("no reference for drift is declared: a period, or the first answers of a version",)


def test_unchanged_days_hardly_ever_drift(chats: Chats, midnight: datetime) -> None:
    """Twelve days of eleven columns each: at most one false alarm, where 1% of the days may have one."""
    chats.day(midnight, drawn(100, 320))
    for day in range(1, 13):
        chats.day(midnight + day * DAY, drawn(100 + day, 120))
    found = windows(chats, midnight, 13)[1:]
    assert len(found) == 12
    assert sum(bool(each.drifted) for each in found) <= 1
