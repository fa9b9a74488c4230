"""Limits of metrics as a gate."""

import pytest

from modelyard.core import InvalidInput, Verdict
from modelyard.registry import judge_limits

METRICS = {"accuracy": 0.9, "log_loss": 0.3, "f1-macro": 0.8}


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ({"min_accuracy": 0.9}, Verdict.PASS),
        ({"min_accuracy": 0.91}, Verdict.FAIL),
        ({"max_log_loss": 0.3, "min_accuracy": 0.5}, Verdict.PASS),
        ({"max_log_loss": 0.29, "min_accuracy": 0.5}, Verdict.FAIL),
        ({"min_f1_macro": 0.8, "max_log-loss": 0.3}, Verdict.PASS),
        ({"min_recall": 0.1}, Verdict.INCONCLUSIVE),
        ({"min_recall": 0.1, "min_accuracy": 0.99}, Verdict.FAIL),
    ],
)
def test_a_limit_is_kept_when_it_is_met_exactly(limits: dict[str, float], verdict: Verdict) -> None:
    """And what was never measured is no pass."""
    assert judge_limits(METRICS, limits).verdict is verdict


@pytest.mark.parametrize("limits", [{}, {"accuracy": 0.5}, {"min_": 0.5}, {"min_accuracy": float("nan")}])
def test_what_is_no_limit_is_refused(limits: dict[str, float]) -> None:
    """Rather than to judge by nothing."""
    with pytest.raises(InvalidInput):
        judge_limits(METRICS, limits)
