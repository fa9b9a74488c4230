"""Metrics of several classes against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from modelyard.stats import confusion_counts, multiclass_metrics, probability_metrics


def test_metrics_are_those_of_scikit_learn() -> None:
    """Confusion counts, and means over classes."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, 400)
    predicted = np.where(random.random(400) < 0.7, labels, random.integers(0, 4, 400))
    counts = confusion_counts(predicted, labels, 4)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(labels, predicted))
    assert multiclass_metrics(counts) == pytest.approx({
        "accuracy": metrics.accuracy_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted, average="macro"),
        "recall": metrics.recall_score(labels, predicted, average="macro"),
        "f1": metrics.f1_score(labels, predicted, average="macro"),
    })  # fmt: skip


def test_classes_that_never_occur_do_not_count_and_missed_ones_do() -> None:
    """As scikit-learn has it, which takes the classes from the data, and counts a class never said as 0."""
    labels, predicted = [0, 0, 2], [0, 0, 0]
    found = multiclass_metrics(confusion_counts(predicted, labels, 4))
    expected = metrics.f1_score(labels, predicted, average="macro", zero_division=0.0)
    assert found["f1"] == pytest.approx(expected)
    assert multiclass_metrics(confusion_counts([], [], 4)) == {}


def test_probabilities_are_judged_as_scikit_learn_does() -> None:
    """Log loss, and the mean of one class against the rest."""
    random = np.random.default_rng(2)
    labels = random.integers(0, 3, 200)
    given = random.dirichlet(np.ones(3), 200) + np.eye(3)[labels] * 0.3
    probabilities = given / given.sum(axis=1, keepdims=True)
    found = probability_metrics(probabilities, labels)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, probabilities))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(labels, probabilities, multi_class="ovr"))
    assert "auc" not in probability_metrics(probabilities[labels < 2], labels[labels < 2])
    assert probability_metrics(probabilities[:0], []) == {}
