"""Prometheus' own tool reads our metrics and finds nothing to object to."""

import subprocess

import pytest
from prometheus_client import generate_latest

from modelyard.core import Digest
from modelyard.routing import Arm, Route
from modelyard.serving import Metrics
from modelyard.serving.arms import Outcome


@pytest.mark.extras
def test_promtool_accepts_the_metrics() -> None:
    """Names, types and labels, after some answers and a failure."""
    arms = (Arm("live", "live", "1", Digest("a" * 64), 0.9), Arm("canary", "canary", "2", Digest("b" * 64), 0.1))
    metrics = Metrics(lambda: [Route("d", "fraud", 1, arms, "salt")])
    metrics.count("fraud", arms[0], [Outcome((), (0.7,), "1", 10)])
    metrics.count("fraud", arms[1], [Outcome((), (), None, 10, "input")])
    metrics.took("fraud", [0.001, 0.5])
    metrics.failed("fraud", "1")
    text = generate_latest(metrics.registry)
    assert b'model_predictions_total{arm="canary",model_name="fraud",model_version="2"} 1.0' in text
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    complaints = [
        line for line in checked.stderr.decode().splitlines() if "should be" in line and "_created" not in line
    ]
    assert checked.returncode in (0, 3), checked.stderr
    assert complaints == []
