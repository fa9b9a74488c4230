"""Run by `test_ray.py` where nothing but loopback can be reached: the executors' suite on a Ray cluster of nodes."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.execution import Executor, RayExecutor, RayUnavailable
from modelyard.testing import ExecutorSuite, tasks
from modelyard.testing.executors import alive, gather, held, run, task, until

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")  # Ray's own


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without processors and two nodes with two each, all on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.ERROR)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=2)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def shared(cluster: Any) -> Iterator[RayExecutor]:
    """One executor for all tests: whatever one does harms no other."""
    with RayExecutor(cluster.address) as executor:
        yield executor


class TestRay(ExecutorSuite):
    """A cluster of three nodes."""

    cpus = 4
    largest = 2

    @pytest.fixture
    def executor(self, shared: RayExecutor) -> Executor:
        return shared

    @pytest.fixture
    def another(self, cluster: Any, shared: RayExecutor) -> Iterator[Executor]:
        with RayExecutor(cluster.address) as executor:
            yield executor


def test_tasks_on_a_lost_node_crash_and_others_go_on(cluster: Any, shared: RayExecutor, tmp_path: Path) -> None:
    """The node's processes end, nothing is tried again, and tasks that need it are refused from then on."""
    node = cluster.add_node(num_cpus=1, num_gpus=1)
    seen = run(shared, task(tasks.variable, "CUDA_VISIBLE_DEVICES", resources={"gpus": 1}))
    assert seen[0].value == "0"
    doomed = task(tasks.hold, str(tmp_path / "pids"), resources={"gpus": 1})
    others = [task(tasks.sleep, 3.0) for _ in range(3)]
    for each in (doomed, *others):
        shared.submit(each)
    pids = held(tmp_path / "pids")
    cluster.remove_node(node, allow_graceful=False)
    outcomes = gather(shared, [each.id for each in (doomed, *others)])
    assert [each.state for each in outcomes] == ["crashed", "done", "done", "done"]
    assert outcomes[0].error is not None
    assert "was lost with its node or Ray worker" in outcomes[0].error.message
    until(lambda: not any(map(alive, pids)), 5)


def test_a_log_on_another_file_system_comes_back_with_the_outcome(
    shared: RayExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the node saw another file under the same name; also of a task that crashed."""
    monkeypatch.setattr("modelyard.execution.ray_cluster._marked", lambda _: -1)
    spoken, died = task(tasks.speak, log=tmp_path / "spoken"), task(tasks.speak_and_die, log=tmp_path / "died")
    assert [each.state for each in run(shared, spoken, died)] == ["done", "crashed"]
    assert "from a child" in (tmp_path / "spoken").read_text()
    assert (tmp_path / "died").read_text() == "last words\n"


def test_hash_order_can_be_fixed_and_workers_initialized(cluster: Any, shared: RayExecutor) -> None:
    """On every node, as in the local pool."""
    with RayExecutor(cluster.address, environment={"PYTHONHASHSEED": "7"}) as fixed:
        assert len({each.value for each in run(fixed, *[task(hash, "a string") for _ in range(8)])}) == 1
    with RayExecutor(cluster.address, initialize=tasks.raise_lookup) as failing:
        assert run(failing, task(tasks.give, 1))[0].state == "failed"


def test_one_process_has_one_cluster(shared: RayExecutor) -> None:
    """Another address is refused while there is a connection."""
    with pytest.raises(RayUnavailable, match="it can have one connection"):
        RayExecutor("127.0.0.1:1")
