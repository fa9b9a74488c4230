"""`kill -9` of the control plane at random moments of a ramp: the rollout ends where it would have ended anyway."""

from functools import partial
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle

from ..killing import ended

ramp = partial(ended, "tests.rollout.killing_machine")


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_ramp_that_is_killed_again_and_again_ends_as_one_that_is_not(tmp_path: Path, built: BuiltBundle) -> None:
    """Same state, same route, same history, and every request counted once."""
    undisturbed, _ = ramp(tmp_path / "undisturbed", built, 0, 0)
    assert undisturbed["state"] == "promoted"
    assert undisturbed["kinds"] == ["deployed", "started", "advanced", "promoted", "cooled"]
    killed, times = ramp(tmp_path / "killed", built, 8, 1)
    assert times == 8
    assert killed == undisturbed


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_same_a_hundred_times(tmp_path: Path, built: BuiltBundle) -> None:
    """With other moments each time."""
    undisturbed, _ = ramp(tmp_path / "undisturbed", built, 0, 0)
    for seed in range(100):
        assert ramp(tmp_path / str(seed), built, 30, seed)[0] == undisturbed
