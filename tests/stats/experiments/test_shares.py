"""Sample-ratio mismatch: exact in expectation, quiet when all is right, loud when it is not."""

import math

import msgspec
import numpy as np
import pytest
from scipy import stats as scipy_stats

from modelyard.core import InvalidInput
from modelyard.stats.experiments import ShareEvidence, share_evidence


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5])
def test_the_evidence_is_a_ratio_of_likelihoods(share: float) -> None:
    """Beta-binomial with a prior worth 1,000 units against binomial, as scipy has them; expected to be 1."""
    counts = np.arange(201)
    ours = [ShareEvidence().add([1 - share, share], [200 - int(k), int(k)]).value for k in counts]
    mixed = scipy_stats.betabinom.logpmf(counts, 200, 1000 * share, 1000 * (1 - share))
    ratio = np.exp(np.minimum(mixed - scipy_stats.binom.logpmf(counts, 200, share), 700.0))
    assert ours == pytest.approx(ratio, rel=1e-7)
    assert float(np.dot(ours, scipy_stats.binom.pmf(counts, 200, share))) == pytest.approx(1, abs=1e-6)


def test_adding_part_by_part_is_adding_at_once() -> None:
    """Also across a change of shares, and after a journey through JSON."""
    state = ShareEvidence()
    for units in ([5, 6], [70, 61], [0, 3]):
        state = msgspec.json.decode(msgspec.json.encode(state.add([0.5, 0.5], units)), type=ShareEvidence)
    state = state.add([0.9, 0.1], [90, 12])
    whole = ShareEvidence().add([0.5, 0.5], [75, 70])
    other = ShareEvidence().add([0.9, 0.1], [90, 12])
    assert state.log_value == pytest.approx(whole.log_value + other.log_value, abs=1e-9)


def test_right_shares_are_hardly_ever_called_wrong() -> None:
    """At 200 looks of 1,000 assignments of 20,000 units: at most 1 in 1,000 is promised."""
    random = np.random.default_rng(3)
    mistaken = 0
    for _ in range(100):
        state = ShareEvidence()
        for treated in random.binomial(500, 0.2, 40):
            state = state.add([0.8, 0.2], [500 - int(treated), int(treated)])
        mistaken += state.mismatch
    assert mistaken <= 2


def test_lost_units_are_noticed() -> None:
    """4% of the treatment's units lost among 100,000, as when an error page forgets to log."""
    state = share_evidence({"a": 50_000, "b": 48_000}, {"a": 0.5, "b": 0.5})
    assert state.mismatch
    assert state.p_value < 0.001
    assert not share_evidence({"a": 50_000, "b": 49_900}, {"a": 0.5, "b": 0.5}).mismatch
    assert math.isfinite(share_evidence({"a": 10**7, "b": 10}, {"a": 0.5, "b": 0.5}).value)


def test_shares_that_cannot_be_are_refused() -> None:
    """They are positive, and make 1."""
    for shares in ([1.0, 0.0], [0.5, 0.4], [1.0], [0.5, 0.3, 0.2]):
        with pytest.raises(InvalidInput, match="cannot be expected"):
            ShareEvidence().add(shares, [1, 1])
