"""PyTorch modules become ONNX bundles that answer as they do, with Debian's PyTorch behind our own interpreter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.extras
def test_modules_are_exported_and_answer_alike(tmp_path: Path) -> None:
    """A pickled classifier, a scripted one of three classes, a scripted regression; logits are refused."""
    told = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("with_torch.py")), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    made = json.loads(told.stdout)
    logits = made.pop("logits")
    assert "no probabilities" in logits
    assert "torch.nn.Sigmoid()" in logits
    assert list(made) == ["binary", "classes", "value"]
    for each in made.values():
        assert each["runtime"] == "onnx"
        assert each["error"] < 1e-6


@pytest.mark.extras
def test_a_module_is_logged_with_its_signature_and_comes_back(tmp_path: Path) -> None:
    """By MLflow's own flavour, under the seed of its run."""
    told = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("with_torch_run.py"))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert told.returncode == 0, told.stderr
    made = json.loads(told.stdout.splitlines()[-1])
    assert made["answers"][0] == made["answers"][1]
    assert made["flavors"] == ["python_function", "pytorch"]
    assert "float32" in made["outputs"]
