"""A machine shows that it sees the project before it carries out a step; this process, what it can give to one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import modelyard as my
from modelyard.core import Digest
from modelyard.pipelines import Engine, InvalidPipeline, NotShared, ProjectNames, find_run
from modelyard.pipelines.artifacts import save
from modelyard.pipelines.running.here import Here
from modelyard.pipelines.running.order import Order, Taken
from modelyard.pipelines.running.sight import sign
from modelyard.pipelines.running.task import perform
from modelyard.storage import ArtifactStore, open_artifact_store
from modelyard.wiring import Project

from .projects import write_project


def order_in(folder: Path, store: ArtifactStore, sight: tuple[Digest, str] | None) -> Order:
    """To double a 3, as another machine may get it."""
    services: Any = None  # the step asks for none
    return Order(
        run_id="run",
        step="double",
        function="counting.py:double",
        inputs={"value": Taken(save(3, store, ProjectNames(folder)))},
        seed=0,
        context_seed=0,
        folder=folder,
        scratch=folder / "scratch",
        surroundings=Here(store, services),
        sight=sight,
    )


def test_a_machine_without_the_project_or_with_another_store_says_so(tmp_path: Path) -> None:
    """By its name and the path; one that sees what the runner sees does the step."""
    folder = write_project(tmp_path / "project")
    mine, other = open_artifact_store(tmp_path / "mine"), open_artifact_store(tmp_path / "other")
    order = order_in(folder, mine, sign(mine))
    assert perform(order).result == 6
    with pytest.raises(NotShared, match=r"where step 'double' was to run, sees another artifact store") as caught:
        perform(order_in(folder, other, order.sight))
    assert "stores.artifacts" in caught.value.remedy
    with pytest.raises(NotShared, match=rf"has no project folder {tmp_path}/gone, which .* has"):
        perform(replace(order, folder=tmp_path / "gone"))


def test_a_copy_of_the_store_is_not_the_store(tmp_path: Path) -> None:
    """Each run has a sign of its own, so what was copied before it began does not pass."""
    store = open_artifact_store(tmp_path / "store")
    assert sign(store) != sign(store)


@my.step(timeout="1s", resources={"cpus": 2})
def limited() -> int:
    """A step that asks for what only a process of its own can have."""
    return 1


@my.pipeline
def limits() -> None:
    """One such step."""
    limited()


def test_this_process_refuses_what_it_cannot_give(tmp_path: Path) -> None:
    """A time limit and processors, before anything runs: an option that an engine lacks is never ignored."""
    project = Project(write_project(tmp_path / "project"), environment={})
    try:
        place = replace(project.pipelines.engine().place, executor=None)
        with pytest.raises(InvalidPipeline, match=r"'limited' asks for timeout and resources, but would run in this"):
            Engine(place).run(limits, {}, "here")
        assert find_run(project.records, "here") is None
    finally:
        project.close()
