"""How alerts move: against an oracle that looks at the whole past each time, as the words of the definition say."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.monitoring.alerts.machine import IDLE, Reading, step
from modelyard.monitoring.alerts.records import Standing

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Past = Sequence[tuple[datetime, Reading]]

readings = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["broken", "broken", "calm", "nothing"])), min_size=1, max_size=30
)


def past_of(steps: Sequence[tuple[int, Reading]]) -> list[tuple[datetime, Reading]]:
    """Evaluations at irregular minutes."""
    at, past = START, list[tuple[datetime, Reading]]()
    for minutes, reading in steps:
        at += minutes * MINUTE
        past.append((at, reading))
    return past


def run_of(past: Past, end: int, wanted: Reading) -> timedelta | None:
    """How long everything up to evaluation `end` has been `wanted`; None when it is not."""
    begin = end
    while begin >= 0 and past[begin][1] == wanted:
        begin -= 1
    return None if begin == end else past[end][0] - past[begin + 1][0]


def oracle(past: Past, hold: timedelta, keep: timedelta) -> list[bool]:
    """Whether it fires after each evaluation: since some evaluation that ended a long enough run of broken ones, there
    was none that ended a long enough run of calm ones. Calm before it fired counts for nothing.
    """
    found = []
    for now in range(len(past)):
        fires = False
        for end in range(now + 1):
            broken, calm = run_of(past[: end + 1], end, "broken"), run_of(past[: end + 1], end, "calm")
            if broken is not None and broken >= hold:
                fires = True
            elif calm is not None and calm >= keep:
                fires = False
        found.append(fires)
    return found


@settings(max_examples=150, deadline=None)
@given(readings, st.integers(0, 6), st.integers(0, 6))
def test_it_fires_exactly_when_the_whole_past_says_so(steps: list[tuple[int, Reading]], hold: int, keep: int) -> None:
    """Random evaluations, gaps and durations; each evaluation is made twice, as after a crash."""
    past, standing, fires = past_of(steps), IDLE, []
    for at, reading in past:
        standing = step(standing, reading, at, hold=hold * MINUTE, keep=keep * MINUTE)
        again = step(standing, reading, at, hold=hold * MINUTE, keep=keep * MINUTE)
        assert again == standing
        fires.append(standing.fired_at is not None)
    assert fires == oracle(past, hold * MINUTE, keep * MINUTE)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None)
@given(readings, st.integers(0, 6), st.integers(0, 6))
def test_ten_thousand_pasts(steps: list[tuple[int, Reading]], hold: int, keep: int) -> None:
    """The same, at length."""
    past, standing = past_of(steps), IDLE
    for (at, reading), fires in zip(past, oracle(past, hold * MINUTE, keep * MINUTE), strict=True):
        standing = step(standing, reading, at, hold=hold * MINUTE, keep=keep * MINUTE)
        assert (standing.fired_at is not None) is fires


def test_without_data_nothing_resolves_and_nothing_pends() -> None:
    """Firing goes on, and says since when nobody knows; pending is forgotten."""
    firing = step(IDLE, "broken", START)
    silent = step(firing, "nothing", START + MINUTE)
    assert silent == Standing(START, START, None, START + MINUTE)
    assert step(silent, "nothing", START + 2 * MINUTE) == silent
    assert step(silent, "broken", START + 3 * MINUTE) == firing
    pending = step(IDLE, "broken", START, hold=MINUTE)
    assert (pending.state, step(pending, "nothing", START + MINUTE, hold=MINUTE)) == ("pending", IDLE)


def test_a_gap_begins_the_calm_anew() -> None:
    """Three calm minutes must be seen, not believed."""
    standing = step(IDLE, "broken", START)
    for minute, reading in enumerate(("calm", "calm", "nothing", "calm", "calm", "calm"), 1):
        standing = step(standing, reading, START + minute * MINUTE, keep=3 * MINUTE)  # type: ignore[arg-type]  # a tuple of literals
        assert standing.state == "firing"
    assert step(standing, "calm", START + 7 * MINUTE, keep=3 * MINUTE) == IDLE
