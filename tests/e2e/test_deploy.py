"""A version goes to staging, proves itself on its golden rows over HTTP, and only then to production."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.control import free_ports
from modelyard.core import Judgement, Verdict
from modelyard.rollout import last_smoke
from modelyard.wiring import Project

pytestmark = [
    pytest.mark.timeout(170),
    pytest.mark.filterwarnings("ignore"),  # MLflow's and its dependencies' own
]

PROJECT = """
project: bank
server: {{port: {}, grpc_port: null, metrics_port: {}}}
control: {{metrics_port: null, port: null}}
models:
  fraud: {{label: fraud, request: {{amount: number}}, features: [amount]}}
deployments:
  fraud: {{model: fraud@production}}
  fraud-staging: {{model: fraud@staging}}
"""

Command = Callable[..., tuple[int, Any, str]]


def bank(folder: Path, tables: Path, *bundles: BuiltBundle) -> Path:
    """A project with these versions of a model, none of them deployed."""
    (folder / ".modelyard").mkdir(parents=True)
    (folder / "modelyard.yaml").write_text(PROJECT.format(*free_ports(2)))
    shutil.copy(tables, folder / ".modelyard" / "mlflow.db")
    project = Project(folder, environment={})
    for each in bundles:
        register(project, each, metrics={"auc": 0.9}, params={"max_iter": 10})
    project.close()
    return folder


def register(project: Project, bundle: BuiltBundle, **told: Any) -> None:
    """One more version."""
    gates = (Judgement(Verdict.PASS),)
    project.models.register(
        "fraud", principal=project.principal, bundle=bundle.path, digest=bundle.digest, gates=gates, **told
    )


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `modelyard … --json` in a project, as the process edge does."""

    def call(folder: Path, *words: str) -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", *words, "--project", str(folder), "--json"])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, json.loads(out), err

    return call


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """`modelyard serve` of a project, and its address; ready when it beats."""
    command = [sys.executable, "-m", "modelyard", "serve", "--project", str(folder)]
    project = Project(folder, environment={})
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while not project.feed.statuses(time.time_ns() // 1000):  # type: ignore[arg-type]
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield f"http://127.0.0.1:{project.settings.server.port}"
        finally:
            project.close()
            process.terminate()


def test_the_way_to_production_leads_through_staging(
    tmp_path: Path, mlflow_tables: Path, built: BuiltBundle, strict_bundle: BuiltBundle, command: Command
) -> None:
    """Refused without a smoke test, tested where a server runs, then deployed; each bundle for itself."""
    folder = bank(tmp_path / "bank", mlflow_tables, built, strict_bundle)
    one = ("deploy", "--model", "fraud", "--version", "1", "--env")

    code, told, err = command(folder, *one, "production")
    assert (code, told["error"]["code"]) == (4, "NO_SMOKE")
    assert "modelyard deploy --model fraud --version 1 --env staging" in err
    code, told, err = command(folder, "deploy", "smoke")
    assert (code, told["error"]["code"]) == (5, "NO_ROLLOUT")

    code, told, err = command(folder, *one, "staging")
    assert (code, told["smoke"], told["events"][0]["kind"]) == (0, [], "deployed")
    assert "No server runs" in told["untested"]
    code, told, err = command(folder, "deploy", "smoke", "fraud-staging")
    assert (code, told["error"]["code"]) == (1, "NO_SERVER")
    assert "modelyard up" in err

    with serving(folder) as address:
        code, told, _ = command(folder, "deploy", "smoke")
        assert (code, told["passed"], told["version"], told["address"]) == (0, True, 1, address)
        assert told["rows"] > 10
        assert told["worst"] <= told["tolerance"]
        asked = logged(folder, "fraud-staging")
        assert len(asked) == told["rows"]

        code, told, _ = command(folder, *one, "prod")
        assert (code, told["environment"], told["deployments"]) == (0, "production", ["fraud"])
        assert logged(folder, "fraud") == []

        code, told, err = command(folder, "deploy", "--model", "fraud", "--version", "2", "--env", "production")
        assert (code, told["error"]["code"]) == (4, "NO_SMOKE")
        assert "was not run for this bundle" in err
        code, told, _ = command(folder, "deploy", "--model", "fraud", "--version", "2", "--env", "staging")
        assert (code, [each["passed"] for each in told["smoke"]]) == (0, [True])
        assert told["next"] == "modelyard deploy --model fraud --version 2 --env production"

        other = bank(tmp_path / "other", mlflow_tables, strict_bundle, built)
        assert command(other, "deploy", "--model", "fraud", "--version", "2", "--env", "staging")[0] == 0
        code, told, err = command(other, "deploy", "smoke", "--url", address)
        assert (code, told["passed"]) == (1, False)
        assert "row 0:" in err
        code, told, err = command(other, "deploy", "--model", "fraud", "--version", "2", "--env", "production")
        assert (code, told["error"]["code"]) == (4, "NO_SMOKE")
        assert "it failed at 'fraud-staging'" in err
        assert command(other, "deploy", "--model", "fraud", "--version", "1", "--env", "staging")[0] == 0
        code, told, err = command(other, "deploy", "smoke", "--url", address)
        assert (code, told["error"]["code"]) == (1, "OTHER_VERSION")


def logged(folder: Path, deployment: str) -> list[dict[str, Any]]:
    """What the log of a deployment has."""
    project = Project(folder, environment={})
    found: list[dict[str, Any]] = project.log.predictions(deployment, columns=("answered",)).to_pylist()
    project.close()
    return found


def test_what_nobody_can_judge_is_not_deployed(
    tmp_path: Path, mlflow_tables: Path, built: BuiltBundle, command: Command
) -> None:
    """No metrics, no parameters, no gate, an environment that is none, a version that is none: each with its remedy."""
    folder = bank(tmp_path / "bank", mlflow_tables, built)
    project = Project(folder, environment={})
    register(project, built)
    project.models.register(
        "fraud", principal=project.principal, bundle=built.path, digest=built.digest,
        gates=(Judgement(Verdict.FAIL, ("auc is 0.5",)),), metrics={"auc": 0.5}, params={"max_iter": 1},
    )  # fmt: skip
    project.close()

    def deploy(version: str, env: str, model: str = "fraud") -> tuple[int, str, str]:
        code, told, err = command(folder, "deploy", "--model", model, "--version", version, "--env", env)
        return code, told["error"]["code"], err

    code, name, err = deploy("2", "staging")
    assert (code, name, "without metrics and parameters" in err) == (4, "NOT_DEPLOYABLE", True)
    code, name, err = deploy("3", "staging")
    assert (code, name, "auc is 0.5" in err) == (4, "NOT_SERVABLE", True)
    code, name, err = deploy("1", "stagging")
    assert (code, name, "staging" in err) == (2, "NO_ENVIRONMENT", True)
    assert deploy("9", "staging")[0] == 5
    assert deploy("1", "staging", model="fruad")[0] == 5


def test_production_may_declare_that_it_needs_no_smoke_test(
    tmp_path: Path, mlflow_tables: Path, built: BuiltBundle, command: Command
) -> None:
    """And a project without staging is told how to declare one, or that."""
    folder = bank(tmp_path / "bank", mlflow_tables, built)
    file = folder / "modelyard.yaml"
    text = file.read_text().replace("  fraud-staging: {model: fraud@staging}\n", "")
    file.write_text(text)
    words = ("deploy", "--model", "fraud", "--version", "1", "--env")
    code, told, err = command(folder, *words, "staging")
    assert (code, told["error"]["code"]) == (5, "NO_ENVIRONMENT")
    assert "fraud-staging: {model: fraud@staging}" in err
    code, told, err = command(folder, *words, "production")
    assert (code, told["error"]["code"], "needs_smoke: false" in err) == (4, "NO_SMOKE", True)
    file.write_text(text.replace("{model: fraud@production}", "{model: fraud@production, needs_smoke: false}"))
    assert command(folder, *words, "production")[0] == 0


def test_a_smoke_test_is_on_record(tmp_path: Path, mlflow_tables: Path, built: BuiltBundle, command: Command) -> None:
    """In the record store by deployment and bundle, and in the audit with who asked."""
    folder = bank(tmp_path / "bank", mlflow_tables, built)
    with serving(folder):
        assert command(folder, "deploy", "--model", "fraud", "--version", "1", "--env", "staging")[0] == 0
    project = Project(folder, environment={})
    with project.records.snapshot() as view:
        found = last_smoke(view, "fraud-staging", built.digest)
        assert last_smoke(view, "fraud", built.digest) is None
    assert found is not None
    assert (found.passed, found.by, found.version) == (True, project.principal.name, 1)
    actions = [each.body["action"] for each in project.audit.entries()]
    assert actions.count("deploy.smoke") == 1
    project.close()
