"""Metrics of rankings beside `ranx`, in an environment of its own: it brings numba and pandas of its choice."""

import json
import runpy
import subprocess
from pathlib import Path

import numpy as np
import pytest

from modelyard.llm import METRICS

REPOSITORY = Path(__file__).parents[2]
pytestmark = [pytest.mark.extras, pytest.mark.timeout(900)]  # the first one makes the environment

THEIRS = """
import json, sys
from ranx import Qrels, Run, evaluate
asked = json.load(sys.stdin)
qrels, run = Qrels(asked["relevant"]), Run(asked["scores"])
evaluate(qrels, run, asked["metrics"])
print(json.dumps({name: dict(each) for name, each in run.scores.items()}))
"""


def test_metrics_equal_those_of_ranx() -> None:
    """Recall, reciprocal rank and nDCG of 200 rankings of chance, question by question, to 1e-9."""
    random = np.random.default_rng(3)
    relevant: dict[str, dict[str, int]] = {}
    scores: dict[str, dict[str, float]] = {}
    for question in range(200):
        gains = random.integers(0, 4, 30) * (random.random(30) < 0.2)
        gains[random.integers(30)] = 1
        ranked = random.permutation(30)[: random.integers(1, 30)]
        relevant[f"q{question}"] = {f"d{at}": int(gain) for at, gain in enumerate(gains) if gain}
        scores[f"q{question}"] = {f"d{at}": float(-rank) for rank, at in enumerate(ranked)}
    names = [f"{name}@{k}" for name in METRICS for k in (1, 5, 10)]
    theirs = asked_of_ranx({"relevant": relevant, "scores": scores, "metrics": names})
    for name in names:
        measure, k = METRICS[name.partition("@")[0]], int(name.partition("@")[2])
        for asked, found in scores.items():
            ours = measure(list(found), {each: float(gain) for each, gain in relevant[asked].items()}, k)
            assert ours == pytest.approx(theirs[name][asked], abs=1e-9), (name, asked)


def asked_of_ranx(asked: dict[str, object]) -> dict[str, dict[str, float]]:
    """Its values by metric and question."""
    install = runpy.run_path(str(REPOSITORY / "benchmarks" / "environments.py"))["install"]
    python = str(Path(install("ranx", ["ranx==0.3.21"])) / "bin" / "python")
    ended = subprocess.run([python, "-c", THEIRS], input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    told: dict[str, dict[str, float]] = json.loads(ended.stdout.splitlines()[-1])
    return told
