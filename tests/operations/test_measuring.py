"""What a server of a bundle needs is measured in a process of its own, and raises what pods ask for."""

import shutil
from pathlib import Path

import pytest
import yaml

from modelyard.bundling import BuiltBundle
from modelyard.core import Failed, InvalidInput
from modelyard.export import TARGETS
from modelyard.operations.export import subject_of
from modelyard.operations.measuring import measured
from modelyard.wiring import Project

PROJECT = """
project: bank
models:
  fraud: {label: fraud, request: {amount: number}, features: [amount]}
  other: {label: fraud, request: {amount: number}, features: [amount]}
deployments:
  fraud: {model: fraud@production}
  other: {model: other@production}
export:
  server: {memory: 16Mi, memory_limit: 32Mi}
"""


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A project one of whose deployments serves the bundle's model, and asks for far too little."""
    (tmp_path / "modelyard.yaml").write_text(PROJECT)
    return tmp_path


def test_a_deployment_asks_for_what_its_bundle_was_measured_to_need(bank: Path, built: BuiltBundle) -> None:
    """More than a bare interpreter has; a deployment of another model asks for what is declared."""
    project = Project(bank, environment={})
    subject = subject_of(project, built.path)
    project.close()
    assert set(subject.measured) == {"fraud"}
    need = subject.measured["fraud"]
    assert need.memory_bytes > 50 << 20
    assert need.seconds > 0
    asked = {}
    for name, text in TARGETS["kubernetes"].render(subject).items():
        if name.startswith("base/") and name.endswith("-deployment.yaml"):
            pod = yaml.safe_load(text)["spec"]["template"]["spec"]
            asked[name] = int(pod["containers"][0]["resources"]["requests"]["memory"].removesuffix("Mi"))
    told = {name.removeprefix("base/bank-").removesuffix("-deployment.yaml"): each for name, each in asked.items()}
    assert told == {"fraud": -(-need.memory_bytes // (1 << 20)), "other": 16}


def test_a_bundle_of_no_deployment_is_refused_before_it_is_loaded(bank: Path, strict_bundle: BuiltBundle) -> None:
    """By the name of its model."""
    (bank / "modelyard.yaml").write_text(PROJECT.replace("fraud@production", "other@production"))
    project = Project(bank, environment={})
    with pytest.raises(InvalidInput, match="bundle of 'fraud', which no deployment serves") as raised:
        subject_of(project, strict_bundle.path)
    project.close()
    assert "other" in raised.value.remedy


def test_a_bundle_that_cannot_be_loaded_is_told(built: BuiltBundle, tmp_path: Path) -> None:
    """With the last word of the process that tried, and what to do."""
    broken = tmp_path / "broken"
    shutil.copytree(built.path, broken)
    (broken / "bundle.json").write_text("{}")
    with pytest.raises(Failed, match="cannot be loaded") as raised:
        measured(broken, built.digest)
    assert "modelyard bundle verify" in raised.value.remedy
