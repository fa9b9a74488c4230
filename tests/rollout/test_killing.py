"""`kill -9` at every moment of a promotion and a rollback: the next command finishes it, or nothing has happened."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.long
def test_every_moment_may_be_the_last(tmp_path: Path, built: BuiltBundle, database_server: str | None) -> None:
    """Before and after each commit, each published feed, each projection; with deployments and without."""
    words = [tmp_path, built.path, built.digest, *([database_server] if database_server else [])]
    command = [sys.executable, "-m", "tests.rollout.killing", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-3000:]
    moments = json.loads(done.stdout)
    assert moments["promote the alias"] == 8  # three commits and one projection, each before and after
    assert moments["roll back the alias"] == 4  # MLflow is shown it by the next command
    assert moments["promote deployments"] >= 12
    assert moments["roll back deployments"] >= 8
