"""Workflows of CI are what their schemas say, and every line of them runs: in order, each job from a fresh checkout."""

import json
import os
import runpy
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.export.subjects import changed, flights

from modelyard.control import free_ports
from modelyard.export import TARGETS, Subject, write

REPOSITORY = Path(__file__).parents[2]
BIN = REPOSITORY / ".venv" / "bin"
FILES = {"github": ".github/workflows/modelyard.yml", "gitlab": ".gitlab-ci.yml"}
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
pytestmark = [pytest.mark.extras, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def schemas() -> Path:
    """`check-jsonschema`, which brings the schemas of both along."""
    install = runpy.run_path(str(REPOSITORY / "benchmarks" / "environments.py"))["install"]
    return Path(install("check-jsonschema", ["check-jsonschema==0.39.0"])) / "bin" / "check-jsonschema"


def staged(folder: Path) -> Subject:
    """The minimal project with a gate that it passes; staging is a deployment of its own."""
    port, metrics = free_ports(2)
    sections: dict[str, object] = {
        "deployments": {
            "shop": {"model": "purchase@production"},
            "shop-staging": {"model": "purchase@staging"},
        },
        "server": {"port": port, "grpc_port": None, "metrics_port": metrics},
        "control": {"metrics_port": None, "port": None},
    }
    return gated(folder, sections)


def gated(folder: Path, sections: Mapping[str, object]) -> Subject:
    """The minimal project with limits that its model keeps."""
    folder.mkdir()
    models = yaml.safe_load((REPOSITORY / "examples" / "minimal" / "modelyard.yaml").read_text())["models"]
    models["purchase"]["gate"] = {"min_auc": 0.6, "min_precision": 0.4}
    return changed(folder, {"models": models, **sections})


@pytest.mark.parametrize("kind", FILES)
def test_workflows_are_what_their_schema_says(schemas: Path, tmp_path: Path, kind: str) -> None:
    """Of the flights, and of a project with staging; one misspelt key is noticed."""
    for number, subject in enumerate((flights(), staged(tmp_path / "shop"))):
        write(TARGETS["ci"].render(subject), tmp_path / str(number))
        check = [str(schemas), "--builtin-schema", SCHEMAS[kind]]
        file = tmp_path / str(number) / FILES[kind]
        ended = subprocess.run([*check, str(file)], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout
        file.write_text(file.read_text().replace("needs:", "neeeds:").replace("script:", "skript:"))
        assert subprocess.run([*check, str(file)], capture_output=True, check=False).returncode == 1


def jobs(subject: Subject, kind: str) -> Iterator[tuple[str, list[str], list[str], list[str]]]:
    """Each job in order: its name, what it waits for, its lines, and what is kept of it."""
    told: Any = yaml.safe_load(TARGETS["ci"].render(subject)[FILES[kind]])
    if kind == "github":
        for name, job in told["jobs"].items():
            lines = [line for step in job["steps"] if "run" in step for line in step["run"].splitlines()]
            kept = [each["with"]["path"] for each in job["steps"] if "upload-artifact" in each.get("uses", "")]
            yield name, job.get("needs", []), lines, "\n".join(kept).split()
    else:
        for name in told["stages"]:
            job = told[name]
            lines = [*told["default"]["before_script"], *job["script"]]
            yield name, job.get("needs", []), lines, job.get("artifacts", {}).get("paths", [])


def test_both_workflows_have_the_same_jobs_and_lines(tmp_path: Path) -> None:
    """So that running one of them shows what both do."""
    for subject in (flights(), staged(tmp_path / "shop")):
        assert list(jobs(subject, "github")) == list(jobs(subject, "gitlab"))


def environment_of(folder: Path) -> dict[str, str]:
    """That of a runner: the stores are beyond it, and what is to be installed is there."""
    stores = {
        "RECORDS": f"sqlite:///{folder}/records.db",
        "TRACKING": f"sqlite:///{folder}/mlflow.db",
        "ARTIFACTS": str(folder / "artifacts"),
        "WORKSPACE": str(folder / "workspace"),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODELYARD_", "PIP_"))}
    addresses = {f"MODELYARD_STORES_{name}": value for name, value in stores.items()}
    return {
        **kept,
        **addresses,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "STAGING_URL": "",
        "MODELYARD_API_KEY": "",
    }


def run_jobs(subject: Subject, folder: Path, environment: dict[str, str], names: Sequence[str]) -> None:
    """Each of these jobs in order, from a fresh checkout; what it keeps is there afterwards."""
    done: list[str] = []
    for name, needs, lines, kept in jobs(subject, "github"):
        assert set(needs) <= {*done, *(set(needs) - set(names))}
        if name not in names:
            continue
        checkout = folder / f"{name}-{len(subject.deployments)}"
        shutil.copytree(folder / "shop", checkout)
        ended = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(lines)],
            cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert ended.returncode == 0, f"{name}:\n{ended.stdout[-2000:]}\n{ended.stderr[-3000:]}"
        assert [each for each in kept if not (checkout / each).exists()] == []
        done.append(name)
    assert done == list(names)


def test_every_line_of_a_workflow_runs(tmp_path: Path) -> None:
    """From the tests to the monitors: a server in staging answers its golden rows; without one, the bundle does."""
    subject = staged(tmp_path / "shop")
    (tmp_path / "shop" / "tests").mkdir()
    (tmp_path / "shop" / "tests" / "test_sums.py").write_text("def test_sums() -> None:\n    assert 1 + 1 == 2\n")
    environment = environment_of(tmp_path)
    run_jobs(subject, tmp_path, environment, ("check", "data", "train", "staging", "smoke", "production", "monitor"))
    listed = subprocess.run(
        [BIN / "modelyard", "model", "list", "--stage", "production", "--json"],
        cwd=tmp_path / "shop", env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert [each["number"] for each in json.loads(listed)] == [1]
    shutil.rmtree(tmp_path / "shop")
    alone = gated(tmp_path / "shop", {})
    run_jobs(alone, tmp_path, environment, ("staging", "smoke", "production"))
