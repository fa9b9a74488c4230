"""Intervals are those of independent sources, and hold the truth as often as they say."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from modelyard.stats import (
    auc,
    auc_interval,
    average_precision_interval,
    binary_intervals,
    binary_metrics,
    confusion_counts,
    confusion_intervals,
    f1_interval,
    mean_interval,
    multiclass_intervals,
    multiclass_metrics,
    probability_metrics,
    r2_interval,
    regression_intervals,
    regression_metrics,
    share_difference,
    wilson,
)
from modelyard.stats.intervals import Ends


def ends(found: Ends | None) -> Ends:
    """An interval that must be there."""
    assert found is not None
    return found


@pytest.mark.parametrize(("hits", "total"), [(0, 5), (5, 5), (3, 7), (50, 1000), (1, 1)])
def test_wilson_is_scipys(hits: int, total: int) -> None:
    """At both ends of the scale, too; and nothing is said of no rows."""
    theirs = binomtest(hits, total).proportion_ci(method="wilson")
    assert ends(wilson(hits, total)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert wilson(0, 0) is None


def test_an_auc_has_delongs_variance() -> None:
    """As the textbook has it, pair by pair; on the scale of log odds, so that it stays below 1."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 25])
    scores = np.round(random.normal(labels * 1.2, 1.0), 1)  # with ties
    won = np.array([[float(p > n) + 0.5 * float(p == n) for n in scores[labels == 0]] for p in scores[labels == 1]])
    deviation = np.sqrt(won.mean(axis=1).var(ddof=1) / 25 + won.mean(axis=0).var(ddof=1) / 40)
    area = auc(scores, labels)
    assert area == pytest.approx(won.mean())
    half = norm.ppf(0.975) * deviation / (won.mean() * (1 - won.mean()))
    middle = np.log(won.mean() / (1 - won.mean()))
    expected = tuple(1 / (1 + np.exp(-(middle + sign * half))) for sign in (-1, 1))
    assert ends(auc_interval(scores, labels, won.mean())) == pytest.approx(expected)


def test_what_cannot_be_told_is_not_told() -> None:
    """One row of a class, a perfect order, one value: there is no error to see."""
    assert auc_interval([0.1, 0.9], [0, 1], 1.0) is None
    assert auc_interval([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0) is None
    assert mean_interval([3.0]) is None
    assert average_precision_interval(1.0, 10) is None
    assert r2_interval([1, 2, 3], [1, 1, 1]) is None
    assert f1_interval(0, 0, 0) is None
    assert confusion_intervals(np.zeros((2, 2), dtype=np.int64)) == {}
    assert confusion_intervals(np.ones((101, 101), dtype=np.int64)) == {}


def test_an_f1_lies_inside_its_interval_and_moves_with_it() -> None:
    """Of the share of hits among hits, false alarms and misses."""
    low, high = ends(f1_interval(40, 10, 20))
    assert low < 80 / 110 < high
    assert ends(f1_interval(4000, 1000, 2000))[0] > low


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 400 samples of 300 rows, about 95 in 100 intervals hold the metric of the population."""
    random = np.random.default_rng(1)
    labels = random.random(400_000) < 0.3
    scores = 1 / (1 + np.exp(-random.normal(labels * 1.5 - 1, 1.2)))
    truth = binary_metrics(scores, labels)
    said = scores > 0.5
    truth["f1"] = 2 * float((said & labels).sum()) / float(said.sum() + labels.sum())
    held = dict.fromkeys(truth, 0)
    for start in range(0, 400 * 300, 300):
        part = slice(start, start + 300)
        metrics = {**binary_metrics(scores[part], labels[part]), "f1": 0.0}
        for name, (low, high) in binary_intervals(scores[part], labels[part], metrics).items():
            held[name] += low <= truth[name] <= high
    assert all(0.91 <= count / 400 <= 0.985 for count in held.values()), held


def test_those_of_values_hold_the_truth_as_well() -> None:
    """Of 300 samples of 200 rows, with a tail."""
    random = np.random.default_rng(2)
    actual = random.normal(0, 3, 300_000)
    predicted = 0.8 * actual + random.laplace(0.2, 1.0, len(actual))
    truth, held = regression_metrics(predicted, actual), dict[str, int]()
    for start in range(0, 300 * 200, 200):
        part = slice(start, start + 200)
        for name, (low, high) in regression_intervals(predicted[part], actual[part]).items():
            held[name] = held.get(name, 0) + (low <= truth[name] <= high)
    assert held.keys() == truth.keys()
    assert all(0.9 <= count / 300 <= 0.99 for count in held.values()), held


def test_those_of_several_classes_are_around_the_metrics() -> None:
    """Means over classes by drawing the counts anew; the mean AUC by the rows' parts in it, repeatably."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 500)
    odds = np.exp(random.normal(0, 1, (500, 3)) + 1.5 * np.eye(3)[labels])
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    confusion = confusion_counts(probabilities.argmax(axis=1), labels, 3)
    metrics = multiclass_metrics(confusion) | probability_metrics(probabilities, labels)
    found = multiclass_intervals(confusion, probabilities, labels, metrics)
    assert found.keys() == metrics.keys()
    assert all(low < metrics[name] < high and high - low < 0.25 for name, (low, high) in found.items())
    assert multiclass_intervals(confusion, probabilities, labels, metrics) == found
    assert "auc" not in multiclass_intervals(confusion, None, labels, metrics)


def test_the_difference_of_two_shares_is_newcombes() -> None:
    """56/70 - 48/80 and 9/10 - 3/10, method 10 of his table II."""
    assert share_difference(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert share_difference(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=1e-4)
