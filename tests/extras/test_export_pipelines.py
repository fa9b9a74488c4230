"""Rendered pipelines, run as Kubeflow and Airflow run them, give the model that the local engine gives."""

import hashlib
import json
import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.export.subjects import changed, flights

from modelyard.export import TARGETS, Subject, write

REPOSITORY = Path(__file__).parents[2]
MODELYARD = REPOSITORY / ".venv" / "bin" / "modelyard"
INSTANT = "2026-01-05T12:00:00+00:00"
pytestmark = [pytest.mark.extras, pytest.mark.timeout(1800)]  # the first one makes the environments


def environment_of(name: str, requirement: str) -> Path:
    """The Python of an environment with one requirement; made once."""
    install = runpy.run_path(str(REPOSITORY / "benchmarks" / "environments.py"))["install"]
    return Path(install(name, [requirement])) / "bin" / "python"


@pytest.fixture(scope="module")
def kfp() -> Path:
    """Kubeflow Pipelines' SDK."""
    return environment_of("kfp", "kfp==2.14.3")


@pytest.fixture(scope="module")
def airflow() -> Path:
    """Airflow, with the operators that come along."""
    return environment_of("airflow", "apache-airflow==3.3.2")


@pytest.fixture
def shop(tmp_path: Path) -> Subject:
    """The minimal project."""
    (tmp_path / "shop").mkdir()
    return changed(tmp_path / "shop", {})


_PARSE = """
import json, sys
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
spec = json_format.ParseDict(json.load(sys.stdin), pipeline_spec_pb2.PipelineSpec())
print(json.dumps(sorted(spec.root.dag.tasks)))
"""


def specification(subject: Subject) -> dict[str, Any]:
    """The PipelineSpec of the rendered file, the first of its two documents."""
    (text,) = TARGETS["kubeflow"].render(subject).values()
    spec: dict[str, Any] = next(iter(yaml.safe_load_all(text)))
    return spec


