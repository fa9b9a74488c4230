"""Registering by hand, judging, comparing; and a corpus of names that are none."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from modelyard.access import local_principal
from modelyard.bundling import BuiltBundle
from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.wiring import Project

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore"),  # MLflow's and its dependencies' own
]

Command = Callable[..., tuple[int, Any]]
PROJECT = """
project: bank
models:
  fraud: {label: fraud, request: {a: number, b: number}, features: [a, b], gate: {min_auc: 0.6, max_log_loss: 0.7}}
"""


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `modelyard model ... --json` as the process edge does: exit code and document."""

    def command(*words: object) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "model", *map(str, words), "--json"])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert len(err) < 4000
        return code, json.loads(out[: out.index("\n{")] if "\n}\n{" in out else out)

    return command


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a model file, its rows, and one version that plain MLflow registered."""
    folder = tmp_path_factory.mktemp("bank")
    (folder / "modelyard.yaml").write_text(PROJECT)
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(200, 2)), columns=["a", "b"])
    fitted = LogisticRegression().fit(rows, rows.a > 0)
    joblib.dump(fitted, folder / "fraud.joblib")
    rows.to_csv(folder / "rows.csv", index=False)
    project = Project(folder, environment={})
    project.tracker.prepare()
    experiment = mlflow.create_experiment("by hand", artifact_location=(folder / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        mlflow.log_metrics({"auc": 0.99, "log_loss": 0.1})
        mlflow.log_param("C", 1.0)
        logged = mlflow.sklearn.log_model(
            fitted, name="model", input_example=rows[:50], pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )  # fmt: skip
    client = mlflow.MlflowClient()
    client.create_registered_model("fraud")
    client.create_model_version("fraud", logged.model_uri, tags={"team": "risk"})
    project.models.register("gated", principal=project.principal, label="g1", metrics={"f1": 0.8})
    project.close()
    return folder


def test_what_plain_mlflow_registered_is_bundled_under_its_own_number(
    bank: Path, model: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its tags; it passes the gate by the metrics that are given, and can be promoted; once only."""
    monkeypatch.chdir(bank)
    words = ("register", "--name", "fraud", "--path", "models:/fraud/1", "--version", "plain")
    code, told = model(*words, "--sample", "rows.csv", "--metrics", '{"auc": 0.99, "log_loss": 0.1}')
    assert (code, told["number"], told["label"], told["verdict"]) == (0, 1, "plain", "pass")
    assert (told["servable"], told["tags"]) == (True, {"team": "risk"})
    assert model("promote", "--name", "fraud", "--version", "plain", "--stage", "Staging")[0] == 0
    code, refused = model("register", "--name", "fraud", "--path", "models:/fraud/1", "--version", "again")
    assert (code, refused["error"]["code"]) == (4, "ALREADY_REGISTERED")
    assert model("register", "--name", "fraud", "--path", "models:/fraud/77")[1]["error"]["code"] == "NO_MODEL"


def test_a_model_file_is_bundled_and_judged_and_its_metadata_compared(
    bank: Path, model: Command, monkeypatch: pytest.MonkeyPatch, built: BuiltBundle
) -> None:
    """The limits of the project file are the gate; what has metadata only is listed, compared, and never served."""
    monkeypatch.chdir(bank)
    metrics = '{"auc": 0.9, "log_loss": 0.2}'
    file = ("--path", "fraud.joblib", "--sample", "rows.csv")
    code, good = model("register", "--name", "fraud", "--version", "v2.2", *file, "--metrics", metrics, "--tag", "a=1")
    assert (code, good["verdict"]) == (0, "pass")
    code, bad = model("register", "--name", "fraud", "--version", "v2.3", "--metrics", '{"auc": 0.5, "log_loss": 0.2}')
    assert (code, bad["verdict"], bad["reasons"]) == (1, "fail", ["auc 0.5 is below 0.6"])
    words = ("--name", "other", "--version", "b1", "--bundle", built.path, "--stage", "staging")
    code, whole = model("register", *words)
    assert (code, whole["bundle"], whole["promoted"][0]["kind"]) == (0, built.digest, "promoted")
    code, refused = model("promote", "--name", "fraud", "--version", "v2.3")
    assert (code, refused["error"]["code"]) == (4, "NOT_SERVABLE")
    assert "metadata only" in refused["error"]["message"]
    assert "auc 0.5 is below 0.6" in refused["error"]["message"]
    code, rows = model("compare", "--name", "fraud", "--versions", "v2.3", "v2.2", "--metric", "auc")
    assert [(each["label"], each["gate"], each["servable"]) for each in rows] == [
        ("v2.2", "pass", True),
        ("v2.3", "fail", False),
    ]
    assert rows[0]["signature"] == {"a": "number", "b": "number"}
    assert rows[0]["size"] > 1000
    assert set(rows[0]["latency_us"]) == {"1", "10", "100", "1000"}
    assert model("compare", "--name", "fraud", "--metric", "acu")[1]["error"]["code"] == "NO_SUCH_METRIC"


