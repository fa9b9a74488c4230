"""Metrics, alerts, errors and environment variables are documented: whatever the code has, a reference page has."""

import ast
import re
from pathlib import Path
from typing import get_args

from modelyard.core import ModelyardError
from modelyard.monitoring import AlertSettings, rules_of
from modelyard.monitoring.alerts.metrics import METRICS
from modelyard.wiring import environment_variables

from .modules import every_module, given_codes, trees
from .test_contracts import exported

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
FAMILIES = {"Counter", "Gauge", "Histogram", "Metric", "GaugeMetricFamily", "counter", "gauge", "histogram"}
"""What makes a metric family where prometheus_client is imported; the last three are the server's own."""


def documented(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables by what stands in their first cell, without backticks and links."""
    lines = [line for line in (REFERENCE / page).read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {found[0]: cells[1:] for cells in rows if (found := re.findall(r"`([^`]+)`", cells[0]))}


def codes() -> set[str]:
    """Every code of an error, but for the root's, which nobody raises."""
    classes = [each for module in every_module() for each in vars(module).values() if isinstance(each, type)]
    ours = {each for each in classes if issubclass(each, ModelyardError)} - {ModelyardError}
    return {each.code for each in ours} | given_codes()


def test_every_code_of_an_error_is_documented() -> None:
    """The page has each, and none that there is not."""
    assert set(documented("errors.md")) == codes()


def test_every_error_says_what_happened_and_what_to_do() -> None:
    """In words, not by a placeholder alone."""
    silent = [
        code
        for code, cells in documented("errors.md").items()
        if any(not re.search("[a-z]{3}", each) for each in cells[-2:])
    ]
    assert silent == []


def made_in_sources() -> set[str]:
    """The names of metric families that the sources make, as they are scraped."""
    found = set()
    for tree in trees().values():
        imported = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module}
        if not any(each.startswith("prometheus_client") for each in imported):
            continue
        for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call) and each.args):
            name, made = call.args[0], ast.unparse(call.func)
            if made in FAMILIES and isinstance(name, ast.Constant) and isinstance(name.value, str):
                counter = made.lower() == "counter"
                found.add(f"{name.value}_total" if counter else name.value)
    return found


def test_every_metric_is_documented() -> None:
    """Those that the sources make, those that rules speak of, and those that a scrape shows."""
    scraped = {f"{each.name}_total" if each.type == "counter" else each.name for each in exported().values()}
    known = made_in_sources() | scraped | {each.gauge for each in METRICS.values() if each.gauge is not None}
    assert len(known) > 40
    assert known - set(documented("metrics.md")) == set()


def test_every_rule_is_documented() -> None:
    """Those that are always there and those that can be switched on: in the table, and what to do under a heading."""
    names = get_args(get_args(AlertSettings.model_fields["also"].annotation)[0])
    page = (REFERENCE / "alerts.md").read_text()
    for rule in rules_of(AlertSettings(also=names)):
        assert f"| [`{rule.name}`](#{rule.name}) | {rule.severity.value} |" in page
        assert f"\n## {rule.name}\n" in page


def test_every_metric_of_rules_is_documented() -> None:
    """With its unit."""
    page = (REFERENCE / "alerts.md").read_text()
    assert [each.name for each in METRICS.values() if f"| `{each.name}` | {each.unit.what} |" not in page] == []


def test_every_environment_variable_is_documented() -> None:
    """Those of settings, and those that the sources name, but for what only tests set."""
    texts = {
        node.value
        for file, tree in trees().items()
        if not file.startswith("testing/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named = {each for each in texts if re.fullmatch(r"MODELYARD_[A-Z]+(_[A-Z]+)*", each)} - {"MODELYARD_TEST_KILL_AT"}
    assert {*named, *environment_variables().values()} - set(documented("environment.md")) == set()
