"""Assignment is stable, follows the weights, and moves only new keys."""

from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, chisquare

from modelyard.core import Digest
from modelyard.routing import (
    Arm,
    InvalidRoute,
    Route,
    assign,
    assignment_key,
    check_route,
    intervals,
    place_of,
    shadows,
)
from modelyard.routing.assign import _hash_key

DIGEST = Digest("0" * 64)


def route(*weights: float, salt: str = "s") -> Route:
    """A route whose other arms have these weights, live taking the rest."""
    others = [Arm(f"arm{index}", "arm", "2", DIGEST, weight) for index, weight in enumerate(weights)]
    return Route("d", "m", 1, (Arm("live", "live", "1", DIGEST, 1 - sum(weights)), *others), salt)


def two(canary: float, test: float, salt: str = "s") -> Route:
    """A route with a canary and the arm of a test."""
    arms = (
        Arm("live", "live", "1", DIGEST, 1 - canary - test),
        Arm("canary", "canary", "2", DIGEST, canary),
        Arm("test", "arm", "3", DIGEST, test),
    )
    return Route("d", "m", 1, arms, salt)


@pytest.fixture(scope="module")
def places() -> NDArray[np.float64]:
    """Where a million ids fall: `place_of`, for so many at once."""
    key = _hash_key("s")
    digests = (blake2b(b"customer-%d" % number, digest_size=8, key=key).digest() for number in range(1_000_000))
    whole: NDArray[np.uint64] = np.frombuffer(b"".join(digests), ">u8") >> np.uint64(11)
    return whole.astype(np.float64) / float(1 << 53)


def test_a_million_places_are_those_of_the_ids(places: NDArray[np.float64]) -> None:
    """Looked at one by one for some of them."""
    some = route(0.5)
    assert [place_of(some, f"customer-{number}") for number in range(2_000)] == places[:2_000].tolist()


