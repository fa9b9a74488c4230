"""Ray, on real clusters of several nodes, in a network namespace that has loopback alone: it opens every interface."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FENCE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


def fenced(*arguments: str) -> str:
    """What Python says with these arguments where only loopback is; the test fails when it ends with an error."""
    command = [*FENCE, "sh", "-c", 'ip link set lo up && exec "$0" "$@"']
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, f"no network namespace can be made here, so Ray is not tested: {tried.stderr}"
    ended = subprocess.run(
        [*command, sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{ended.stdout[-8000:]}\n{ended.stderr[-2000:]}"
    return ended.stdout


@pytest.mark.extras
@pytest.mark.alone
@pytest.mark.timeout(300)
def test_ray_keeps_every_promise_of_an_executor() -> None:
    """The suite, on a cluster whose nodes come and go."""
    assert_passes("ray_suite.py")


@pytest.mark.extras
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_ray_keeps_every_promise_of_an_engine() -> None:
    """Whole pipelines, with the bytes, keys and failures of the local engine; also when a node is lost under them."""
    assert_passes("ray_engine_suite.py")


@pytest.mark.extras
@pytest.mark.alone
@pytest.mark.timeout(300)
def test_files_are_scored_on_two_nodes_of_one_processor() -> None:
    """To the bytes of the local engine, also when the job is cut off; with records in the prediction log."""
    assert_passes("ray_scoring_suite.py")


def assert_passes(suite: str) -> None:
    """Run a file of tests, none of which may be skipped."""
    quiet = ["-q", "-p", "no:cacheprovider", "--show-capture=no", "-m", "not soak"]
    said = fenced("-m", "pytest", *quiet, f"tests/extras/{suite}")
    assert " passed" in said
    assert "skipped" not in said


ALONE = """
import signal, socket
import psutil
from modelyard.execution import RayExecutor
from modelyard.testing import tasks
from modelyard.testing.executors import run, task, until

mine = lambda *_: None
signal.signal(signal.SIGTERM, mine)
with RayExecutor(cpus=1) as executor:
    print(run(executor, task(tasks.add, 2, 3))[0].value)
    print("dashboard", socket.socket().connect_ex(("127.0.0.1", 8265)) == 0)
    import ray
    from ray._common.usage.usage_lib import usage_stats_enabled
    print("statistics", usage_stats_enabled())
print("signals", signal.getsignal(signal.SIGTERM) is mine)
until(lambda: not psutil.Process().children(recursive=True), 20)
print("nothing left")
"""


@pytest.mark.extras
@pytest.mark.alone
def test_a_cluster_of_ones_own_comes_and_goes() -> None:
    """Started without an address, without dashboard and statistics; all its processes end with the executor."""
    said = fenced("-W", "ignore", "-c", ALONE)
    assert said.splitlines()[-5:] == ["5", "dashboard False", "statistics False", "signals True", "nothing left"]
