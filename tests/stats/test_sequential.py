"""The canary's tests are e-processes: under the null their expectation is at most 1, exactly.

These checks add up every outcome there is. What follows for rollouts is simulated in tests/rollout/test_simulation.py.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from modelyard.core import InvalidInput
from modelyard.stats import BadEvent, PromotionEvidence, RollbackEvidence, promotion_evidence, rollback_evidence
from modelyard.stats.sequential import (
    PROMOTION_RATIO_WEIGHTS,
    PROMOTION_REST,
    PROMOTION_SHARE_WEIGHTS,
    ROLLBACK_WEIGHTS,
)

events = st.lists(st.builds(BadEvent, share=st.floats(0.01, 0.99), canary=st.booleans()), max_size=25)


def chance(share: float, factor: float) -> float:
    """The chance that a bad event is the canary's when it is `factor` times as bad."""
    return share * factor / (share * factor + 1 - share)


def by_product(happened: Sequence[BadEvent], alternatives: Mapping[float, float], null: float) -> float:
    """The sum of likelihood ratios by weight, multiplied out one event at a time."""
    mixture = []
    for alternative, weight in alternatives.items():
        product = weight
        for each in happened:
            one, other = chance(each.share, alternative), chance(each.share, null)
            product *= one / other if each.canary else (1 - one) / (1 - other)
        mixture.append(product)
    return sum(mixture)


def expectation_of_rollback(shares: Sequence[float], factor: float) -> float:
    """The exact expectation of the rollback evidence, over every way the bad events can fall on the two arms."""
    total = 0.0
    for arms in itertools.product([True, False], repeat=len(shares)):
        likely = math.prod(
            chance(share, factor) if arm else 1 - chance(share, factor) for share, arm in zip(shares, arms, strict=True)
        )
        total += likely * rollback_evidence([BadEvent(*each) for each in zip(shares, arms, strict=True)])
    return total


@given(events)
def test_rollback_equals_the_product_formula(happened: list[BadEvent]) -> None:
    """Log space and vectors change nothing but the speed."""
    weights = {1.25: 0.25, 1.5: 0.25, 2: 0.15, 3: 0.1, 5: 0.1, 10: 0.1, 30: 0.05}
    alternatives = {1.25 * each: weight for each, weight in weights.items()}
    assert rollback_evidence(happened) == pytest.approx(by_product(happened, alternatives, 1.25), rel=1e-9)


@given(events, st.integers(0, 30), st.integers(0, 400))
def test_promotion_equals_the_product_formula(happened: list[BadEvent], bad: int, good: int) -> None:
    """A fifth from the arms of bad events, a fifth from the canary's own count, and the rest stays."""
    ratio = by_product(happened, {1 / 4: 0.01, 1 / 2: 0.04, 1: 0.1, 3 / 2: 0.05}, 2)
    shares = {0.0: 0.1, 0.1: 0.02, 0.25: 0.03, 0.5: 0.04, 0.75: 0.01}
    absolute = sum(weight * each**bad * ((1 - each * 0.01) / 0.99) ** good for each, weight in shares.items())
    assert promotion_evidence(happened, bad, bad + good) == pytest.approx(0.6 + ratio + absolute, rel=1e-9)


def test_the_weights_of_each_mixture_are_one_whole() -> None:
    """Otherwise the expectation under the null would not be 1."""
    assert sum(ROLLBACK_WEIGHTS) == pytest.approx(1)
    assert sum((*PROMOTION_RATIO_WEIGHTS, *PROMOTION_SHARE_WEIGHTS, PROMOTION_REST)) == pytest.approx(1)


def test_an_unacceptable_canary_is_promoted_less_than_once_in_forty() -> None:
    """What moves is two fifths, and it has to become 19.4: by Ville's inequality, whenever one looks."""
    assert (1 - PROMOTION_REST) / (20 - PROMOTION_REST) < 1 / 40


def test_rollback_expects_exactly_one_at_the_margin_and_less_below() -> None:
    """Over all 1,024 outcomes of ten bad events along a ramp: Ville's inequality then bounds false rollbacks."""
    shares = [0.01, 0.01, 0.05, 0.05, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5]
    assert expectation_of_rollback(shares, 1.25) == pytest.approx(1, abs=1e-9)
    assert expectation_of_rollback(shares, 1.0) < 1
    assert expectation_of_rollback(shares, 2.0) > 1


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05])
def test_promotion_by_count_expects_at_most_one_for_an_unacceptable_canary(rate: float) -> None:
    """Summed over every number of bad answers among 600; exactly 1 at the boundary."""
    bad = np.arange(601)
    weights = scipy_stats.binom.pmf(bad, 600, rate)
    evidence = [(promotion_evidence([], int(k), 600) - 0.8) / 0.2 for k in bad]  # without events the rest is 0.8
    expected = float(np.dot(weights, evidence))
    assert expected == pytest.approx(1, abs=1e-6) if rate == 0.01 else expected < 1


