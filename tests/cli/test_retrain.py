"""`modelyard retrain` as it is typed: fired, explained with its evidence, run, and told afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from modelyard.cli.root import root
from modelyard.core import NotFound

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

POLICY = """
  purchase:
    pipeline: training
    deployment: shop
    when: {any: [{drift_above: 0.15}, {webhook: etl}, {schedule: 0 2 * * 0}]}
    budget: {runs_a_week: 1}
    timezone: Europe/Berlin
"""


def typed(folder: Path, *words: str) -> Result:
    """What a command prints."""
    result = CliRunner().invoke(root, ["retrain", *words, "--project", str(folder)])
    assert result.exit_code == 0, result.output
    return result


def told(folder: Path, *words: str) -> Any:
    """The same as JSON."""
    return json.loads(typed(folder, *words, "--json").stdout)


@pytest.fixture
def declared(shop: Path) -> Path:
    """The shop with a policy of its own."""
    file = shop / "modelyard.yaml"
    before, _, _ = file.read_text().partition("  purchase: {pipeline")
    file.write_text(before + POLICY)
    return shop


def test_a_webhook_is_fired_explained_and_acted_on(declared: Path) -> None:
    """What explain says is what the tick does; afterwards the budget is spent."""
    calm = told(declared, "explain", "purchase")
    assert (calm["acts"], calm["explanation"]) == (False, "Nothing calls for retraining.")
    assert [each["kind"] for each in calm["holds"]] == ["cooldown", "runs"]
    fired = told(declared, "trigger", "purchase", "--trigger", "etl")
    assert (fired["kind"], fired["explanation"]) == ("fired", "It will retrain: etl was fired.")
    assert told(declared, "explain", "purchase")["acts"]
    again = told(declared, "trigger", "purchase", "--trigger", "etl")
    assert again["detail"] == "etl was fired already"
    kinds = [each["kind"] for each in told(declared, "tick")]
    assert kinds == ["triggered", "training", "gated", "registered", "rollout", "promoted"]
    typed(declared, "trigger", "purchase", "--trigger", "etl")
    held = told(declared, "explain", "purchase")
    assert not held["acts"]
    assert {each["kind"]: each["holds"] for each in held["holds"]} == {"cooldown": True, "runs": True}
    assert held["holds"][1]["evidence"] == {"used": 1, "of": 1}
    shown = typed(declared, "explain", "purchase").stdout
    assert "It would retrain (etl was fired), but waits until" in shown
    assert "waits    cooldown: the cooldown is 7d until" in shown
    assert "fires    webhook: etl was fired" in shown
    history = told(declared, "history", "purchase")
    assert [each["kind"] for each in history] == ["fired", *kinds, "fired"]
    assert history[1]["evidence"]["trigger"]["parts"][1]["state"] == "fires"
    assert [each["kind"] for each in told(declared, "history", "purchase", "--limit", "2")] == ["promoted", "fired"]
    assert told(declared, "status", "purchase")["state"]["version"] == 2


def test_the_policy_is_shown_as_it_is_in_force(declared: Path) -> None:
    """With what nobody wrote down, and when its schedule comes next."""
    found = told(declared, "policy", "purchase")
    assert found["when"]["any"] == [{"drift_above": 0.15}, {"webhook": "etl"}, {"schedule": "0 2 * * 0"}]
    assert (found["cooldown"], found["timezone"]) == ("7d", "Europe/Berlin")
    assert found["retry"] == {"retries": 1, "after": "5m"}
    assert found["window"]["kind"] == "expanding"
    assert "T" in found["next"]["0 2 * * 0"]


def test_what_is_not_declared_cannot_be_fired(declared: Path) -> None:
    """With the nearest name, as for models."""
    for words, name in ((("trigger", "purchase", "--trigger", "elt"), "etl"), (("explain", "purchas"), "purchase")):
        result = CliRunner().invoke(root, ["retrain", *words, "--project", str(declared)])
        assert isinstance(result.exception, NotFound)
        assert f"Did you mean '{name}'" in str(result.exception)
