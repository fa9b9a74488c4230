"""Deterministic mode: every training is made twice, in two processes, and a difference fails the run."""

from pathlib import Path
from typing import Any

import pytest

from modelyard.pipelines import InvalidPipeline, StepFailed, explain, find_run, pipeline, step
from modelyard.wiring import Project

from .projects import write_project

PIPELINE = """
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

import modelyard as my


class Model:
    def __init__(self, weights):
        self.weights = weights


def drawn(chance):
    return np.random.default_rng(my.context().seed if chance == "seeded" else None).random(3)


@my.step(kind="train", seed=7, resources={"cpus": 2})
def fit(chance: str, form: str):
    with (Path(__file__).parent / "processes").open("a") as file:
        file.write(f"{os.getpid()} {os.environ['PYTHONHASHSEED']} {os.environ['OMP_NUM_THREADS']}\\n")
    weights = drawn(chance)
    tables = pa.table({"same": [1, 2, 3], "drawn": weights})
    return {
        "pickle": lambda: Model(weights),
        "table": lambda: {"model": tables, "note": "same"},
        "array": lambda: [weights, weights * 0],
        "json": lambda: float(weights[0]),
    }[form]()


@my.step(kind="evaluate")
def score(model: object) -> dict[str, float]:
    return {"fine": 1.0}


@my.pipeline
def counting(chance: str = "seeded", form: str = "pickle") -> None:
    score(fit(chance, form))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project that trains, with a seed or without."""
    opened = Project(write_project(tmp_path_factory.mktemp("twice") / "project", PIPELINE), environment={})
    yield opened
    opened.close()


@pytest.mark.long
def test_training_that_repeats_passes_and_is_recorded_as_such(project: Project) -> None:
    """Trained in two processes of one thread and one order of hashes; the next such run takes it from the cache."""
    ordinary = project.pipelines.run("counting", {}, run_id="ordinary")
    told = project.file.folder / "processes"
    told.unlink()
    run = project.pipelines.run("counting", {}, run_id="sure", deterministic=True)
    processes = [each.split() for each in told.read_text().splitlines()]
    assert len({each[0] for each in processes}) == len(processes) == 2
    assert {tuple(each[1:]) for each in processes} == {("0", "1")}
    found = find_run(project.records, "sure")
    assert found is not None
    assert (run.state, found.deterministic) == ("done", True)
    fit = found.step("fit")
    assert fit is not None
    assert (fit.repeated, fit.cached) == (True, False)
    assert fit.output == ordinary.step("fit").output  # type: ignore[union-attr]
    assert "deterministic mode changed" in explain(project.records, "sure", "fit").explanation
    again = project.pipelines.run("counting", {}, run_id="cached", deterministic=True).step("fit")
    assert again is not None
    assert (again.repeated, again.cached) == (True, True)


@pytest.mark.parametrize(
    ("form", "part"),
    [
        ("pickle", "its result, a pickle of"),
        ("table", "its result['model'], a table, in the columns 'drawn'"),
        ("array", "its result[0], an array, in 3 of 3 values"),
        ("json", "its result is 0."),
    ],
)
def test_training_without_a_seed_fails_and_says_which_part_differed(project: Project, form: str, part: str) -> None:
    """Nothing after it runs, nothing of it is cached, and the remedy is to seed."""
    with pytest.raises(StepFailed, match="gave two results") as caught:
        project.pipelines.run("counting", {"chance": "none", "form": form}, run_id=form, deterministic=True)
    assert part in caught.value.message
    assert "default_rng(my.context().seed)" in caught.value.message
    assert "model'], a table, in the columns 'same'" not in caught.value.message
    run = find_run(project.records, form)
    assert run is not None
    assert (run.state, [each.name for each in run.steps]) == ("failed", ["fit"])
    again = project.pipelines.run("counting", {"chance": "none", "form": form}, run_id=f"{form} after")
    assert not any(each.cached for each in again.steps)


def test_training_that_only_one_process_can_do_is_refused(project: Project, tmp_path: Path) -> None:
    """A step defined in a function is found by no other process."""

    @step(kind="train")
    def fit() -> int:
        return 1

    @pipeline
    def local() -> None:
        fit()

    with pytest.raises(InvalidPipeline, match="cannot be trained in two processes"):
        project.pipelines.engine().run(local, {}, "local", deterministic=True)
