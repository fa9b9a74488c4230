"""How much better one model is than another on the same rows, with an interval that keeps its promise."""

import numpy as np
import pytest

from modelyard.stats import PAIRED, auc, paired_difference


def rows(count: int, seed: int, *, better: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and the scores of two models that share most of their mistakes; the first may see a little more."""
    random = np.random.default_rng(seed)
    labels = (random.random(count) < 0.3).astype(float)
    shared = labels + random.normal(0, 1.5, count)
    scores = [shared + better * labels + random.normal(0, 0.7, count), shared + random.normal(0, 0.7, count)]
    one, other = (1 / (1 + np.exp(-each)) for each in scores)
    return one, other, labels


@pytest.mark.parametrize("metric", PAIRED)
def test_the_interval_is_that_of_the_bootstrap_of_rows(metric: str) -> None:
    """Drawn anew 2,000 times: the ends are the percentiles, up to the noise of drawing."""
    one, other, labels = rows(1500, 3, better=0.2)
    found = paired_difference(metric, one, other, labels)
    assert found is not None
    random, drawn = np.random.default_rng(0), []
    for _ in range(2000):
        at = random.integers(0, 1500, 1500)
        again = paired_difference(metric, one[at], other[at], labels[at])
        assert again is not None
        drawn.append(again.difference)
    low, high = np.quantile(drawn, [0.025, 0.975])
    width = found.upper - found.lower
    assert found.lower == pytest.approx(low, abs=0.1 * width)
    assert found.upper == pytest.approx(high, abs=0.1 * width)


@pytest.mark.parametrize("metric", PAIRED)
def test_models_that_are_equally_good_are_told_apart_as_rarely_as_promised(metric: str) -> None:
    """Of 400 pairs the interval leaves zero out for about one in twenty: false alarms, either way."""
    outside = 0
    for seed in range(400):
        found = paired_difference(metric, *rows(400, seed))
        assert found is not None
        outside += not found.lower <= 0 <= found.upper
    assert 6 <= outside <= 36  # binomial(400, .05): all but 3 in 10,000


def test_pairing_knows_what_two_values_alone_do_not() -> None:
    """The interval is far narrower than the two intervals of the values would make it."""
    one, other, labels = rows(2000, 0, better=0.15)
    found = paired_difference("auc", one, other, labels)
    assert found is not None
    assert found.lower > 0
    alone = 1.96 * np.sqrt(2) * 0.0131  # the standard error of each AUC alone, by Hanley and McNeil
    assert found.upper - found.lower < alone


def test_values_are_those_of_the_metrics() -> None:
    """And the difference is positive for what is better, of losses too."""
    one, other, labels = rows(3000, 1, better=0.5)
    for metric in PAIRED:
        found = paired_difference(metric, one, other, labels)
        assert found is not None
        assert found.difference > 0
        sign = -1 if metric in ("brier", "log_loss") else 1
        assert found.difference == pytest.approx(sign * (found.candidate - found.champion))
    found = paired_difference("auc", one, other, labels)
    assert found is not None
    assert (found.candidate, found.champion) == (auc(one, labels), auc(other, labels))


def test_a_model_against_itself_is_no_better_for_sure() -> None:
    """No difference, and nothing about it is left to chance."""
    one, _, labels = rows(100, 0)
    for metric in PAIRED:
        found = paired_difference(metric, one, one, labels)
        assert found is not None
        assert (found.difference, found.lower, found.upper) == (0, 0, 0)


def test_too_few_rows_tell_nothing_and_nonsense_is_refused() -> None:
    """One row; of an area one row of a class; a metric that has no interval; NaN."""
    assert paired_difference("brier", [0.1], [0.2], [0]) is None
    assert paired_difference("auc", [0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0, 0, 1]) is None
    with pytest.raises(ValueError, match="f1 is none of"):
        paired_difference("f1", [0.1], [0.2], [0])
    with pytest.raises(ValueError, match="must be numbers"):
        paired_difference("auc", [0.1, np.nan], [0.1, 0.2], [0, 1])
