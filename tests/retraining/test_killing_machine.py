"""`kill -9` of the control plane at random moments of three months: the loop ends where it would have ended anyway."""

from functools import partial
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle

from ..killing import ended

months = partial(ended, "tests.retraining.killing_machine")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_three_months_that_are_killed_again_and_again_end_as_those_that_are_not(
    tmp_path: Path, built: BuiltBundle
) -> None:
    """Five times: the same history to the letter, the same versions, runs, rollouts and audit, nothing twice."""
    undisturbed, _ = months(tmp_path / "undisturbed", built, 0, 0)
    kinds = [kind for _, _, kind, _ in undisturbed["history"]]
    assert (kinds.count("triggered"), kinds.count("promoted"), kinds.count("rejected")) == (5, 4, 1)
    assert (undisturbed["live"], len(undisturbed["runs"])) == ("5", 5)
    for seed in range(5):
        killed, times = months(tmp_path / str(seed), built, 20, seed)
        assert times >= 8
        assert killed == undisturbed


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_the_same_fifty_times(tmp_path: Path, built: BuiltBundle) -> None:
    """With other moments each time."""
    undisturbed, _ = months(tmp_path / "undisturbed", built, 0, 0)
    for seed in range(50):
        assert months(tmp_path / str(seed), built, 40, seed)[0] == undisturbed