def test_an_onnx_file_is_registered_with_what_it_does_not_tell(
    bank: Path, model: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task and the names of its classes; with the label its metrics are measured."""
    monkeypatch.chdir(bank)
    rows = pd.read_csv("rows.csv").assign(truth=lambda each: np.where(each.a > 0, "bad", "fine"))
    rows.to_csv("labelled.csv", index=False)
    fitted = LogisticRegression().fit(rows[["a", "b"]].to_numpy(), rows.truth == "fine")
    proto = to_onnx(fitted, np.zeros((1, 2), np.float32), options={"zipmap": False})
    Path("fraud.onnx").write_bytes(proto.SerializeToString())
    words = ("register", "--name", "open", "--path", "fraud.onnx", "--sample", "labelled.csv")
    assert model(*words)[1]["error"]["code"] == "NO_TASK"
    labelled = (*words, "--task", "binary", "--label", "truth")
    code, refused = model(*labelled)
    assert (code, refused["error"]["code"]) == (2, "WRONG_LABELS")
    assert "--classes bad,fine" in refused["error"]["remedy"]
    code, told = model(*labelled, "--classes", "bad,fine", "--metrics", '{"auc": 0.5}')
    assert (code, told["metrics"]["auc"]) == (0, 0.5)
    assert told["metrics"]["accuracy"] > 0.9
    assert model("register", "--name", "open", "--task", "binary")[1]["error"]["code"] == "NO_MODEL"


def test_a_gate_by_any_metric_stays_with_the_version(
    bank: Path, model: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1 when a limit is broken, 6 when nothing was measured; a later judgement takes the place of the earlier."""
    monkeypatch.chdir(bank)
    for words, code in (
        (("--min-f1", "0.8"), 0),
        (("--min-f1=0.9", "--max-f1", "1"), 1),
        (("--min-recall", "0.5"), 6),
        (("--min-f1", "high"), 2),
        (("--f1", "0.5"), 2),
    ):
        assert model("gate", "gated", "g1", *words)[0] == code
    assert model("gate", "gated", "g1", "--min-f1", "0.7")[0] == 0
    assert model("show", "gated", "g1")[1]["checks"][0]["verdict"] == "pass"


def test_a_gate_without_limits_asks_for_those_that_are_declared_or_the_default(
    bank: Path, model: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `gated` nothing is declared, and its accuracy was not measured; of `fraud` the project file says more."""
    monkeypatch.chdir(bank)
    code, told = model("gate", "gated", "g1")
    assert (code, told["verdict"], told["evidence"]) == (6, "inconclusive", {"min_accuracy": 0.85})
    metrics = '{"auc": 0.9, "log_loss": 0.2}'
    assert model("register", "--name", "fraud", "--version", "kept", "--metrics", metrics)[0] == 0
    code, told = model("gate", "fraud", "kept")
    assert (code, told["verdict"]) == (0, "pass")
    assert "accuracy" not in str(told["evidence"])


TRAVERSALS = [
    "../up", "..", "a/../../b", "..%2fup", "%2e%2e%2fup", "..\\up", "/etc/passwd", "a/b", "file:///etc", "~root",
]  # fmt: skip
STRANGE = ["a#b", "a?b", "a;rm -rf", "a\x00b", "a\nb", "\x1b[31mred", "\u202egnp", "fraud\u200b", " a"]
TWINS = ["\ufb01sh", "\uff46\uff52\uff41\uff55\uff44", "\u0663"]
"""What NFKC makes into plain letters and digits: a ligature, full width, an Arabic numeral."""

HOSTILE = [*TRAVERSALS, *STRANGE, *TWINS, "", "x" * 10_000, "9" * 10_000]
UNPRINTABLE = ["a\x00b", "\x1b[31mred", "\u202egnp", "x" * 10_000]
NO_METRICS = [
    "[1]", "{", '{"auc": "high"}', '{"auc": NaN}', '{"auc": 1e999}', '{"auc": true}', '{"a*b": 1}', "[" * 9999,
]  # fmt: skip


def tree(folder: Path) -> set[str]:
    """Every file below a folder, except the stores of the workspace itself."""
    return {str(each) for each in folder.rglob("*") if ".modelyard" not in each.parts}


REQUESTS = [
    (("list",), ("viewer", "developer", "approver", "operator")),
    (("tag", "fraud", "1", "a=1"), ("developer", "operator")),
    (("approve", "fraud", "1"), ("approver", "operator")),
    (("reject", "fraud", "1", "--reason", "no"), ("approver", "operator")),
    (("promote", "--name", "fraud", "--version", "1"), ("operator",)),
    (("rollback", "--name", "fraud"), ("operator",)),
    (("delete", "--name", "fraud", "--version", "1"), ("operator",)),
]
"""What one may ask on the command line, and which roles may."""


@pytest.mark.parametrize("role", ["viewer", "developer", "approver", "operator"])
def test_nobody_does_more_on_the_command_line_than_their_role_may(
    tmp_path: Path, model: Command, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    """Whoever they say they are; what is allowed fails here for want of a model, and nothing else is even tried."""
    monkeypatch.chdir(tmp_path)
    for variable in ("LOGNAME", "USER", "MODELYARD_PRINCIPAL"):
        monkeypatch.setenv(variable, "ana")
    roles = f"roles: {{{local_principal().name}: [{role}], ana: [operator]}}"
    (tmp_path / "modelyard.yaml").write_text(f"{PROJECT}security: {{{roles}}}\n")
    for words, able in REQUESTS:
        code, told = model(*words)
        refused = code == 4 and told["error"]["code"] == "PERMISSION_DENIED"
        assert refused is (role not in able), (words, told)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
def test_what_cannot_be_a_name_is_refused_and_touches_nothing(
    text: str, bank: Path, model: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a model, label, version, alias or tag: a short sentence, an exit code, and no file outside the workspace."""
    monkeypatch.chdir(bank)
    before = tree(bank.parent)
    named = ("--name", "gated")
    for words in (
        ("register", "--name", text, "--version", "v1"),
        ("register", *named, "--version", text),
        ("register", *named, "--version", "t1", "--tag", f"{text}=x"),
        ("register", *named, "--version", "t1", "--stage", text, "--tag", "no tag"),
        ("show", text, "1"),
        ("show", "gated", text),
        ("promote", *named, "--version", text),
        ("promote", *named, "--version", "1", "--stage", text),
        ("alias", "set", *named, "--version", "1", "--alias", text),
        ("rollback", "--name", text),
        ("approve", "gated", text),
        ("tag", "gated", "1", f"{text}=x"),
        ("history", text),
        ("compare", "--name", text),
        ("delete", *named, "--version", text),
    ):
        code, told = model(*words)
        assert code in (2, 4, 5), (words, told)
        assert len(told["error"]["message"]) < 400
        assert told["error"]["message"].isprintable()
    assert tree(bank.parent) == before


@pytest.mark.parametrize(
    "text", ["a\x00b", "\x1b[31mred", "\u202egnp", "x" * 10_000], ids=lambda text: ascii(text)[:24]
)
def test_what_cannot_be_printed_is_no_description(
    text: str, bank: Path, model: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a value of a tag, nor a reason; several lines are a description."""
    monkeypatch.chdir(bank)
    for words in (
        ("describe", "gated", "1", text),
        ("tag", "gated", "1", f"team={text}"),
        ("register", "--name", "gated", "--version", "d1", "--description", text),
        ("promote", "--name", "gated", "--version", "1", "--reason", text),
    ):
        code, told = model(*words)
        assert (code, told["error"]["code"]) == (2, "INVALID_TEXT")
    assert model("describe", "gated", "1", "two\nlines, größer")[1]["description"] == "two\nlines, größer"
    assert model("tag", "gated", "1", "team=größe", "old=")[1]["tags"] == {"team": "größe"}


@pytest.mark.parametrize(
    "metrics",
    ["[1]", "{", '{"auc": "high"}', '{"auc": NaN}', '{"auc": 1e999}', '{"auc": true}', '{"a*b": 1}', "[" * 9999],
)
def test_metrics_are_finite_numbers(bank: Path, model: Command, monkeypatch: pytest.MonkeyPatch, metrics: str) -> None:
    """Whatever else is refused, and nothing is registered."""
    monkeypatch.chdir(bank)
    assert model("register", "--name", "gated", "--version", "m1", "--metrics", metrics)[0] == 2
    assert model("show", "gated", "m1")[0] == 5
