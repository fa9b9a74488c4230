"""Curves and calibration against scikit-learn's."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import calibration as sklearn_calibration
from sklearn import metrics

from modelyard.stats import calibration, precision_recall_curve, roc_curve

Floats = NDArray[np.float64]


def cases() -> list[tuple[Floats, NDArray[np.int64]]]:
    """Scores and labels: without ties, with many, all the same, and of two rows."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 500)
    scores = np.clip(0.3 * labels + random.uniform(0, 0.7, 500), 0, 1)
    return [
        (scores, labels),
        (scores.round(1), labels),
        (np.full(500, 0.5), labels),
        (np.array([0.0, 1.0]), np.array([1, 0])),
    ]


@pytest.mark.parametrize("case", range(4))
def test_the_roc_curve_has_the_points_of_scikit_learn(case: int) -> None:
    """The corners, with their thresholds; and the area below them is the AUC."""
    scores, labels = cases()[case]
    found = roc_curve(scores, labels)
    assert found is not None
    x, y, threshold = metrics.roc_curve(labels, scores, drop_intermediate=True)
    ours = set(zip(found.false_positive_rate, found.true_positive_rate, found.threshold, strict=True))
    assert ours <= set(zip(x, y, threshold, strict=True))
    area = np.trapezoid(found.true_positive_rate, found.false_positive_rate)
    assert area == pytest.approx(metrics.roc_auc_score(labels, scores))


@pytest.mark.parametrize("case", range(4))
def test_precision_and_recall_are_those_of_scikit_learn(case: int) -> None:
    """At every threshold; scikit-learn adds a last point at recall 0, which no threshold gives."""
    scores, labels = cases()[case]
    found = precision_recall_curve(scores, labels)
    assert found is not None
    precision, recall, threshold = metrics.precision_recall_curve(labels, scores)
    np.testing.assert_allclose(found.precision, precision[:-1][::-1])
    np.testing.assert_allclose(found.recall, recall[:-1][::-1])
    np.testing.assert_allclose(found.threshold, threshold[::-1])
    assert found.average == pytest.approx(metrics.average_precision_score(labels, scores))


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("bins", [5, 10])
def test_calibration_has_the_bins_of_scikit_learn(case: int, bins: int) -> None:
    """Mean score and share of positives of each bin that is not empty; the counts are all rows."""
    scores, labels = cases()[case]
    found = calibration(scores, labels, bins=bins)
    share, mean = sklearn_calibration.calibration_curve(labels, scores, n_bins=bins)
    np.testing.assert_allclose(found.mean_score, mean)
    np.testing.assert_allclose(found.share_positive, share)
    assert found.counts.sum() == len(labels)
    assert found.error == pytest.approx(np.sum(found.counts * np.abs(mean - share)) / len(labels))


def test_without_a_class_there_is_no_curve() -> None:
    """Nor without rows; of positives alone precision and recall can be told."""
    assert roc_curve([0.1, 0.9], [1, 1]) is None
    assert roc_curve([0.1, 0.9], [0, 0]) is None
    assert roc_curve([], []) is None
    assert precision_recall_curve([0.1], [0]) is None
    assert precision_recall_curve([], []) is None
    only = precision_recall_curve([0.1, 0.9], [1, 1])
    assert only is not None
    assert only.average == 1.0


def test_edges_belong_to_the_bin_below_them() -> None:
    """0 to the first, 1 to the last."""
    found = calibration([0.0, 0.1, 0.2, 1.0], [0, 1, 1, 1])
    assert found.lower.tolist() == pytest.approx([0.0, 0.1, 0.9])
    assert found.counts.tolist() == [2, 1, 1]
