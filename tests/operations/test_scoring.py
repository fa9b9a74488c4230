"""Scoring with versions of a project, by name, by URI, and with a bundle where there is no project."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from tests.conftest import NOON, training_table

import modelyard as my
from modelyard.bundling import BuiltBundle
from modelyard.cli import main
from modelyard.core import InvalidInput, ManualClock, NotFound, SeededIds
from modelyard.operations import carry_out, logs, scoring
from modelyard.registry import ModelVersionNotFound
from modelyard.rollout import NoRollout
from modelyard.storage import StoreUnavailable
from modelyard.streams import Message, open_stream
from modelyard.wiring import Project

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


@pytest.fixture
def project(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A trained project, in whose folder one is."""
    monkeypatch.chdir(shop)
    project = Project(shop, clock=ManualClock(NOON), ids=SeededIds(3), environment={})
    yield project
    project.close()


@pytest.fixture
def visits(project: Project) -> Path:
    """Rows that its model takes."""
    rows = project.services.dataset("visits", NOON).slice(0, 30)
    pq.write_table(rows, "visits.parquet")
    return Path("visits.parquet")


def test_a_version_is_named_as_elsewhere(project: Project, visits: Path) -> None:
    """By alias, number or URI, and by the run that registered it; the version goes with each row."""
    run = project.models.get("purchase", 1).run
    project.close()
    for at, uri in enumerate(["models:/purchase/1", f"runs:/{run}/model"]):
        assert my.batch_predict(uri, visits, f"out{at}.parquet", batch_size=7) == 30
        assert set(pq.read_table(f"out{at}.parquet").column("model_version").to_pylist()) == {"1"}
    with pytest.raises(ModelVersionNotFound):
        my.batch_predict("models:/purchase/7", visits, "none.parquet")
    with pytest.raises(NotFound, match="No version of this project was registered from run nosuch"):
        my.batch_predict("runs:/nosuch/model", visits, "none.parquet")


def test_what_an_operation_is_told(project: Project, visits: Path) -> None:
    """Model, version, rows, and where they are."""
    told = carry_out(scoring.score, project, scoring.Score(str(visits), "out", "purchase/1", ids=True))
    assert told["output"] == "out"
    assert (told["model"], told["model_version"], told["rows"], told["parts"]) == ("purchase", "1", 30, 1)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"model": "purchase", "bundle": Path("b")}, "Name one model"),
        ({}, "Name one model"),
        ({"model": "purchase/1", "engine": "spark"}, "no engine 'spark'"),
        ({"model": "purchase/1", "entities": True}, "takes no features of views"),
        ({"model": "purchase/1", "on_bad_row": "ignore"}, "--on-bad-row is 'ignore'"),
        ({"model": "purchase/1", "batch_size": 0}, "A batch of 0 rows"),
        ({"model": "purchase/1", "engine": "ray", "entities": True}, "public ports|every interface|no features"),
    ],
)
def test_what_cannot_be_asked_for_is_said(project: Project, visits: Path, given: dict[str, Any], why: str) -> None:
    """Before anything is written."""
    with pytest.raises(InvalidInput, match=why):
        carry_out(scoring.score, project, scoring.Score(str(visits), "out.parquet", **given))
    assert not Path("out.parquet").exists()


def test_a_store_that_lets_nobody_in_is_an_error_with_a_remedy(
    project: Project, visits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients of stores raise errors of their own."""
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(visits.parent.absolute()))
    with pytest.raises(StoreUnavailable, match="Unable to locate credentials") as found:
        carry_out(scoring.score, project, scoring.Score(str(visits), "s3://nowhere/out.parquet", "purchase/1"))
    assert "AWS_ACCESS_KEY_ID" in found.value.remedy


def test_what_is_logged_under_a_name_of_its_own_is_found_there(project: Project, visits: Path) -> None:
    """No deployment of the project file has it; one of which there is no record either is unknown."""
    carry_out(scoring.score, project, scoring.Score(str(visits), "out.parquet", "purchase/1", log="nightly"))
    assert carry_out(logs.log_stats, project, logs.LogOf("nightly"))["predictions"] == 30
    with pytest.raises(NoRollout, match="'nightley'"):
        carry_out(logs.log_stats, project, logs.LogOf("nightley"))


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of a command."""
    monkeypatch.setattr("sys.argv", ["modelyard", *words])
    return main()


def test_a_bundle_scores_without_a_project(
    built: BuiltBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files and streams; without a bundle it is told what to do."""
    monkeypatch.chdir(tmp_path)
    pq.write_table(training_table(20), "in.parquet")
    bundle = ["--bundle", str(built.path), "--json"]
    assert typed(monkeypatch, "score", *bundle, "--input", "in.parquet", "--output", "out.csv") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 20
    with open_stream("local:streams/rows?create=true") as stream:
        stream.publish([Message(b'{"amount": 1.5}')])
    addresses = ["--in", "local:streams/rows", "--out", "local:streams/answers", "--until-empty"]
    assert typed(monkeypatch, "stream", *bundle, *addresses, "--metrics-port", "0") == 0
    assert json.loads(capsys.readouterr().out)["answered"] == 1
    assert typed(monkeypatch, "stream", *bundle, "--in", "local:streams/rows", "--out", "local:streams/rows") == 2
    assert "both the stream of rows and that of answers" in capsys.readouterr().err
    assert typed(monkeypatch, "score", "--input", "in.parquet", "--output", "other.csv") == 2
    assert "NO_MODEL" in capsys.readouterr().err
