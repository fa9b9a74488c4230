"""Runs in worker processes: parallel, cached, explained, resumed after any kill, with the same bytes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.pipelines import RunActive, RunEnded, StepFailed, explain, find_run, list_runs, load_pipeline
from modelyard.pipelines.running.fault import VARIABLE
from modelyard.pipelines.running.journal import Journal
from modelyard.pipelines.running.lease import lease_of
from modelyard.wiring import Project

from .projects import PIPELINE, outputs, run_apart, write_project


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that ran once, undisturbed."""
    project = Project(write_project(tmp_path_factory.mktemp("counting") / "project"), environment={})
    assert project.pipelines.run("counting", {}, run_id="first").state == "done"
    yield project
    project.close()


def opened(folder: Path) -> Project:
    """The project in a folder, which ignores this process's environment."""
    return Project(folder, environment={})


def test_a_second_run_takes_everything_from_the_cache_but_what_acts(counting: Project) -> None:
    """The outputs are the same artifacts; the register step ran again."""
    again = counting.pipelines.run("counting", {}, run_id="second")
    assert {each.name: each.cached for each in again.steps} == {
        "numbers": True,
        "double": True,
        "fit": True,
        "table": True,
        "score": True,
        "gate": True,
        "register": False,
    }
    assert outputs(counting, "second") == outputs(counting, "first")
    assert again.result("register") == "second"
    assert "nothing changed" in explain(counting.records, "second", "fit").explanation


def test_no_cache_runs_everything_and_gives_the_same_bytes(counting: Project) -> None:
    """Seeds are made of the run's seed and the step's name, so random weights repeat."""
    anew = counting.pipelines.run("counting", {}, run_id="anew", cache=False)
    assert not any(each.cached for each in anew.steps)
    assert outputs(counting, "anew") == outputs(counting, "first")


def test_a_changed_parameter_runs_what_it_reaches_and_why_says_from_what_to_what(counting: Project) -> None:
    """Elements of a mapped step are cached one by one."""
    longer = counting.pipelines.run("counting", {"count": 4}, run_id="longer")
    step = longer.step("double")
    assert step is not None
    assert (step.cached, step.detail) == (False, "4 elements")
    told = explain(counting.records, "longer", "numbers")
    assert "input count changed from 3 to 4" in told.explanation
    assert "act on the world" in explain(counting.records, "longer", "register").explanation


@pytest.mark.long
def test_a_change_of_project_code_counts_wherever_it_is_called_from(tmp_path: Path) -> None:
    """Of a constant in another file, through the function that uses it; a comment does not count."""
    folder = write_project(tmp_path / "project")
    project = opened(folder)
    try:
        project.pipelines.run("counting", {}, run_id="a")
        (folder / "counting.py").write_text("# a comment\n" + PIPELINE)
        commented = project.pipelines.run("counting", {}, run_id="b")
        assert [each.name for each in commented.steps if not each.cached] == ["register"]
        (folder / "other.py").write_text("FACTOR = 3\n\n\ndef times(value):\n    return value * FACTOR\n")
        changed = project.pipelines.run("counting", {}, run_id="c")
        assert [each.name for each in changed.steps if not each.cached] == [
            "double",
            "fit",
            "score",
            "gate",
            "register",
        ]
        assert explain(project.records, "c", "double").differences == ("the code of other.py:FACTOR changed",)
    finally:
        project.close()


BOUNDARIES = ["before write", "inside write", "after write", "called fit", "saved fit", "saved double", "saved table"]


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_run_killed_anywhere_is_resumed_to_the_same_bytes(counting: Project, tmp_path: Path) -> None:
    """The runner, while it writes, and workers, while a step's result is on its way; effects are had once."""
    expected = outputs(counting, "first")
    for number, point in enumerate(("inside write", "saved fit")):
        folder = write_project(tmp_path / str(number))
        marker = tmp_path / f"{number}.killed"
        run_apart(folder, **{VARIABLE: f"{point}={marker}"})
        assert marker.exists()
        assert run_apart(folder) == 0
        with_outputs = opened(folder)
        try:
            assert outputs(with_outputs, "run") == expected
        finally:
            with_outputs.close()
        assert (folder / "registered").read_text() == "run\n"


@pytest.mark.soak
@pytest.mark.timeout(7000)
@pytest.mark.parametrize("point", BOUNDARIES)
def test_every_boundary_survives_a_kill(counting: Project, tmp_path: Path, point: str) -> None:
    """As above, at each point."""
    expected = outputs(counting, "first")
    folder, marker = write_project(tmp_path / "project"), tmp_path / "killed"
    run_apart(folder, **{VARIABLE: f"{point}={marker}"})
    assert marker.exists()
    assert run_apart(folder) == 0
    project = opened(folder)
    try:
        assert outputs(project, "run") == expected
    finally:
        project.close()


def test_a_live_run_is_not_resumed_and_an_ended_one_neither(counting: Project) -> None:
    """Who holds it is named."""
    from modelyard.pipelines.running.records import KIND, to_body

    run = find_run(counting.records, "first")
    assert run is not None
    with pytest.raises(RunEnded, match="first is over: done"):
        counting.pipelines.resume("first")
    lease = lease_of(counting.records, "live")
    assert lease.take()
    body = {**to_body(run), "state": "running", "id": "live", "steps": []}
    with counting.records.transaction() as tx:
        tx.put(KIND, "live", body)
    with pytest.raises(RunActive, match=f"process {os.getpid()}"):
        counting.pipelines.resume("live")
    lease.release()
    assert counting.pipelines.resume("live").state == "done"


