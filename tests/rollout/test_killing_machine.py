"""`kill -9` of the control plane at random moments of a ramp: the rollout ends where it would have ended anyway."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard.bundling import BuiltBundle

REPOSITORY = Path(__file__).parents[2]


def ramp(folder: Path, built: BuiltBundle, kills: int, seed: int) -> tuple[dict[str, Any], str]:
    """Where a ramp ended that was killed so often."""
    folder.mkdir()
    words = [folder, built.path, built.digest, kills, seed]
    command = [sys.executable, "-m", "tests.rollout.killing_machine", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), done.stderr


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_ramp_that_is_killed_again_and_again_ends_as_one_that_is_not(tmp_path: Path, built: BuiltBundle) -> None:
    """Same state, same route, same history, and every request counted once."""
    undisturbed, _ = ramp(tmp_path / "undisturbed", built, 0, 0)
    assert undisturbed["state"] == "promoted"
    assert undisturbed["kinds"] == ["deployed", "started", "advanced", "promoted", "cooled"]
    killed, told = ramp(tmp_path / "killed", built, 8, 1)
    assert "killed 8 times" in told
    assert killed == undisturbed


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_same_a_hundred_times(tmp_path: Path, built: BuiltBundle) -> None:
    """With other moments each time."""
    undisturbed, _ = ramp(tmp_path / "undisturbed", built, 0, 0)
    for seed in range(100):
        assert ramp(tmp_path / str(seed), built, 30, seed)[0] == undisturbed
