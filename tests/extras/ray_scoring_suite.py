"""Run by `test_ray.py` where nothing but loopback can be reached: files are scored on a cluster of two small nodes."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.conftest import NOON, training_table

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.execution import RayExecutor
from modelyard.history import PredictionLog
from modelyard.inference import load_bundle
from modelyard.scoring import BatchDone, BatchJob, JobCutOff, LogInto, Progress, Spread, score_batch

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")  # Ray's own

ROWS = 2000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A head without processors and two nodes with one each, all on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.ERROR)
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Rows to score, in a file of several row groups."""
    pq.write_table(training_table(ROWS, seed=7), tmp_path / "in.parquet", row_group_size=300)
    return str(tmp_path / "in.parquet")


def contents(output: Path) -> dict[str, bytes]:
    """The bytes of the files of a folder."""
    return {each.name: each.read_bytes() for each in sorted(output.iterdir())}


def test_nodes_give_the_bytes_that_threads_give(address: str, source: str, built: BuiltBundle, tmp_path: Path) -> None:
    """Also when the job is cut off and goes on there; and each answer is on record once."""
    bundle = load_bundle(built.path)
    bundle.quicken()

    def score(name: str, *, resume: bool = False, **given: Any) -> BatchDone:
        into = LogInto(tmp_path / name / "journal", "nightly")
        job = BatchJob(source, str(tmp_path / name / "out"), ids=True, log=into, resume=resume)
        return score_batch(job, bundle, clock=ManualClock(NOON), part_rows=64, **given)

    class Stop(Exception):
        pass

    def stop(done: Progress) -> None:
        raise Stop

    score("threads")
    with RayExecutor(address) as executor, pytest.raises(Stop):
        score("nodes", spread=Spread(executor, built.path), watch=stop)
    with pytest.raises(JobCutOff):
        score("nodes")
    with RayExecutor(address) as executor:
        done = score("nodes", spread=Spread(executor, built.path), resume=True)
    assert (done.rows, done.parts) == (ROWS, 32)
    assert done.resumed >= 1
    assert contents(tmp_path / "nodes" / "out") == contents(tmp_path / "threads" / "out")
    log = PredictionLog(tmp_path / "nodes" / "journal", tmp_path / "nodes" / "log")
    ids = log.predictions("nightly").column("prediction_id").to_pylist()
    assert len(ids) == len(set(ids)) == ROWS
