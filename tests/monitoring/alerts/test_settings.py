"""The section `alerts`: what is refused, with its line, and what is never shown."""

from pathlib import Path

import pytest

from modelyard.core import InvalidInput
from modelyard.monitoring import AlertSettings
from modelyard.monitoring.alerts import rules_of
from modelyard.wiring import load_project_file

HEAD = """project: p
models:
  m: {label: y, request: {a: number}, features: [a]}
deployments:
  shop: {model: m@production}
"""


def load(folder: Path, alerts: str) -> AlertSettings:
    """The section of a project file."""
    (folder / "modelyard.yaml").write_text(f"{HEAD}alerts:\n{alerts}")
    return load_project_file(folder, {}).settings.alerts


def test_the_default_rules_and_those_that_are_switched_on() -> None:
    """Five; and the floors and objectives with their own thresholds."""
    assert [each.name for each in rules_of(AlertSettings())] == [
        "latency_p99", "error_rate", "accuracy_drop", "drift_score", "rollout_held",
    ]  # fmt: skip
    more = rules_of(AlertSettings(also=("latency_p50", "latency_p95", "precision"), precision=0.6))
    assert [(each.name, each.condition.comparison, each.condition.threshold) for each in more[5:]] == [
        ("latency_p50", ">", 50.0),
        ("latency_p95", ">", 100.0),
        ("precision", "<", 0.6),
    ]


def test_a_declared_rule_takes_the_place_of_a_default_one(tmp_path: Path) -> None:
    """By its name."""
    settings = load(tmp_path, "  rules:\n    error_rate: {when: error_rate > 3%, for: 5m, severity: info}\n")
    (rule,) = [each for each in rules_of(settings) if each.name == "error_rate"]
    assert (rule.condition.threshold, rule.hold.total_seconds(), rule.severity.value) == (0.03, 300.0, "info")


@pytest.mark.parametrize(
    ("alerts", "line", "says"),
    [
        ("  rules:\n    r: {when: latncy_p99 > 3}\n", 8, "Did you mean 'latency_p99'"),
        ("  rules:\n    r: {whne: latency_p99 > 3}\n", 8, "did you mean 'when'"),
        ("  rules:\n    r: {when: latency_p99 > 3, resolve: 4}\n", 8, "resolve must be at most the threshold 3"),
        ("  rules:\n    r: {when: label_coverage < 10%, resolve: 5%}\n", 8, "resolve must be at least"),
        ("  rules:\n    r: {when: latency_p99 > 3, labels: {severity: x}}\n", 8, "the label severity is set already"),
        ("  rules:\n    r: {when: feature_drift > 0.3, labels: {feature_name: x}}\n", 8, "feature_name is set already"),
        ("  rules:\n    r: {when: latency_p99 > 3, for: 5}\n", 8, "write a duration"),
        ("  rules:\n    r: {when: latency_p99 > 3, deployments: [shpo]}\n", 8, "did you mean 'shop'"),
        ("  rules:\n    r: {when: feature_freshness > 3h, deployments: [shop]}\n", 8, "is of no deployment"),
        ("  rules:\n    r r: {when: latency_p99 > 3}\n", 6, "'r r' cannot name a rule"),
        ("  notify:\n    a: {severity: info}\n", 8, "one of apprise and webhook"),
        ("  notify:\n    a: {webhook: https://x/y}\n", 8, "needs a secret"),
        ("  notify:\n    a: {webhook: https://x/y, secret: short}\n", 8, "16 characters"),
        ("  notify:\n    a: {webhook: ftp://x/y, secret: 0123456789abcdef}\n", 8, "URL of https"),
        ("  notify:\n    a: {webhook: 'https://u:p@x/y', secret: 0123456789abcdef}\n", 8, "without a user"),
        ("  notify:\n    a: {webhook: 'https://x:99999/y', secret: 0123456789abcdef}\n", 8, "Port out of range"),
        ("  notify:\n    a: {webhook: https://x/y, secret: 0123456789abcdef, allow: [10.0.0.1/8]}\n", 8, "host bits"),
        ("  notify:\n    a: {apprise: slack://x, secret: 0123456789abcdef}\n", 8, "are for a webhook"),
        ("  notify:\n    a: {apprise: slack://x, deployments: [shpo]}\n", 8, "did you mean 'shop'"),
        ("  also: [latency_p90]\n", 7, "latency_p95"),
        ("  error_rate: 5\n", 7, "less than 1"),
        ("  every: 0s\n", 7, "write a duration"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, alerts: str, line: int, says: str) -> None:
    """And secrets are not among what is named."""
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, alerts)
    assert f"modelyard.yaml:{line}:" in str(caught.value)
    assert says in str(caught.value)
    assert "0123456789abcdef" not in str(caught.value)


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    """Not where settings came from, not when they are printed."""
    text = (
        "  notify:\n    a: {webhook: https://x/t0ken, secret: t0ken-0123456789abc}\n    b: {apprise: slack://t0ken}\n"
    )
    settings = load(tmp_path, text)
    origins = load_project_file(tmp_path, {}).origins
    assert "t0ken" not in f"{settings!r} {settings} {origins}"
    assert "t0ken" not in settings.model_dump_json()
