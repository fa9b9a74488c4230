"""Assignment is stable, follows the weights, and moves only new keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from modelyard.core import Digest
from modelyard.routing import Arm, InvalidRoute, Route, assign, check_route, shadows

DIGEST = Digest("0" * 64)


def route(*weights: float, salt: str = "s") -> Route:
    """A route whose other arms have these weights, live taking the rest."""
    others = [Arm(f"arm{index}", "arm", "2", DIGEST, weight) for index, weight in enumerate(weights)]
    return Route("d", "m", 1, (Arm("live", "live", "1", DIGEST, 1 - sum(weights)), *others), salt)


def test_shares_follow_the_weights() -> None:
    """A chi-square over 100,000 keys finds nothing to object to."""
    spread = route(0.05, 0.25)
    names = [assign(spread, str(key)).name for key in range(100_000)]
    seen = [names.count(name) for name in ("arm0", "arm1", "live")]
    assert chisquare(seen, [5_000, 25_000, 70_000]).pvalue > 0.001


def test_a_growing_canary_keeps_its_keys() -> None:
    """From 5 to 25 percent only keys of the live arm move."""
    keys = [str(key) for key in range(20_000)]
    before = {key for key in keys if assign(route(0.05), key).name == "arm0"}
    after = {key for key in keys if assign(route(0.25), key).name == "arm0"}
    assert before < after


@given(st.text(), st.floats(0, 1))
def test_the_same_key_gets_the_same_arm(key: str, weight: float) -> None:
    """Asked twice; at the ends of the weights there is no choice."""
    assert assign(route(weight), key) == assign(route(weight), key)
    assert assign(route(0.0), key).name == "live"
    assert assign(route(1.0), key).name == "arm0"


def test_salts_are_independent() -> None:
    """Two deployments do not try their canaries on the same callers."""
    keys = [str(key) for key in range(20_000)]
    both = sum(assign(route(0.5, salt="a"), k).name == assign(route(0.5, salt="b"), k).name for k in keys)
    assert 0.48 < both / len(keys) < 0.52


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
