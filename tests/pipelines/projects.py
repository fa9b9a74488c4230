"""Small projects whose pipelines tests run in worker processes, and kill."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

PROJECT = """
project: counting
pipelines:
  counting: {module: counting.py}
"""

OTHER = """
FACTOR = 2


def times(value):
    return value * FACTOR
"""

PIPELINE = """
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

import modelyard as my
from other import times


class Model:
    def __init__(self, weights):
        self.weights = weights


@my.step
def numbers(count: int) -> list[int]:
    print("counting to", count)
    return list(range(count))


@my.step
def double(value: int) -> int:
    return times(value)


@my.step(kind="train")
def fit(values: list[int]) -> Model:
    return Model(np.random.rand(3) + sum(values))


@my.step
def table(values: list[int]) -> tuple[pa.Table, dict]:
    return pa.table({"x": values}), {"n": len(values)}


@my.step(kind="evaluate")
def score(model: Model, rows: pa.Table, n: int) -> dict[str, float]:
    return {"weight": float(model.weights.sum()), "n": float(n), "rows": float(len(rows))}


@my.step(kind="register")
def register(metrics: dict, gates: list) -> str:
    with (Path(__file__).parent / "registered").open("a") as file:
        file.write(my.context().run_id + "\\n")
    return my.context().run_id


@my.pipeline
def counting(count: int = 3) -> None:
    values = numbers(count)
    model = fit(double(my.each(values)))
    rows = table(values)
    metrics = score(model, rows[0], rows[1]["n"])
    register(metrics, [my.gate(metrics, {"n": 2.0})])
"""


def write_project(folder: Path, pipeline: str = PIPELINE, **files: str) -> Path:
    """A project with one pipeline, `counting`."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"modelyard.yaml": PROJECT, "other.py": OTHER, "counting.py": pipeline}
    for name, text in texts.items():
        (folder / name).write_text(textwrap.dedent(text))
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


RUNNER = """
import sys
from modelyard.pipelines import find_run
from modelyard.wiring import Project

project = Project(sys.argv[1], environment={})
try:
    if find_run(project.records, "run") is None:
        project.pipelines.run("counting", {}, run_id="run")
    else:
        project.pipelines.resume("run")
finally:
    project.close()
"""


def run_apart(folder: Path, **environment: str) -> int:
    """Run, or resume, the run `run` in a process of its own; its exit code, negative when a signal ended it."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUNNER, str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode in (0, 1, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def outputs(project: Any, run_id: str) -> dict[str, Any]:
    """What every step of a run gave, by digest; without the steps that name their run."""
    from modelyard.pipelines import find_run

    run = find_run(project.records, run_id)
    assert run is not None
    assert run.state == "done", json.dumps(run.reasons)
    return {each.name: each.output.identity for each in run.steps if each.output and each.kind != "register"}