def test_a_run_that_was_taken_over_is_written_by_nobody_else(counting: Project) -> None:
    """Neither a step nor the end of it: its former process has lost it, and says so."""
    run = find_run(counting.records, "first")
    assert run is not None
    slow, other = lease_of(counting.records, "slow"), lease_of(counting.records, "slow")
    journal = Journal(counting.records, run, slow)
    assert slow.take()
    journal.note(0, run.steps[0])
    slow.release()  # as if it had been silent for too long
    assert other.take()
    with pytest.raises(RunActive, match="taken over"):
        journal.write()
    with pytest.raises(RunActive, match="taken over"):
        journal.end(run)
    other.release()


FLAKY = """
import os
import time
from pathlib import Path

import modelyard as my

HERE = Path(__file__).parent


@my.step(retries=2, backoff="10ms")
def flaky() -> int:
    tries = HERE / "tries"
    count = int(tries.read_text()) + 1 if tries.exists() else 1
    tries.write_text(str(count))
    if count < 3:
        raise ValueError(f"try {count}")
    return count


@my.step(secrets=("COUNTING_TOKEN",))
def open_vault(count: int) -> str:
    token = os.environ["COUNTING_TOKEN"]
    print("the token is", token)
    if count > 3:
        raise ValueError(f"wrong {token}")
    return token


@my.step
def peek(count: int) -> bool:
    return "COUNTING_TOKEN" in os.environ


@my.step(timeout="300ms")
def slow(count: int) -> int:
    time.sleep(60 if count > 2 else 0)
    return count


@my.pipeline
def counting(more: int = 0, late: int = 0) -> None:
    count = flaky()
    open_vault(more)
    peek(count)
    with my.when(count.equals(99)):
        skipped = slow(count)
        peek(skipped)
    slow(late)
"""


@pytest.fixture
def flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with steps that fail, wait, and know a secret."""
    monkeypatch.setenv("COUNTING_TOKEN", "hunter-22/&")
    project = opened(write_project(tmp_path / "project", FLAKY))
    yield project
    project.close()


def test_retries_conditions_and_secrets(flaky: Project) -> None:
    """Tried three times; what a condition holds back is skipped with what needs it; the secret is kept nowhere."""
    run = flaky.pipelines.run("counting", {}, run_id="run")
    steps = {each.name: each for each in run.steps}
    assert (steps["flaky"].attempts, steps["flaky"].result) == (3, 3)
    assert (steps["slow"].state, steps["peek_2"].state, steps["slow_2"].state) == ("skipped", "skipped", "done")
    assert steps["open_vault"].result == "***"
    assert steps["peek"].result is False
    log = flaky.workspace / steps["open_vault"].log
    assert log.read_text() == "the token is ***\n"


def test_a_failure_names_the_step_and_shows_no_secret(flaky: Project) -> None:
    """Neither in the error, nor in the log, nor on record; a step that takes too long is ended."""
    with pytest.raises(StepFailed, match=r"Step 'open_vault' of 'counting' failed: ValueError: wrong \*\*\*"):
        flaky.pipelines.run("counting", {"more": 4}, run_id="bad")
    kept = [each for each in flaky.workspace.rglob("*") if each.is_file()]
    assert [each for each in kept if b"hunter-22" in each.read_bytes()] == []
    with pytest.raises(StepFailed, match=r"Step 'slow_2' of 'counting' failed: .*0\.3"):
        flaky.pipelines.run("counting", {"late": 3}, run_id="late")


def test_a_worker_that_is_killed_fails_its_step_and_the_run_goes_on_later(tmp_path: Path) -> None:
    """The step says that its process ended; resumed, it runs again."""
    text = """
import os
import signal
from pathlib import Path

import modelyard as my


@my.step
def once() -> int:
    marker = Path(__file__).parent / "killed"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 7


@my.pipeline
def counting() -> None:
    once()
"""
    project = opened(write_project(tmp_path / "project", text))
    try:
        with pytest.raises(StepFailed, match="Step 'once'"):
            project.pipelines.run("counting", {}, run_id="run")
        resumed = project.pipelines.resume("run")
        assert (resumed.state, resumed.result("transform")) == ("done", 7)
        assert [each.id for each in list_runs(project.records)] == ["run"]
    finally:
        project.close()


def test_a_part_of_a_pipeline_takes_the_rest_from_an_earlier_run(counting: Project) -> None:
    """Only what is selected runs, on what the newest run gave."""
    from modelyard.pipelines import Selection

    part = counting.pipelines.run("counting", {}, run_id="part", selection=Selection(only=("score",)), cache=False)
    assert [each.name for each in part.steps] == ["score"]
    assert part.state == "done"


def test_pickling_an_object_changes_no_key_of_its_class(tmp_path: Path) -> None:
    """Python leaves a note in the class then; the class means what it meant."""
    import pickle

    from modelyard.pipelines import ProjectNames
    from modelyard.pipelines.code import fingerprint

    folder = write_project(tmp_path / "project")
    project = opened(folder)
    module = load_pipeline("counting", project.pipelines.settings("counting"), folder).compose.__globals__
    names = ProjectNames(folder)
    before = fingerprint(module["fit"].function, names)
    pickle.dumps(module["Model"](weights=1))
    assert "__slotnames__" in vars(module["Model"])
    assert fingerprint(module["fit"].function, names) == before
    project.close()
