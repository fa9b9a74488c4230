"""The strategy rolling: servers take a version one after the other, and the first that fails ends it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.rollout.yard import ME, Yard

from modelyard.bundling import BuiltBundle
from modelyard.core import InvalidInput, ManualClock
from modelyard.rollout import Asked, NotEnoughEvidence, RolloutEvent
from modelyard.routing import Route

HOUR = timedelta(hours=1)
NAMES = ("s1", "s2", "s3")


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Yard:
    """Version 1 live at three servers, version 2 rolling."""
    yard = Yard(tmp_path, clock, built)
    for _ in range(2):
        yard.version()
    yard.rollouts.start("d", 1, ME)
    beating(yard)
    yard.rollouts.start("d", 2, ME, strategy="rolling")
    return yard


def beating(yard: Yard, **how: Any) -> None:
    """Let all servers say how they are; `how` of the first."""
    for name in NAMES:
        yard.beat(name, **(how if name == NAMES[0] else {}))


def route_of(yard: Yard) -> Route:
    """The newest route."""
    route = yard.rollouts.route("d")
    assert route is not None
    return route


def have(yard: Yard) -> list[str]:
    """The servers that answer with version 2."""
    route = route_of(yard)
    routes = {name: route.at(name) for name in NAMES}
    return [name for name, each in routes.items() if any(arm.version == "2" and arm.weight == 1 for arm in each.arms)]


def later(yard: Yard, clock: ManualClock) -> list[RolloutEvent]:
    """What is decided after an hour in which all servers beat."""
    beating(yard)
    clock.advance(HOUR)
    return yard.rollouts.tick()


def test_servers_take_it_one_after_the_other_and_then_it_is_live(yard: Yard, clock: ManualClock) -> None:
    """Each after the time of a step, the first after live was watched so long; the others do not even load it."""
    assert have(yard) == []
    assert [arm.name for arm in route_of(yard).at("s1").arms] == ["live"]
    assert yard.rollouts.tick() == []
    details = []
    for taken in (["s1"], ["s1", "s2"], ["s1", "s2", "s3"]):
        (event,) = later(yard, clock)
        details.append(event.detail)
        assert have(yard) == taken
        assert sum(arm.weight for arm in route_of(yard).at("s1").arms) == 1
        beating(yard)
        assert yard.rollouts.tick() == []
    assert details[0] == "s1 takes v2, as number 1 of 3"
    (event,) = later(yard, clock)
    assert (event.kind, event.detail) == ("promoted", "v2 is live: 3 servers have taken it, one after the other")
    assert route_of(yard).at("s1") == route_of(yard)
    assert yard.registry.aliases("fraud") == {"production": 2}


def test_a_server_that_cannot_load_it_takes_it_back_everywhere(yard: Yard, clock: ManualClock) -> None:
    """The others never hear of it."""
    later(yard, clock)
    beating(yard, refused="the golden rows differ")
    (event,) = yard.rollouts.tick()
    assert (event.kind, "the golden rows differ" in event.detail) == ("rolled_back", True)
    assert have(yard) == []
    assert yard.live() == "1"


def test_a_server_that_is_lost_takes_it_back(yard: Yard, clock: ManualClock) -> None:
    """It had beaten, and does so no more."""
    later(yard, clock)
    beating(yard)
    yard.rollouts.tick()
    beating(yard, ago_s=100.0)
    clock.advance(timedelta(minutes=1))
    (event,) = yard.rollouts.tick()
    assert (event.kind, "server s1" in event.detail) == ("rolled_back", True)


def test_a_server_that_is_slow_to_load_it_holds_up_the_next(yard: Yard, clock: ManualClock) -> None:
    """And an operator's promote is refused."""
    later(yard, clock)
    beating(yard, follows=False)
    clock.advance(HOUR)
    assert yard.rollouts.tick() == []
    state = yard.rollouts.state("d")
    assert state is not None
    assert state.missing == ("s1 to load it",)
    with pytest.raises(NotEnoughEvidence, match="3 servers to take it"):
        yard.rollouts.promote("d", ME)


def answer(yard: Yard, arm: str, requests: int, bad: int) -> None:
    """What one server's requests left; live answers what the candidate fails."""
    records, first = [], 1 + yard.log.predictions("d", columns=("prediction_id",)).num_rows
    for number in range(first, first + requests):
        failed = number < first + bad
        records.append(yard.record(arm, number=number, error="model" if failed else None))
        if failed and arm != "live":
            records.append(yard.record("live", number=number))
    yard.journal.append(records)


def test_failures_take_it_back_whatever_share_of_the_traffic_a_server_has(yard: Yard, clock: ManualClock) -> None:
    """Six times as many requests come to the first server as its share; as bad as live it stays, far worse it goes."""
    answer(yard, "live", 300, 15)
    later(yard, clock)
    answer(yard, "rolling", 2_000, 100)
    answer(yard, "live", 100, 5)
    beating(yard)
    assert yard.rollouts.tick() == []
    state = yard.rollouts.state("d")
    assert state is not None
    assert state.evidence == {"canary_requests": 2_000, "canary_bad": 100, "live_requests": 400, "live_bad": 20}
    answer(yard, "rolling", 2_000, 800)
    (event,) = yard.rollouts.tick()
    assert (event.kind, event.detail) == ("rolled_back", "900 bad of 4000 answers against 20 of 400 live")


def test_what_it_has_no_use_for_is_refused(yard: Yard) -> None:
    """A number of requests, steps."""
    yard.rollouts.abort("d", ME, "another")
    start: Callable[..., Any] = yard.rollouts.start
    for asked, option in (
        (Asked("rolling", min_requests=5), "--min-requests"),
        (Asked("rolling", steps=(100,)), "--steps"),
    ):
        with pytest.raises(InvalidInput, match=f"{option} means nothing"):
            start("d", 2, ME, asked=asked)
