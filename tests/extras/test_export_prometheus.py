"""Prometheus' and Alertmanager's own tools take what is rendered, and its rules fire as the project's engine does."""

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.export.subjects import changed, flights

from modelyard.export import TARGETS, Subject, write

pytestmark = pytest.mark.extras


@pytest.fixture(params=["flights", "receivers"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    """The flights, and a project with receivers and rules of its own."""
    if request.param == "flights":
        return flights()
    alerts = {
        "notify": {
            "pager": {"webhook": "${URL}", "secret": "${SECRET}", "severity": "critical", "deployments": ["shop"]}
        },
        "rules": {"slow": {"when": "latency_p95 > 30 ms", "for": "5m", "runbook": "call {{ nobody }}"}},
    }
    (tmp_path / "project").mkdir()
    return changed(tmp_path / "project", {"alerts": alerts})


def test_the_configuration_is_taken(subject: Subject, tmp_path: Path) -> None:
    """`promtool check config` (which checks the rules that it names), and `amtool check-config`."""
    write(TARGETS["prometheus"].render(subject), tmp_path)
    routes = tmp_path / "alertmanager.yml"
    routes.write_text(
        routes.read_text().replace("url_file: /", "url: http://")
    )  # Debian's 0.25 knows no `url_file` yet
    for command in (["promtool", "check", "config", "prometheus.yml"], ["amtool", "check-config", "alertmanager.yml"]):
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_an_alert_fires_from_the_metrics_of_servers(tmp_path: Path) -> None:
    """`promtool test rules`: one row in ten fails, and `error_rate` fires once there is five minutes of it."""
    write(TARGETS["prometheus"].render(flights()), tmp_path)
    document = yaml.safe_load((tmp_path / "rules.yml").read_text())
    for rule in document["groups"][0]["rules"]:
        del rule["annotations"]  # they hold the value of the moment
    (tmp_path / "bare.yml").write_text(yaml.safe_dump(document))
    series = [
        {
            "series": 'model_predictions_total{model_name="flight-delay", model_version="1", arm="live"}',
            "values": "0+100x20",
        },
        {"series": 'model_prediction_errors_total{model_name="flight-delay", kind="input"}', "values": "0+10x20"},
    ]
    fires = [{"exp_labels": {"severity": "critical", "model_name": "flight-delay"}}]
    tests = [
        {"eval_time": "10m", "alertname": "error_rate", "exp_alerts": fires},
        {"eval_time": "10m", "alertname": "drift_score", "exp_alerts": []},
    ]
    case = {"interval": "1m", "input_series": series, "alert_rule_test": tests}
    told = {"rule_files": ["bare.yml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(told))
    ended = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
