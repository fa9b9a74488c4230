"""Metrics of two classes equal scikit-learn's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from modelyard.stats import auc, auc_deviation, binary_metrics

scored = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]) | st.floats(0, 1), st.integers(0, 1)), min_size=2, max_size=80
)


@given(scored)
def test_auc_equals_scikit_learns_with_ties(rows: list[tuple[float, int]]) -> None:
    """Also by counting pairs; None when a class is absent."""
    scores, labels = [score for score, _ in rows], [label for _, label in rows]
    if len(set(labels)) < 2:
        assert auc(scores, labels) is None
        return
    wins = [(a > b) + (a == b) / 2 for a, x in rows for b, y in rows if x and not y]
    found = auc(scores, labels)
    assert found == pytest.approx(sum(wins) / len(wins))


@given(scored)
def test_metrics_equal_scikit_learns(rows: list[tuple[float, int]]) -> None:
    """Accuracy, precision, recall, Brier score, log loss and AUC; what cannot be computed is left out."""
    scores, labels = np.array([score for score, _ in rows]), np.array([label for _, label in rows])
    said, found = scores > 0.5, binary_metrics(scores, labels)
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, said))
    assert found["brier"] == pytest.approx(sklearn_metrics.brier_score_loss(labels, scores))
    clipped = np.clip(scores, 1e-15, 1 - 1e-15)
    assert found["log_loss"] == pytest.approx(
        sklearn_metrics.log_loss(labels, np.column_stack([1 - clipped, clipped]), labels=[0, 1]), rel=1e-6, abs=1e-12
    )
    assert ("precision" in found) == bool(said.any())
    assert ("recall" in found) == bool(labels.any())
    if "precision" in found:
        assert found["precision"] == pytest.approx(sklearn_metrics.precision_score(labels, said))
    if "recall" in found:
        assert found["recall"] == pytest.approx(sklearn_metrics.recall_score(labels, said))
    assert ("auc" in found) == (len(set(labels.tolist())) == 2)
    assert all(math.isfinite(value) for value in found.values())


def test_nothing_scored_has_no_metrics() -> None:
    """No rows are no accuracy of 0 or 1."""
    assert binary_metrics([], []) == {}


def test_the_deviation_of_auc_is_near_what_resampling_shows() -> None:
    """Hanley and McNeil's error against the spread of 400 samples; off by their assumption, not by a factor."""
    random = np.random.default_rng(0)
    areas = []
    for _ in range(400):
        scores = np.concatenate([random.normal(1, 1, 60), random.normal(0, 1, 180)])
        areas.append(auc(scores, np.arange(240) < 60) or 0.0)
    assert auc_deviation(float(np.mean(areas)), 60, 180) == pytest.approx(float(np.std(areas)), rel=0.2)