def test_kubeflow_takes_the_pipeline(kfp: Path) -> None:
    """Every key is one that its message has, and of its type."""
    spec = specification(flights())
    ended = subprocess.run([kfp, "-c", _PARSE], input=json.dumps(spec), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert json.loads(ended.stdout.splitlines()[-1]) == sorted(spec["root"]["dag"]["tasks"])
    misspelt = {**spec, "rooot": {}}
    ended = subprocess.run([kfp, "-c", _PARSE], input=json.dumps(misspelt), capture_output=True, text=True, check=False)
    assert ended.returncode != 0


def launched(spec: dict[str, Any], folder: Path, parameters: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What each task gave: containers run as the launcher runs them, as processes here.

    It fills placeholders, and skips what a trigger does not let run, or what needs a task that was skipped.
    """
    given: dict[str, dict[str, str]] = {}
    defaults = {k: v.get("defaultValue") for k, v in spec["root"]["inputDefinitions"]["parameters"].items()}
    for name, task in spec["root"]["dag"]["tasks"].items():
        if not set(task.get("dependentTasks", ())) <= set(given):
            continue
        inputs = {
            key: {**defaults, **parameters}[source["componentInputParameter"]]
            if "componentInputParameter" in source
            else given[source["taskOutputParameter"]["producerTask"]][
                source["taskOutputParameter"]["outputParameterKey"]
            ]
            for key, source in task.get("inputs", {}).get("parameters", {}).items()
        }
        if not triggered(task.get("triggerPolicy", {}).get("condition"), inputs):
            continue
        given[name] = run_container(
            spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"], inputs, folder, name
        )
    return given


def triggered(condition: str | None, inputs: dict[str, Any]) -> bool:
    """Whether a condition of equalities holds."""
    for each in (condition or "").split(" && "):
        if each:
            key, _, wanted = each.partition(" == ")
            if inputs[key.removeprefix("inputs.parameter_values['").removesuffix("']")] != wanted.strip("'"):
                return False
    return True


def run_container(container: dict[str, Any], inputs: dict[str, Any], folder: Path, name: str) -> dict[str, str]:
    """The outputs of one container."""
    files = {key: folder / f"{name}.{key}" for key in ("artifact", "verdict")}
    values = {
        f"{{{{$.inputs.parameters['{key}']}}}}": value if isinstance(value, str) else json.dumps(value)
        for key, value in inputs.items()
    }
    values |= {f"{{{{$.outputs.parameters['{key}'].output_file}}}}": str(file) for key, file in files.items()}
    values["{{$.pipeline_job_uuid}}"] = "job-1"
    filled = [replaced(word, values) for word in container["args"]]
    assert "{{" not in "".join(filled)
    ended = subprocess.run([MODELYARD, *filled], cwd=folder / "shop", capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return {key: file.read_text() for key, file in files.items()}


def replaced(word: str, values: dict[str, str]) -> str:
    """A word with every placeholder filled."""
    for placeholder, text in values.items():
        word = word.replace(placeholder, text)
    return word


def model_digest(folder: Path) -> str:
    """The digest of the model in the bundle of the newest version."""
    out = folder.parent / f"fetched-{folder.name}"
    subprocess.run(
        [MODELYARD, "bundle", "fetch", "purchase/1", "-o", out, "--project", folder], check=True, capture_output=True
    )
    (model,) = (each for each in (out / "bundle").iterdir() if each.name.startswith("model."))
    return hashlib.sha256(model.read_bytes()).hexdigest()


def local_digest(tmp_path: Path) -> str:
    """The model's that the local engine trains at the same instant."""
    (tmp_path / "local").mkdir()
    changed(tmp_path / "local", {})
    project = str(tmp_path / "local")
    command = [str(MODELYARD), "pipeline", "run", "training", "-p", f"as_of={INSTANT}", "--project", project]
    subprocess.run(command, check=True, capture_output=True)
    return model_digest(tmp_path / "local")


def test_kubeflows_containers_give_the_model_of_the_local_engine(shop: Subject, tmp_path: Path) -> None:
    """Each with the arguments of the IR, in its order; and where the gate says no, nothing is registered."""
    spec = specification(shop)
    refused = launched(spec, tmp_path, {"as_of": INSTANT, "min_auc": 0.999})
    assert refused["gate"]["verdict"] == "fail"
    assert "register" not in refused
    given = launched(spec, tmp_path, {"as_of": INSTANT})
    assert set(given) == set(spec["root"]["dag"]["tasks"])
    assert model_digest(tmp_path / "shop") == local_digest(tmp_path)


def test_airflow_runs_the_pipeline_to_the_same_model(airflow: Path, shop: Subject, tmp_path: Path) -> None:
    """`airflow dags test` of the file with local operators."""
    write(TARGETS["airflow"].render(shop), tmp_path / "dags")
    home = tmp_path / "airflow"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags" / "local"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
        "MODELYARD_HOME": str(tmp_path / "shop"),
        "MODELYARD_BIN": str(MODELYARD),
    }
    program = airflow.parent / "airflow"
    subprocess.run([program, "db", "migrate"], env=environment, check=True, capture_output=True)
    ended = subprocess.run(
        [program, "dags", "test", "minimal-training", INSTANT, "--conf", json.dumps({"as_of": INSTANT})],
        env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]
    assert model_digest(tmp_path / "shop") == local_digest(tmp_path)


def test_the_file_with_pods_is_python() -> None:
    """Its provider is not installed here, so that it is parsed alone; the steps are those of the local file."""
    files = TARGETS["airflow"].render(flights())
    names = []
    for text in files.values():
        compile(text, "dag.py", "exec")
        names.append([line.strip() for line in text.splitlines() if line.startswith("    step_") and "= step(" in line])
    assert names[0] == names[1]
    assert len(names[0]) == 11
