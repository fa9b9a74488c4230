"""Errors of values against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from modelyard.stats import regression_metrics


def test_errors_are_those_of_scikit_learn() -> None:
    """Each by its own function there; bias is the mean of prediction minus label."""
    random = np.random.default_rng(3)
    labels = random.normal(10, 4, 300)
    predictions = labels + random.normal(0.5, 2, 300)
    found = regression_metrics(predictions, labels)
    assert found == pytest.approx({
        "mae": metrics.mean_absolute_error(labels, predictions),
        "rmse": metrics.root_mean_squared_error(labels, predictions),
        "median_absolute_error": metrics.median_absolute_error(labels, predictions),
        "bias": float(np.mean(predictions - labels)),
        "r2": metrics.r2_score(labels, predictions),
    })  # fmt: skip


def test_what_rows_cannot_tell_is_left_out() -> None:
    """Nothing of no rows; no share of a variance that is none."""
    assert regression_metrics([], []) == {}
    assert "r2" not in regression_metrics([1.0, 2.0], [3.0, 3.0])
