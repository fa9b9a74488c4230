"""An embedder through staging to production, and an application, which no smoke test can prove; shadows of both."""

import json
import shutil
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.control import free_ports
from modelyard.core import Judgement, Verdict
from modelyard.generation import Application, Target
from modelyard.inference import load_embedder, verify_bundle
from modelyard.llm import application_bundle
from modelyard.rollout import last_smoke
from modelyard.testing import faulty_upstream
from modelyard.wiring import Project

from ..rollout.test_smoke import answering, good
from ..tiny_embedder import build_tiny
from .test_deploy import Command, command, serving

__all__ = ["command"]

pytestmark = [
    pytest.mark.timeout(170),
    pytest.mark.filterwarnings("ignore"),  # MLflow's and its dependencies' own
]

PROJECT = """
project: vectors
server: {{port: {}, grpc_port: null, metrics_port: {}}}
control: {{metrics_port: null, port: null}}
upstreams: {{one: {{url: '{}'}}}}
deployments:
  mini: {{model: mini@production}}
  mini-staging: {{model: mini@staging}}
  desk: {{model: desk@production}}
  desk-staging: {{model: desk@staging}}
"""
TEXTS = ["the quick fox", "hunts at night"]


@pytest.fixture(scope="module")
def embedders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """An embedder, the same in int8, and one that was trained otherwise."""
    folder = tmp_path_factory.mktemp("embedders")
    return (
        build_tiny(folder / "one"),
        build_tiny(folder / "int8", quantize=True),
        build_tiny(folder / "other", seed=1),
    )


def project_of(folder: Path, tables: Path, *embedders: Path, upstream: str = "http://127.0.0.1:1/v1") -> Path:
    """A project with versions of an embedder and three of an application, none of them deployed."""
    (folder / ".modelyard").mkdir(parents=True)
    (folder / "modelyard.yaml").write_text(PROJECT.format(*free_ports(2), upstream))
    shutil.copy(tables, folder / ".modelyard" / "mlflow.db")
    desks = [folder / model for model in ("answer", "tool", "no-usage")]
    for each in desks:
        application_bundle(each, "desk", Application((Target("one", each.name),)), None)
    project = Project(folder, environment={})
    for name, bundle in (*(("mini", each) for each in embedders), *(("desk", each) for each in desks)):
        project.models.register(
            name, principal=project.principal, bundle=bundle, digest=verify_bundle(bundle)[1],
            gates=(Judgement(Verdict.PASS),), metrics={"worst": 0.0}, params={"seed": 0},
        )  # fmt: skip
    project.close()
    return folder


