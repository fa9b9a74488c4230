"""Searches: seeded, pruned, side by side, going on after a kill, and ending when they should."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.core import Failed, InvalidInput
from modelyard.data import load_module
from modelyard.pipelines.search import SearchResult, search
from modelyard.pipelines.search.pictures import page

objectives = load_module(Path(__file__).with_name("objectives.py"))  # as files of a project are loaded

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def facts(result: SearchResult) -> list[tuple[object, ...]]:
    """What of a result does not depend on how fast the machine is."""
    return [(each.number, each.state, dict(each.params), each.value, dict(each.reported)) for each in result.trials]


def test_a_search_finds_what_is_best_and_says_what_mattered() -> None:
    """Near the bottom of the bowl, with the first of the best trials; the parameter that moves the value matters."""
    result = search(objectives.bowl, {"centre": 3.0}, trials=60, direction="minimize", seed=1)
    assert result.value == min(each.value for each in result.trials if each.value is not None)
    assert abs(result.params["x"] - 3.0) < 0.7
    assert result.params["kind"] == "round"
    assert result.importance["x"] > result.importance["kind"]
    assert result.ended == "all trials were made"


def test_the_same_seed_gives_the_same_trials() -> None:
    """And another seed gives others."""
    first, again, other = (
        search(objectives.bowl, {"centre": 0.0}, trials=15, direction="minimize", seed=seed) for seed in (7, 7, 8)
    )
    assert facts(first) == facts(again)
    assert facts(first) != facts(other)


def test_random_trials_are_the_same_side_by_side(tmp_path: Path) -> None:
    """Trials of their own processes: more than one, none of them this one."""
    alone = search(objectives.processes, {"folder": str(tmp_path)}, trials=8, sampler="random", seed=3)
    (mine,) = tmp_path.iterdir()
    mine.unlink()
    beside = search(objectives.processes, {"folder": str(tmp_path)}, trials=8, sampler="random", seed=3, parallel=2)
    assert facts(alone) == facts(beside)
    others = {each.name for each in tmp_path.iterdir()}
    assert len(others) == 2
    assert mine.name not in others


def test_trials_that_promise_nothing_end_early() -> None:
    """They count as pruned with what they last reported; without a pruner every one goes to its end."""
    pruned = [each for each in search(objectives.slow_learner, {}, trials=30, seed=0).trials if each.state == "pruned"]
    assert pruned
    assert all(each.value == each.reported[max(each.reported)] and len(each.reported) < 10 for each in pruned)
    unpruned = search(objectives.slow_learner, {}, trials=30, seed=0, pruner="none")
    assert {each.state for each in unpruned.trials} == {"complete"}


def test_trials_that_fail_say_why_and_harm_no_other() -> None:
    """An error, and a value that is no number."""
    result = search(objectives.picky, {}, trials=20, sampler="random", seed=0)
    errors = {each.error for each in result.trials if each.state == "failed"}
    assert "the objective gave NaN" in errors
    assert any(each.startswith("ValueError: -") and each.endswith("is below 0") for each in errors)
    assert 0 <= result.value <= 5


def test_a_search_without_a_single_value_fails_with_a_reason() -> None:
    """The error of a trial, so that nobody has to look for it."""
    with pytest.raises(Failed, match=r"None of 3 trials was completed.*Trial 0: RuntimeError: no data"):
        search(objectives.always_failing, {}, trials=3)


def test_a_trial_that_takes_its_process_down_is_one_that_failed() -> None:
    """The signal is named, and the other trials are as ever."""
    result = search(objectives.deadly, {}, trials=6, sampler="random", seed=0, parallel=2, direction="minimize")
    killed = [each for each in result.trials if each.state == "failed"]
    assert killed
    assert all("SIGKILL" in each.error for each in killed)
    assert len(result.trials) == 6


def test_a_search_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """No trial that had ended is made again; the one that was cut off is, with the same parameters."""
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    (tmp_path / "whole" / "begun").write_text("not\n" * 50)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "import objectives\n"
        "from modelyard.pipelines.search import search\n"
        "folder = Path(sys.argv[2])\n"
        "search(objectives.counted, {'folder': str(folder)}, trials=12, seed=5, direction='minimize', folder=folder)\n"
    )
    here = str(Path(__file__).parent)
    ended = subprocess.run([sys.executable, "-c", code, here, str(tmp_path / "killed")], check=False)
    assert ended.returncode == -9
    results = {
        name: search(
            objectives.counted,
            {"folder": str(tmp_path / name)},
            trials=12,
            seed=5,
            direction="minimize",
            folder=tmp_path / name,
        )
        for name in ("killed", "whole")
    }
    assert facts(results["killed"]) == facts(results["whole"])
    begun = (tmp_path / "killed" / "begun").read_text().splitlines()
    assert len(begun) == 13
    assert begun[5] == begun[6]


def test_a_search_ends_when_its_budget_is_spent_or_nothing_better_comes() -> None:
    """And says which; a budget of almost nothing still ends with what there is, which is an error when that is none."""
    patient = search(objectives.bowl, {"centre": 0.0}, trials=500, direction="minimize", patience=10, seed=0)
    assert patient.ended == "10 trials in a row found nothing better"
    assert len(patient.trials) == patient.best.number + 11
    spent = search(objectives.bowl, {"centre": 0.0}, trials=100_000, budget="1s", sampler="random")
    assert spent.ended == "the budget of 1s was spent"
    with pytest.raises(Failed, match=r"None of 0 trials was completed \(the budget of 0s was spent\)"):
        search(objectives.bowl, {"centre": 0.0}, trials=5, budget=timedelta(0))


def test_what_cannot_be_searched_is_refused() -> None:
    """Numbers below one, and functions that other processes cannot find."""
    with pytest.raises(InvalidInput, match="trials=0, parallel=1"):
        search(objectives.bowl, {}, trials=0)
    with pytest.raises(InvalidInput, match="cannot be found by other processes"):
        search(lambda trial: 0.0, {}, trials=2, parallel=2)


def test_the_page_shows_every_trial_and_opens_offline(tmp_path: Path) -> None:
    """No address of another machine in what is loaded; names and errors are escaped."""
    result = search(objectives.picky, {}, trials=12, sampler="random", seed=0, folder=tmp_path)
    shown = page(result)
    assert (tmp_path / "search.html").read_text() == shown
    assert "is below 0" in shown
    assert all(f"<td>{each.number}</td>" in shown for each in result.trials)
    assert 'src="http' not in shown
