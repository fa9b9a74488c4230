"""A decline counts when there are labels enough to tell it from chance."""

import numpy as np
import pytest

from modelyard.monitoring import MonitorSettings, Window
from modelyard.monitoring.performance import decline


def window(value: float, *, labels: int, metric: str = "accuracy", baseline: float = 0.9) -> Window:
    """A window that measured one metric."""
    return Window(
        deployment="d",
        version="1",
        start="2026-01-05T00:00:00+00:00",
        end="2026-01-12T00:00:00+00:00",
        requests=1000,
        errors=0,
        latency_p99_ms=1.0,
        labels=labels,
        coverage=labels / 1000,
        features=(),
        drift_score=0.0,
        performance={metric: value},
        baseline={metric: baseline},
        verdict="inconclusive",
        reasons=(),
    )


def test_a_real_decline_is_its_size() -> None:
    """.9 → .8 on a thousand labels."""
    assert decline(window(0.8, labels=1000), MonitorSettings()) == pytest.approx(0.1)


def test_getting_better_is_negative() -> None:
    """A decline below zero is good news."""
    assert decline(window(0.95, labels=1000), MonitorSettings()) == pytest.approx(-0.05)


def test_few_labels_say_nothing() -> None:
    """20 labels of which half were wrong are no decline, and no health either."""
    assert decline(window(0.5, labels=20), MonitorSettings()) is None


def test_a_metric_that_is_not_there_says_nothing() -> None:
    """No baseline, or nothing measured."""
    assert decline(window(0.5, labels=1000, metric="auc"), MonitorSettings(metric="accuracy")) is None


def test_for_a_loss_more_is_worse() -> None:
    """A Brier score that grew declined, one that shrank did not."""
    settings = MonitorSettings(metric="brier")
    assert decline(window(0.3, labels=5000, metric="brier", baseline=0.1), settings) == pytest.approx(0.2)
    assert decline(window(0.1, labels=5000, metric="brier", baseline=0.3), settings) == pytest.approx(-0.2)


@pytest.mark.parametrize("labels", [100, 300, 2000])
def test_chance_alone_is_hardly_ever_a_decline(labels: int) -> None:
    """Two standard errors one-sided: at most about 1 in 40 of 2,000 unchanged windows (1 in 25 allowed here)."""
    random = np.random.default_rng(labels)
    found = [decline(window(k / labels, labels=labels), MonitorSettings()) for k in random.binomial(labels, 0.9, 2000)]
    assert np.mean([each is not None and each > 0.05 for each in found]) <= 0.04