def test_no_data_is_no_evidence() -> None:
    """Neither for taking back nor for trusting."""
    assert rollback_evidence([]) == 1
    assert promotion_evidence([], 0, 0) == pytest.approx(1)


def test_zero_failures_earn_trust_after_about_five_hundred_requests() -> None:
    """5.3 / p_ok, as the procedure says: not at 450, at 560 yes."""
    assert promotion_evidence([], 0, 450) < 20
    assert promotion_evidence([], 0, 560) >= 20


def test_thousands_of_events_stay_finite() -> None:
    """Evidence saturates instead of overflowing."""
    flood = [BadEvent(0.5, canary=True)] * 5000
    assert math.isfinite(rollback_evidence(flood))
    assert rollback_evidence(flood) > 1e100
    assert promotion_evidence(flood, 5000, 5000) == pytest.approx(0.6, abs=1e-3)
    assert math.isfinite(promotion_evidence([], 0, 10**6))


def test_a_state_fed_look_by_look_is_the_whole() -> None:
    """Whatever the order and the journeys through JSON between: it grows with the ratios, not with the events."""
    random = np.random.default_rng(3)
    happened = [BadEvent(float(random.choice([0.01, 0.25])), bool(random.random() < 0.3)) for _ in range(60)]
    rollback, promotion = RollbackEvidence(), PromotionEvidence()
    sizes = set()
    for each in happened:
        rollback = rollback.add(each.share, canary=int(each.canary), live=int(not each.canary))
        promotion = promotion.add(each.share, requests=20, bad=int(each.canary), live_bad=int(not each.canary))
        rollback = msgspec.json.decode(msgspec.json.encode(rollback), type=RollbackEvidence)
        promotion = msgspec.json.decode(msgspec.json.encode(promotion), type=PromotionEvidence)
        sizes.add(len(rollback.logs))
    assert rollback.value == pytest.approx(rollback_evidence(happened), rel=1e-9)
    bad = sum(each.canary for each in happened)
    assert promotion.value == pytest.approx(promotion_evidence(happened, bad, 1_200), rel=1e-9)
    assert sizes == {7}
    assert (rollback.canary_bad, rollback.live_bad, promotion.requests) == (bad, 60 - bad, 1_200)


def test_the_p_value_remembers_the_greatest_evidence() -> None:
    """Evidence may fall again; what was reached once was reached."""
    state = RollbackEvidence().add(0.1, canary=5)
    highest = state.value
    fallen = state.add(0.1, live=500)
    assert fallen.value < highest
    assert fallen.p_value == pytest.approx(1 / highest)
    assert RollbackEvidence().p_value == 1


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan"), -0.1])
def test_an_event_of_one_arm_alone_is_refused(share: float) -> None:
    """It says nothing about the other; requests of a canary that has all the traffic still count."""
    with pytest.raises(InvalidInput, match="says nothing"):
        RollbackEvidence().add(share, canary=1)
    counted = PromotionEvidence().add(1.0, requests=100, bad=3, live_bad=7)
    assert (counted.logs, counted.requests, counted.bad) == ((0.0,) * 4, 100, 3)


@pytest.mark.parametrize(("bad", "live"), [(0.0, 0.0), (0.0, 0.01), (0.01, 0.01), (0.012, 0.01)])
def test_the_forecast_is_where_the_evidence_is_enough(bad: float, live: float) -> None:
    """So many more requests at these rates reach 20; a tenth fewer do not."""
    state = PromotionEvidence().add(0.05, requests=200, bad=1, live_bad=38)
    more = state.requests_to(20, share=0.25, bad_rate=bad, live_rate=live)
    assert more is not None
    for factor, enough in ((1.1, True), (0.9, False)):
        requests = round(more * factor)
        then = state.add(0.25, requests=requests, bad=int(requests * bad), live_bad=int(requests * 3 * live))
        assert (then.value >= 20) is enough


def test_a_canary_that_is_no_good_is_forecast_nothing() -> None:
    """Twice as bad, and beyond what is acceptable: no number of requests. With evidence enough: none more."""
    state = PromotionEvidence().add(0.25, requests=1_000, bad=25, live_bad=36)
    assert state.requests_to(20, share=0.25, bad_rate=0.025, live_rate=0.012) is None
    assert PromotionEvidence(requests=600).requests_to(20, share=0.5, bad_rate=0, live_rate=0) == 0
