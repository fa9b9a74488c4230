"""What windows tell the rules, and what they leave unsaid."""

import msgspec

from modelyard.monitoring import (
    ConceptDrift,
    FeatureDrift,
    FeatureOutliers,
    GroupRate,
    Joint,
    MonitorSettings,
    Window,
    measured,
    series,
)
from modelyard.monitoring.measured import SPEAKS_FOR

COMPARED = FeatureDrift("x", "number", 0.0, 0.1, 0.02, 0.0, 0.0, "pass", "")
WINDOW = Window(
    deployment="d",
    version="1",
    start="2026-01-05T00:00:00+00:00",
    end="2026-01-12T00:00:00+00:00",
    requests=990,
    errors=10,
    latency_p99_ms=20.0,
    labels=900,
    coverage=0.9,
    features=(COMPARED,),
    drift_score=0.1,
    performance={"accuracy": 0.7},
    baseline={"accuracy": 0.9},
    verdict="fail",
    reasons=(),
)


def told(**changes: object) -> dict[str, float]:
    """What a window tells, by the series as text."""
    window = msgspec.structs.replace(WINDOW, **changes)
    values = measured(window, MonitorSettings())
    assert {each.name for each in values} <= set(SPEAKS_FOR)
    return {str(of): round(value, 6) for of, value in values.items()}


def test_a_full_window_tells_all() -> None:
    """Drift by feature, score, performance, its drop, coverage, errors, latency."""
    assert told() == {
        str(series("feature_drift", feature_name="x")): 0.1,
        "error_rate": 0.01,
        "latency_p99": 20.0,
        "label_coverage": 0.9,
        "drift_score": 0.1,
        str(series("performance", metric="accuracy")): 0.7,
        "accuracy_drop": 0.2,
    }


def test_few_labels_and_few_rows_tell_nothing() -> None:
    """Ten labels half wrong, and effects of features that are all inconclusive, are chance."""
    unsure = msgspec.structs.replace(COMPARED, verdict="inconclusive", effect=0.6)
    values = told(labels=10, performance={"accuracy": 0.5}, features=(unsure,), drift_score=0.6)
    assert set(values) == {"error_rate", "latency_p99", "label_coverage"}


def test_a_total_outage_is_an_error_rate_of_one() -> None:
    """Nothing was answered: no latency, no division by zero."""
    values = told(requests=0, errors=40, labels=0, features=(), performance={}, latency_p99_ms=0.0)
    assert values == {"error_rate": 1.0}


def test_what_stands_beside_is_told_unless_it_is_inconclusive() -> None:
    """All features together, mistakes, outliers, groups; each under its labels."""
    rate = GroupRate("sex", "f", "recall", 50, 0.2, 0.5, -0.3, -0.4, -0.2, "fail", "late")
    values = told(
        together=Joint(verdict="fail", reason="", rows_ref=9, rows_cur=9, auc=0.7),
        concept=(ConceptDrift("adwin", "fail", "", 500), ConceptDrift("ddm", "inconclusive", "", 5)),
        outliers=(FeatureOutliers("x", 0.0, 1.0, 90, 0.2, 0.01, (), "fail", ""),),
        groups=(rate, msgspec.structs.replace(rate, level="m", verdict="inconclusive")),
    )
    added = {
        "multivariate_drift_score": 0.7,
        str(series("concept_drift", detector="adwin")): 1.0,
        str(series("feature_outliers", feature_name="x")): 0.2,
        str(series("group_difference", group="sex=f", rate="recall late")): 0.3,
    }
    assert values == told() | added