def on(arm: str, some: Route, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each id is on an arm."""
    (bounds,) = [(lower, upper) for each, lower, upper in intervals(some) if each.name == arm]
    mine: NDArray[np.bool_] = (places >= bounds[0]) & (places < bounds[1])
    return mine


def test_intervals_are_what_arms_are_assigned_by(places: NDArray[np.float64]) -> None:
    """So that what holds of the one, a million times over, holds of the other."""
    some = two(0.05, 0.25)
    names = {name: on(name, some, places[:5_000]) for name in ("canary", "test")}
    for number in range(5_000):
        told = assign(some, f"customer-{number}").name
        assert told == next((name for name, mine in names.items() if mine[number]), "live")


@pytest.mark.parametrize("weights", [(0.01, 0.0), (0.05, 0.25), (0.5, 0.5), (0.001, 0.2)])
def test_shares_follow_the_weights(weights: tuple[float, float], places: NDArray[np.float64]) -> None:
    """A chi-square over a million ids finds nothing to object to."""
    some = two(*weights)
    seen = [int(on(name, some, places).sum()) for name in ("canary", "test")]
    shares = [*weights, 1 - sum(weights)]
    counts = [*seen, len(places) - sum(seen)]
    pairs = [(count, share * len(places)) for count, share in zip(counts, shares, strict=True) if share > 1e-12]
    assert sum(count for count, _ in pairs) == len(places)
    assert chisquare([count for count, _ in pairs], [wanted for _, wanted in pairs]).pvalue > 0.001


def test_places_are_even_at_every_scale(places: NDArray[np.float64]) -> None:
    """In a thousand equal parts, and in a thousand parts of the first hundredth, where canaries begin."""
    assert chisquare(np.bincount((places * 1000).astype(int), minlength=1000)).pvalue > 0.001
    first = places[places < 0.01]
    assert chisquare(np.bincount((first * 100_000).astype(int), minlength=1000)).pvalue > 0.001


def test_a_growing_canary_moves_only_new_entities(places: NDArray[np.float64]) -> None:
    """From 5 to 25 percent: none of a million leaves it, and none of the test beside it moves."""
    before, after = two(0.05, 0.1), two(0.25, 0.1)
    assert not (on("canary", before, places) & ~on("canary", after, places)).any()
    assert (on("test", before, places) == on("test", after, places)).all()
    grown = int(on("canary", after, places).sum() - on("canary", before, places).sum())
    assert abs(grown - 200_000) < 4 * np.sqrt(1_000_000 * 0.2 * 0.8)


GROWING = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8)


@given(GROWING, st.lists(st.text(max_size=8), min_size=1, max_size=20))
def test_nobody_goes_back_while_weights_grow(growth: list[tuple[int, int]], keys: list[str]) -> None:
    """Whatever the steps of a canary and of a test beside it."""
    canary = test = 0
    arms = dict.fromkeys(keys, "live")
    for more, others in growth:
        canary, test = min(canary + more, 100 - test), min(test + others, 100 - min(canary + more, 100 - test))
        some = check_route(two(canary / 100, test / 100))
        for key in keys:
            now = assign(some, key).name
            assert arms[key] in ("live", now)
            arms[key] = now


@given(st.lists(st.integers(0, 100), max_size=5), st.data())
def test_any_steps_in_percent_make_a_route_that_sums_to_all(percents: list[int], data: st.DataObject) -> None:
    """The weights of those that answer sum to 1, and their intervals neither overlap nor leave [0, 1)."""
    shares = [percent for at, percent in enumerate(percents) if sum(percents[: at + 1]) <= 100]
    roles = [data.draw(st.sampled_from(["canary", "arm"])) for _ in shares]
    others = [
        Arm(f"a{at}", "canary" if role == "canary" else "arm", "2", DIGEST, share / 100)
        for at, (role, share) in enumerate(zip(roles, shares, strict=True))
    ]
    left = Arm("live", "live", "1", DIGEST, (100 - sum(shares)) / 100)
    some = check_route(Route("d", "m", 1, (left, *others), "s"))
    assert sum(arm.weight for arm in some.arms) == pytest.approx(1)
    edges = sorted((lower, upper) for _, lower, upper in intervals(some))
    assert all(0 - 1e-9 <= lower <= upper <= 1 + 1e-9 for lower, upper in edges)
    assert all(upper <= lower + 1e-9 for (_, upper), (lower, _) in pairwise(edges))
    assert sum(upper - lower for lower, upper in edges) == pytest.approx(sum(shares) / 100)


def test_entities_stay_or_every_request_is_assigned_for_itself() -> None:
    """With `assign: request` an entity meets both arms, each prediction for itself."""
    sticky = route(0.5)
    each = Route("d", "m", 1, sticky.arms, "s", assign="request")
    keys = [f"p{number}" for number in range(200)]
    assert len({assign(sticky, assignment_key(sticky, "anna", key)).name for key in keys}) == 1
    met = [assign(each, assignment_key(each, "anna", key)).name for key in keys]
    assert 70 < met.count("arm0") < 130
    assert met == [assign(sticky, assignment_key(sticky, None, key)).name for key in keys]


@given(st.text(), st.floats(0, 1))
def test_the_same_key_gets_the_same_arm(key: str, weight: float) -> None:
    """Asked twice; at the ends of the weights there is no choice."""
    assert assign(route(weight), key) == assign(route(weight), key)
    assert assign(route(0.0), key).name == "live"
    assert assign(route(1.0), key).name == "arm0"


@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_salts_are_independent(weight: float) -> None:
    """Two deployments do not try their canaries on the same callers: a test of independence over 50,000 of them."""
    keys = [str(key) for key in range(50_000)]
    one, other = (
        np.array([place_of(route(weight, salt=salt), key) for key in keys]) < weight for salt in ("flights", "fraud")
    )
    table = [[int((first & second).sum()) for second in (other, ~other)] for first in (one, ~one)]
    assert chi2_contingency(table).pvalue > 0.001


def test_shadows_are_chosen_apart_from_the_answer() -> None:
    """A shadow of everything gets everything; of half, half."""
    whole, half = Arm("w", "shadow", "3", DIGEST, 1.0), Arm("h", "shadow", "3", DIGEST, 0.5)
    watched = Route("d", "m", 1, (Arm("live", "live", "1", DIGEST, 1.0), whole, half), "s")
    chosen = [shadows(watched, str(key)) for key in range(4000)]
    assert all(whole in each for each in chosen)
    assert 0.46 < sum(half in each for each in chosen) / 4000 < 0.54
    assert {assign(watched, str(key)).name for key in range(100)} == {"live"}


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ((), "0 live arms"),
        ((Arm("a", "live", "1", DIGEST, 0.5), Arm("a", "canary", "2", DIGEST, 0.5)), "used twice: a"),
        ((Arm("a", "live", "1", DIGEST, 0.5),), "sum to 0.5"),
        ((Arm("a", "live", "1", DIGEST, 1.5), Arm("b", "canary", "2", DIGEST, -0.5)), "weight -0.5"),
    ],
)
def test_arms_that_do_not_add_up_are_refused(arms: tuple[Arm, ...], message: str) -> None:
    """With everything that is wrong."""
    with pytest.raises(InvalidRoute, match=message):
        check_route(Route("d", "m", 1, arms, "s"))
