"""Performance without labels: right while only inputs change, wrong when the relation does, and said so."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import f1_score, roc_auc_score

from modelyard.stats import Calibrator, Estimate, binary_metrics, estimate_binary, estimate_loss, reweighted_mean


def scored(rows: int, mean: float, random: np.random.Generator, *, flip: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are overconfident, and labels; `flip` of the labels are turned round."""
    x = random.normal(mean, 1, rows)
    labels = random.random(rows) < 1 / (1 + np.exp(-1.5 * x))
    return 1 / (1 + np.exp(-3 * x)), np.where(random.random(rows) < flip, ~labels, labels)


def test_calibration_is_scikit_learns_isotonic_regression() -> None:
    """At the scores it was fitted on, ties included."""
    random = np.random.default_rng(0)
    scores, labels = np.round(random.random(300), 2), random.random(300) < 0.4
    expected = IsotonicRegression(out_of_bounds="clip").fit(scores, labels).predict(scores)
    assert Calibrator.fit(scores, labels)(scores) == pytest.approx(expected)


def test_estimates_hold_the_truth_when_inputs_shift() -> None:
    """Ten shifted samples: each metric's 95% interval misses at most three times."""
    random, missed = np.random.default_rng(1), dict.fromkeys(("accuracy", "precision", "recall", "f1", "auc"), 0)
    reference = scored(1500, 0.0, random)
    for _ in range(10):
        scores, labels = scored(1000, 0.7, random)
        found = estimate_binary(*reference, scores, rounds=40)
        truth = binary_metrics(scores, labels)
        truth["auc"] = float(roc_auc_score(labels, scores))
        truth["f1"] = float(f1_score(labels, scores > 0.5))
        for name in missed:
            missed[name] += not found[name].lower <= truth[name] <= found[name].upper
    assert max(missed.values()) <= 3


def test_concept_drift_is_what_it_cannot_see() -> None:
    """A quarter of the labels turned round: the estimate stays, and the labels contradict it."""
    random = np.random.default_rng(2)
    reference = scored(3000, 0.0, random)
    scores, labels = scored(2000, 0.0, random, flip=0.25)
    found = estimate_binary(*reference, scores, rounds=40)["accuracy"]
    truth = binary_metrics(scores, labels)["accuracy"]
    assert found.contradicts(truth - 0.02, truth + 0.02)
    assert not Estimate(0.8, 0.78, 0.82).contradicts(0.81, 0.9)


def test_too_little_to_estimate_from_is_nothing() -> None:
    """Few labels, one class, no rows."""
    scores = np.linspace(0, 1, 100)
    assert estimate_binary(scores[:20], scores[:20] > 0.5, scores) == {}
    assert estimate_binary(scores, np.zeros(100), scores) == {}
    assert estimate_binary(scores, scores > 0.5, []) == {}
    assert estimate_loss(np.zeros((50, 1)), np.zeros(50), np.zeros((5, 1))) is None


def test_losses_are_estimated_where_rows_came_to_harder_ground() -> None:
    """Errors of a deviation |x|: rows move outwards, and the estimate holds the truth."""
    random = np.random.default_rng(3)
    x, now = random.uniform(-2, 2, (4000, 2)), random.uniform(-2, 2, (2000, 2))
    now[:, 0] = np.sign(now[:, 0]) * random.uniform(1, 2, 2000)
    losses = np.abs(random.normal(size=4000) * np.abs(x[:, 0]))
    truth = float(np.abs(random.normal(size=2000) * np.abs(now[:, 0])).mean())
    found = estimate_loss(x, losses, now)
    assert found is not None
    assert found.lower <= truth <= found.upper
    assert found.lower > float(losses.mean())


def test_reweighting_says_how_many_rows_carry_it() -> None:
    """A shift of half a deviation can be made up for; one of six cannot."""
    random = np.random.default_rng(4)
    x, now = random.normal(size=(5000, 1)), random.normal(0.5, 1, (3000, 1))
    found = reweighted_mean(x, x[:, 0] ** 2, now)
    assert found.estimate is not None
    assert found.estimate.lower <= 1.25 <= found.estimate.upper
    assert 1000 < found.effective < 5000
    assert reweighted_mean(x, x[:, 0], now + 6).estimate is None
