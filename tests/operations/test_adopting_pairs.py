"""Sixteen real models with their data are adopted, served, and asked."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modelyard import adopt
from modelyard.control import free_ports
from modelyard.operations.adopting import Adopted
from modelyard.wiring import Project

from .adopted_pairs import PAIRS, Maker

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("untold_mlflow")]


@contextmanager
def serving(adopted: Adopted) -> Iterator[str]:
    """The command that adopting tells, run as told but for the ports; gives what stands in place of `:8080`."""
    port, grpc_port, metrics_port = free_ports(3)
    place = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ports = f"--port {port} --grpc-port {grpc_port} --metrics-port {metrics_port}"
    process = subprocess.Popen(["bash", "-c", f"exec {adopted.serve} {ports}"], env={**os.environ, "PATH": place})
    try:
        yield f":{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def asked(adopted: Adopted, place: str) -> Any:
    """The answer to the question that adopting tells; it is asked again until the server is there."""
    for _ in range(600):
        done = subprocess.run(
            ["bash", "-c", adopted.ask.replace(":8080", place)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and "NOT_READY" not in done.stdout:
            return json.loads(done.stdout)
        time.sleep(0.1)
    raise AssertionError(done)


@pytest.mark.long
@pytest.mark.parametrize("maker", PAIRS, ids=lambda maker: maker.__name__)
def test_a_real_model_with_its_data_is_adopted_and_serves(
    maker: Maker, mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the task and the runtime that suit it, by the very commands that are told; its answers are the model's."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    shutil.copy(mlflow_tables, tmp_path / "elsewhere.db")
    pair = maker(tmp_path)
    into = tmp_path / "project"
    (into / ".modelyard").mkdir(parents=True)
    shutil.copy(mlflow_tables, into / ".modelyard" / "mlflow.db")
    adopted = adopt(pair.model, pair.data, pair.target, into=into, **pair.options)
    assert (adopted.task, adopted.runtime, adopted.version, adopted.verdict) == (pair.task, pair.runtime, 1, "pass")
    assert adopted.row_us is not None
    assert ("no fast runtime" in str(adopted)) is (pair.runtime in ("python", "lightgbm"))
    project = Project(into, environment={})
    assert project.models.get(adopted.name, 1).metrics == adopted.metrics
    assert project.datasets.get(*adopted.dataset.split("@")).rows == adopted.rows
    project.close()
    with serving(adopted) as place:
        answer = asked(adopted, place)
    assert answer["model_version"] == "1"
    expected = pytest.approx(pair.answer, rel=1e-5) if isinstance(pair.answer, float) else pair.answer
    assert answer["prediction"] == expected
