"""The canary's tests are e-processes: under the null their expectation is at most 1, exactly.

The exact checks add up every outcome there is; the simulations look after every step, as a rollout does.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from modelyard.stats import BadEvent, promotion_evidence, rollback_evidence

RAMP = (0.01, 0.05, 0.25, 0.5)
events = st.lists(st.builds(BadEvent, share=st.floats(0.01, 0.99), canary=st.booleans()), max_size=25)


def chance(share: float, factor: float) -> float:
    """The chance that a bad event is the canary's when it is `factor` times as bad."""
    return share * factor / (share * factor + 1 - share)


def by_product(happened: Sequence[BadEvent], alternatives: Sequence[float], null: float) -> float:
    """The mean of likelihood ratios, multiplied out one event at a time."""
    mixture = []
    for alternative in alternatives:
        product = 1.0
        for each in happened:
            one, other = chance(each.share, alternative), chance(each.share, null)
            product *= one / other if each.canary else (1 - one) / (1 - other)
        mixture.append(product)
    return sum(mixture) / len(mixture)


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
    alternatives = [1.25 * each for each in (1.25, 1.5, 2, 3, 5, 10, 30)]
    assert rollback_evidence(happened) == pytest.approx(by_product(happened, alternatives, 1.25), rel=1e-9)


@given(events, st.integers(0, 30), st.integers(0, 400))
def test_promotion_equals_the_product_formula(happened: list[BadEvent], bad: int, good: int) -> None:
    """Half from the arms of bad events, half from the canary's own count."""
    ratio = by_product(happened, [2 * each for each in (1 / 8, 1 / 4, 1 / 2, 3 / 4)], 2)
    shares = (0, 0.1, 0.25, 0.5, 0.75)
    absolute = sum(each**bad * ((1 - each * 0.01) / 0.99) ** good for each in shares) / len(shares)
    assert promotion_evidence(happened, bad, bad + good) == pytest.approx(ratio / 2 + absolute / 2, rel=1e-9)


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
    evidence = [2 * promotion_evidence([], int(k), 600) - 1 for k in bad]  # without events the other half is 1
    expected = float(np.dot(weights, evidence))
    assert expected == pytest.approx(1, abs=1e-6) if rate == 0.01 else expected < 1


def test_no_data_is_no_evidence() -> None:
    """Neither for taking back nor for trusting."""
    assert rollback_evidence([]) == 1
    assert promotion_evidence([], 0, 0) == 1


def test_zero_failures_earn_trust_after_about_five_hundred_requests() -> None:
    """5.3 / p_ok, as the procedure says: not at 450, at 560 yes."""
    assert promotion_evidence([], 0, 450) < 20
    assert promotion_evidence([], 0, 560) >= 20


def test_thousands_of_events_stay_finite() -> None:
    """Evidence saturates instead of overflowing."""
    flood = [BadEvent(0.5, canary=True)] * 5000
    assert math.isfinite(rollback_evidence(flood))
    assert rollback_evidence(flood) > 1e100
    assert promotion_evidence(flood, 5000, 5000) < 1e-3
    assert math.isfinite(promotion_evidence([], 0, 10**6))


def ramp(live: float, canary: float, random: np.random.Generator, step: int = 20_000) -> list[list[BadEvent]]:
    """The bad events of a ramp 1 → 5 → 25 → 50%, by step, in a random order within it."""
    steps = []
    for share in RAMP:
        arms = np.repeat([True, False], [random.binomial(int(step * share), canary),
                                         random.binomial(int(step * (1 - share)), live)])  # fmt: skip
        steps.append([BadEvent(share, bool(arm)) for arm in random.permutation(arms)])
    return steps


def rolled_back(steps: Sequence[Sequence[BadEvent]], alpha: float, looks: int = 8) -> bool:
    """Whether any of several looks in every step finds evidence enough."""
    seen: list[BadEvent] = []
    for step in steps:
        for part in np.array_split(np.arange(len(step)), looks):
            seen += [step[index] for index in part]
            if rollback_evidence(seen) >= 1 / alpha:
                return True
    return False


def test_a_healthy_canary_is_hardly_ever_taken_back() -> None:
    """No false rollback in 150 ramps of 20,000 requests a step, looked at 32 times each, at alpha .01."""
    random = np.random.default_rng(5)
    assert sum(rolled_back(ramp(0.01, 0.01, random), 0.01) for _ in range(150)) <= 2


def test_at_the_margin_false_rollbacks_stay_below_alpha() -> None:
    """The worst case the null allows, 1.25 times as bad, at alpha .05: within sampling error of at most 5%."""
    random, runs = np.random.default_rng(6), 200
    found = sum(rolled_back(ramp(0.02, 0.025, random, step=5000), 0.05) for _ in range(runs))
    assert found / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_a_canary_five_times_as_bad_is_always_caught() -> None:
    """1% → 5%."""
    random = np.random.default_rng(7)
    assert all(rolled_back(ramp(0.01, 0.05, random), 0.01) for _ in range(60))


def test_a_canary_twice_as_bad_is_nearly_always_caught() -> None:
    """1% → 2% by the end of the ramp."""
    random = np.random.default_rng(8)
    assert sum(rolled_back(ramp(0.01, 0.02, random), 0.01) for _ in range(60)) >= 58


def test_ignoring_the_ramp_would_take_a_healthy_canary_back() -> None:
    """The guard proved: events charged at the first share, as if traffic had not grown, raise false alarms."""
    random = np.random.default_rng(9)
    wrong = [
        [[BadEvent(RAMP[0], each.canary) for each in step] for step in ramp(0.01, 0.01, random)] for _ in range(20)
    ]
    assert sum(rolled_back(steps, 0.01) for steps in wrong) == 20


def promoted(live: float, canary: float, random: np.random.Generator) -> bool:
    """Whether evidence reaches 20 at any look of a ramp of 20,000 requests a step, with at least 500 requests."""
    seen: list[BadEvent] = []
    bad = requests = 0
    for share, step in zip(RAMP, ramp(live, canary, random), strict=True):
        seen += step
        bad += sum(each.canary for each in step)
        requests += int(20_000 * share)
        if requests >= 500 and promotion_evidence(seen, bad, requests) >= 20:
            return True
    return False


def test_a_canary_twice_as_bad_is_hardly_ever_promoted() -> None:
    """At most a few of 200, and by Ville at most 5%."""
    random = np.random.default_rng(10)
    assert sum(promoted(0.01, 0.02, random) for _ in range(200)) <= 10


def test_a_healthy_canary_is_promoted() -> None:
    """At least 94% of ramps."""
    random = np.random.default_rng(11)
    assert sum(promoted(0.01, 0.01, random) for _ in range(100)) >= 94