def test_an_embedder_is_proved_in_staging_and_watched_by_a_shadow(
    tmp_path: Path,
    mlflow_tables: Path,
    embedders: tuple[Path, Path, Path],
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As a model is: golden texts before production, then copies to a shadow whose answers are compared."""
    one, int8, other = embedders
    folder = project_of(tmp_path / "project", mlflow_tables, one, int8, other)
    with serving(folder) as address:
        code, told, _ = command(folder, "deploy", "--model", "mini", "--version", "1", "--env", "staging")
        assert (code, [each["passed"] for each in told["smoke"]], told["untested"]) == (0, [True], "")
        (smoke,) = told["smoke"]
        assert (smoke["rows"], smoke["skipped"], smoke["address"]) == (13, 3, address)
        assert smoke["worst"] <= smoke["tolerance"] == 1e-6
        assert told["next"] == "modelyard deploy --model mini --version 1 --env production"

        assert command(folder, "deploy", "--model", "mini", "--version", "1", "--env", "production")[0] == 0
        code, told, _ = command(folder, "deploy", "smoke", "mini")
        assert (code, told["passed"], told["deployment"]) == (0, True, "mini")
        code, told, err = command(folder, "deploy", "--model", "mini", "--version", "2", "--env", "production")
        assert (code, told["error"]["code"]) == (4, "NO_SMOKE")

        elsewhere = project_of(tmp_path / "elsewhere", mlflow_tables, other)
        assert command(elsewhere, "deploy", "--model", "mini", "--version", "1", "--env", "staging")[0] == 0
        code, told, err = command(elsewhere, "deploy", "smoke", "mini-staging", "--url", address)
        assert (code, told["error"]["code"]) == (1, "OTHER_VERSION")
        assert "fp_" in err

        assert command(folder, "rollout", "start", "mini", "--to", "2", "--strategy", "shadow")[0] == 0
        asked(folder, f"{address}/v1/embeddings", {"model": "mini", "input": TEXTS}, until_copied=20)
        code, told, _ = command(folder, "rollout", "diff", "mini")
        assert (code, told["kind"], told["verdict"]) == (6, "vectors", "inconclusive")
        assert told["measured"][0]["count"] == 0
        assert -0.01 < told["deltas"]["quantiles"]["min"] < 0
        code, told, _ = command(folder, "log", "query", "--deployment", "mini", "--arm", "shadow")
        assert code == 0
        for words in (("rollout", "status", "mini"), ("rollout", "diff", "mini"), ("status",)):
            monkeypatch.setattr("sys.argv", ["modelyard", *words, "--project", str(folder)])
            assert run(root) in (0, 6)
            out, err = capsys.readouterr()
            assert "Traceback" not in out + err
    assert audited(folder) == 2


def test_a_prompt_is_watched_as_a_shadow_by_how_its_texts_end(
    tmp_path: Path, mlflow_tables: Path, command: Command
) -> None:
    """One that calls a tool where live speaks is told from one that only says it otherwise."""
    question = {"model": "desk", "messages": [{"role": "user", "content": "are you open"}]}
    with faulty_upstream() as upstream:
        folder = project_of(tmp_path / "project", mlflow_tables, upstream=upstream.url)
        project = Project(folder, environment={})
        project.promotions.promote("desk", 1, "production", project.principal, "")
        project.close()
        with serving(folder) as address:
            for version, wanted, share in (("2", (1, "texts", "differs"), 1), ("3", (6, "texts", "inconclusive"), 0)):
                assert command(folder, "rollout", "start", "desk", "--to", version, "--strategy", "shadow")[0] == 0
                asked(folder, f"{address}/v1/chat/completions", question, until_copied=20, version=version)
                code, told, err = command(folder, "rollout", "diff", "desk")
                assert (code, told["kind"], told["verdict"]) == wanted, err
                assert (told["shadow_version"], told["measured"][0]["share"]) == (version, share)
                assert told["pairs"] >= 20
                assert command(folder, "rollout", "abort", "desk", "--reason", "seen")[0] == 0


def asked(folder: Path, address: str, question: object, *, until_copied: int, version: str = "2") -> None:
    """Ask, one question after another, until so many copies of a version are on record."""
    project, body = Project(folder, environment={}), json.dumps(question).encode()
    name = "mini" if address.endswith("embeddings") else "desk"

    def copied() -> int:
        versions = project.log.predictions(name, arm="shadow", columns=("model_version",)).column("model_version")
        return int(versions.to_pylist().count(version))

    deadline = time.monotonic() + 60
    while copied() < until_copied:
        assert time.monotonic() < deadline
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
    project.close()


def audited(folder: Path) -> int:
    """How many smoke tests the audit knows."""
    project = Project(folder, environment={})
    found = [each.body["action"] for each in project.audit.entries()]
    project.close()
    return found.count("deploy.smoke")


@pytest.fixture
def deployed(tmp_path: Path, mlflow_tables: Path, embedders: tuple[Path, Path, Path]) -> Path:
    """A project whose embedder and application are in staging, while no server runs."""
    folder = project_of(tmp_path / "project", mlflow_tables, embedders[0])
    project = Project(folder, environment={})
    for name in ("mini", "desk"):
        project.promotions.promote(name, 1, "staging", project.principal, "")
    project.close()
    return folder


def test_an_embedder_that_answers_otherwise_does_not_go_to_production(
    deployed: Path, embedders: tuple[Path, Path, Path], command: Command
) -> None:
    """It is on record with the texts that were wrong, and what deploys it says so."""
    embedder = load_embedder(embedders[0])

    def turned(text: str) -> tuple[int, Any]:
        status, told = good(embedder, text)
        if status == 200:
            told["data"][0]["embedding"].reverse()
        return status, told

    with answering(turned, name="mini-staging") as address:
        code, told, err = command(deployed, "deploy", "smoke", "mini-staging", "--url", address)
    assert (code, told["passed"], "one minus the cosine" in err) == (1, False, True)
    assert "rollout rollback mini-staging" in err
    code, told, err = command(deployed, "deploy", "--model", "mini", "--version", "1", "--env", "production")
    assert (code, told["error"]["code"], "it failed at 'mini-staging': text 0" in err) == (4, "NO_SMOKE", True)
    project = Project(deployed, environment={})
    with project.records.snapshot() as view:
        kept = last_smoke(view, "mini-staging", verify_bundle(embedders[0])[1])
    project.close()
    assert kept is not None
    assert (kept.passed, kept.rows, kept.tolerance) == (False, 13, 1e-6)
    assert audited(deployed) == 1


def test_an_application_is_refused_and_told_what_proves_it(deployed: Path, command: Command) -> None:
    """It has no golden rows: staging stands untested, and production names the suite and the setting."""
    code, told, err = command(deployed, "deploy", "smoke", "desk-staging")
    assert (code, told["error"]["code"]) == (4, "NO_GOLDEN_ROWS")
    assert "modelyard llm eval SUITE --deployment desk-staging" in err
    staging = ("deploy", "--model", "desk", "--version", "1", "--env", "staging")
    code, told, err = command(deployed, *staging)
    assert (code, told["smoke"]) == (0, [])
    assert "no golden rows" in told["untested"]
    assert told["next"] == "modelyard llm eval SUITE --deployment desk-staging"
    code, told, err = command(deployed, "deploy", "--model", "desk", "--version", "1", "--env", "production")
    assert (code, told["error"]["code"]) == (4, "NO_SMOKE")
    assert "modelyard llm eval SUITE --application desk --version 1" in err
    assert "{desk: {needs_smoke: false}}" in err
    assert audited(deployed) == 0


def test_a_server_that_takes_no_golden_text_proves_nothing(deployed: Path, command: Command) -> None:
    """All of them refused as too long: nothing was wrong, and it is no pass."""
    refusal = {"error": {"message": "It is too long.", "code": "context_length_exceeded"}}
    with answering(lambda _: (400, refusal), name="mini-staging") as address:
        code, told, err = command(deployed, "deploy", "smoke", "mini-staging", "--url", address)
    assert (code, told["passed"], told["rows"]) == (1, False, 0)
    assert "no golden row that a request can carry" in err
