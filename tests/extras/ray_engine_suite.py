"""Run by `test_ray.py` where nothing but loopback can be reached: the engines' suite on a Ray cluster of nodes."""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from modelyard.execution import RayExecutor
from modelyard.pipelines import StepFailed
from modelyard.testing import EngineSuite
from modelyard.testing.engines import (
    essence,
    in_this_process,
    output_of,
    recorded,
    resume,
    run,
    step_of,
    write_project,
)
from modelyard.testing.executors import until
from modelyard.wiring import Project

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")  # Ray's own


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without processors and a node with two, all on this machine; this process stays connected."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.ERROR)
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    with RayExecutor(cluster.address):
        yield cluster
    cluster.shutdown()


class TestRay(EngineSuite):
    """A cluster of two nodes."""

    @pytest.fixture(scope="module")
    @classmethod
    def execution(cls, cluster: Any) -> Mapping[str, Any]:
        return {"engine": "ray", "ray": {"address": cluster.address}}


def on_a_doomed_node(cluster: Any, project: Project, run_id: str, name: str) -> Exception | None:
    """Run a pipeline, take away the node that its slow step is at work on, and say what the run ended with."""
    node = cluster.add_node(num_cpus=1, num_gpus=1)
    ended: list[Exception | None] = []

    def work() -> None:
        own = Project(project.file.folder, environment={})
        try:
            run(own, name, run_id)
            ended.append(None)
        except StepFailed as error:
            ended.append(error)
        finally:
            own.close()

    thread = threading.Thread(target=work)
    thread.start()
    until((project.file.folder / "lingered").exists)
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=1, num_gpus=1)
    thread.join(90)
    assert ended, "the run goes on and on"
    return ended[0]


@pytest.mark.parametrize("name", ["lingering_on_gpu", "lingering_twice_on_gpu"])
def test_a_run_outlives_a_node(cluster: Any, tmp_path: Path, name: str) -> None:
    """A lost node fails the try of the step that was there, and nothing else; another try, or the resumed run, has
    another node, and the end is the same to the byte.
    """
    folder = write_project(tmp_path / "project", {"engine": "ray", "ray": {"address": cluster.address}})
    reference = Project(write_project(tmp_path / "reference", {}), environment={})
    project = Project(folder, environment={})
    try:
        error = on_a_doomed_node(cluster, project, "run", name)
        if name == "lingering_on_gpu":
            assert "was lost with its node or Ray worker" in str(error)
            assert {each.name for each in recorded(project, "run").steps if each.state == "done"} >= {"numbers"}
            ended = resume(project, "run")
        else:
            assert error is None
            ended = recorded(project, "run")
        (reference.file.folder / "lingered").touch()
        expected = essence(in_this_process(reference, "lingering", "run"))
        assert {step: each[:2] for step, each in essence(ended)["steps"].items()} == {
            step: each[:2] for step, each in expected["steps"].items()
        }
    finally:
        project.close()
        reference.close()
    assert (folder / "registered").read_text() == "run\n"


def test_parts_of_a_step_are_tasks_of_the_cluster(cluster: Any, tmp_path: Path) -> None:
    """On the GPU of another node, which the step has not; a lost node costs the shard that was there, not the step."""
    folder = write_project(tmp_path / "project", {"engine": "ray", "ray": {"address": cluster.address}})
    project = Project(folder, environment={})
    try:
        assert on_a_doomed_node(cluster, project, "run", "spreading") is None
        ended = recorded(project, "run")
        assert ended.state == "done"
        assert project.pipelines.engine().value(output_of(ended, "spread")) == [["0", 20], ["0", 30]]
        assert step_of(project, "run", "spread").attempts == 1
    finally:
        project.close()


def test_steps_that_hold_all_processors_do_their_parts_themselves(cluster: Any, tmp_path: Path) -> None:
    """Two steps, two processors: no part of either would ever begin."""
    folder = write_project(tmp_path / "project", {"engine": "ray", "ray": {"address": cluster.address}})
    reference = Project(write_project(tmp_path / "reference", {}), environment={})
    project = Project(folder, environment={})
    try:
        expected = in_this_process(reference, "crowding", "run")
        assert essence(run(project, "crowding", "run")) == essence(expected)
    finally:
        project.close()
        reference.close()
