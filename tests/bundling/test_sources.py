"""Models from everywhere: code, pickles that nothing carries, what MLflow keeps; each as a bundle."""

import json
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.core import Digest
from modelyard.inference import PythonNotPermitted, load_bundle
from modelyard.operations import write_template
from modelyard.tracking import RegisteredModels, without_telemetry
from modelyard.wiring import Project, bundle_command

without_telemetry()

import mlflow  # noqa: E402 - only now may it be imported
from mlflow.models import infer_signature  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own, when they are asked as scripts ask them

Command = Callable[..., tuple[int, Any, str]]

SCORER = '''
from pathlib import Path

class Scorer:
    """Scores by a table that came with it."""

    def __init__(self, rates):
        self.rates = rates

    def predict(self, rows):
        return [self.rates.get(row["country"], 0.5) * (row["amount"] > 100) for row in rows]

def load(folder):
    lines = (Path(folder) / "rates" / "rates.csv").read_text().split()
    return Scorer({country: float(rate) for country, rate in (line.split(",") for line in lines)})
'''


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `modelyard bundle ... --json` as the process edge does: exit code, document, stderr."""

    def command(*words: object) -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "bundle", *map(str, words), "--json"])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, json.loads(out), err

    return command


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    """Numbers with a target, also as a file."""
    random = np.random.default_rng(0)
    made = pd.DataFrame({"amount": random.gamma(2, 50, 200), "age": random.normal(45, 15, 200)})
    made["y"] = (made["amount"] + made["age"] > 140).astype(int)
    made.to_parquet(tmp_path / "rows.parquet")
    return made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An MLflow of one's own, on SQLite."""
    before = mlflow.get_tracking_uri()
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.create_experiment("here", (tmp_path / "artifacts").as_uri())
    yield uri
    mlflow.set_tracking_uri(before)
    mlflow.set_registry_uri(before)


def load(made: Any) -> Any:
    """The bundle that a command built, permitted."""
    return load_bundle(made["folder"], allow_python=[Digest(made["digest"])])


@pytest.mark.long
def test_a_pickle_that_nothing_carries_is_kept_only_when_asked_for(
    rows: pd.DataFrame, tmp_path: Path, bundle: Command
) -> None:
    """Without `--allow-python` the refusal names it, with what a row would cost; with it servers want permission."""
    model = KNeighborsClassifier(5, weights="distance").fit(rows[["amount", "age"]], rows["y"])
    (tmp_path / "near.pkl").write_bytes(pickle.dumps(model))
    asked = ("build", "--path", tmp_path / "near.pkl", "--sample", tmp_path / "rows.parquet", "-o", tmp_path / "out")
    code, refused, _ = bundle(*asked)
    assert (code, refused["error"]["code"]) == (1, "NO_FAITHFUL_RUNTIME")
    assert "µs a row: --allow-python keeps it" in refused["error"]["remedy"]
    assert not (tmp_path / "out").exists()

    code, made, _ = bundle(*asked, "--allow-python")
    assert (code, made["runtime"], made["attempts"][-1]["error"]) == (0, "python", 0.0)
    code, refused, _ = bundle("verify", tmp_path / "out")
    assert (code, refused["error"]["code"]) == (4, "PYTHON_NOT_PERMITTED")
    assert bundle("verify", tmp_path / "out", "--allow-python", made["digest"])[0] == 0
    loaded = load(made)
    fresh = pd.DataFrame({"amount": [10.0, 170.0], "age": [30.0, 50.0]})
    assert np.array_equal(loaded.predict(fresh.to_dict("records")).scores[:, 0], model.predict_proba(fresh)[:, 1])
    loaded.close()
    with pytest.raises(PythonNotPermitted):
        bundle_command(tmp_path / "out", tmp_path / "serve", {})
    assert "modelyard.serving" in bundle_command(
        tmp_path / "out", tmp_path / "serve", {}, allow_python=[Digest(made["digest"])]
    )


def test_a_folder_of_code_brings_its_files(tmp_path: Path, bundle: Command) -> None:
    """It is given rows as a caller sends them: levels as strings, None for missing ones; it never runs here."""
    (tmp_path / "scorer" / "rates").mkdir(parents=True)
    (tmp_path / "scorer" / "model.py").write_text(SCORER)
    (tmp_path / "scorer" / "rates" / "rates.csv").write_text("de,0.25\nfr,0.75\n")
    random = np.random.default_rng(0)
    sample = pd.DataFrame({"amount": random.gamma(2, 50, 90), "country": ["de", "fr", None] * 30})
    sample.to_parquet(tmp_path / "rows.parquet")
    asked = ("build", "--path", tmp_path / "scorer", "--sample", tmp_path / "rows.parquet", "--task", "binary")
    code, made, _ = bundle(*asked, "-o", tmp_path / "out", "--allow-python")
    assert (code, made["model"], made["runtime"]) == (0, "scorer", "python")
    loaded = load(made)
    answers = loaded.predict([(150.0, "fr"), (150.0, None), (150.0, "xx"), (50.0, "de")]).scores[:, 0]
    assert answers.tolist() == [0.75, 0.5, 0.5, 0.0]
    loaded.close()
    assert "model" not in sys.modules
    _, again, _ = bundle(*asked, "-o", tmp_path / "again", "--allow-python")
    assert again["inputs"] == made["inputs"]


def test_what_code_refuses_the_signature_refuses(tmp_path: Path, bundle: Command) -> None:
    """A model that raises for a missing value gets none."""
    code = (
        "class M:\n    def predict(self, rows): return [row['a'] * 2 for row in rows]\ndef load(folder): return M()\n"
    )
    (tmp_path / "double.py").write_text(code)
    pd.DataFrame({"a": np.arange(50.0)}).to_parquet(tmp_path / "rows.parquet")
    _, made, _ = bundle(
        "build", "--path", tmp_path / "double.py", "--sample", tmp_path / "rows.parquet",
        "-o", tmp_path / "out", "--task", "regression", "--allow-python",
    )  # fmt: skip
    assert [each["nullable"] for each in made["inputs"]] == [False]


def test_code_that_answers_differently_each_time_is_refused(tmp_path: Path, bundle: Command) -> None:
    """Asked in two processes, it has to say the same."""
    code = (
        "import random\nclass M:\n    def predict(self, rows): return [random.random() for row in rows]\n"
        "def load(folder): return M()\n"
    )
    (tmp_path / "dice.py").write_text(code)
    pd.DataFrame({"a": np.arange(50.0)}).to_parquet(tmp_path / "rows.parquet")
    ended, refused, _ = bundle(
        "build", "--path", tmp_path / "dice.py", "--sample", tmp_path / "rows.parquet",
        "-o", tmp_path / "out", "--task", "regression", "--allow-python",
    )  # fmt: skip
    assert (ended, refused["error"]["code"]) == (1, "NO_FAITHFUL_RUNTIME")


def _fitted(flavour: str, rows: pd.DataFrame) -> Any:
    inputs, labels = rows[["amount", "age"]], rows["y"]
    if flavour == "sklearn":
        return LogisticRegression(max_iter=1000).fit(inputs, labels)
    if flavour == "xgboost":
        return xgboost.XGBClassifier(n_estimators=10).fit(inputs, labels)
    return lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(inputs, labels)


@pytest.mark.parametrize("flavour", ["sklearn", "xgboost", "lightgbm"])
def test_mlflow_folders_of_known_libraries_become_fast_bundles(
    flavour: str, rows: pd.DataFrame, tmp_path: Path, bundle: Command
) -> None:
    """The model itself is read, so that nothing of MLflow is served."""
    model = _fitted(flavour, rows)
    log: Any = getattr(mlflow, flavour)
    log.save_model(model, tmp_path / "saved", pip_requirements=[])
    code, made, _ = bundle(
        "build", "--path", tmp_path / "saved", "--sample", tmp_path / "rows.parquet", "-o", tmp_path / "out"
    )
    assert (code, made["runtime"]) == (0, "onnx")
    assert [each["name"] for each in made["inputs"]] == ["amount", "age"]
    answers = load(made).predict(rows[["amount", "age"]].head().to_dict("records")).scores[:, 0]
    assert np.allclose(answers, np.asarray(model.predict_proba(rows[["amount", "age"]].head()))[:, 1], rtol=1e-6)


def test_an_onnx_model_of_mlflow_is_read_with_its_columns(rows: pd.DataFrame, tmp_path: Path, bundle: Command) -> None:
    """The signature names what the graph does not."""
    from skl2onnx import to_onnx

    inputs = rows[["amount", "age"]]
    model = LogisticRegression(max_iter=1000).fit(inputs.to_numpy(), rows["y"])
    graph = to_onnx(model, inputs.to_numpy()[:1].astype(np.float32), options={"zipmap": False})
    signature = infer_signature(inputs, model.predict(inputs.to_numpy()))
    mlflow.onnx.save_model(graph, tmp_path / "saved", signature=signature, pip_requirements=[])
    code, made, _ = bundle(
        "build", "--path", tmp_path / "saved", "--sample", tmp_path / "rows.parquet",
        "-o", tmp_path / "out", "--task", "binary",
    )  # fmt: skip
    assert (code, made["runtime"]) == (0, "onnx")
    assert [each["name"] for each in made["inputs"]] == ["amount", "age"]


@pytest.mark.long
def test_a_class_of_mlflows_runs_as_mlflow_runs_it(tmp_path: Path, bundle: Command) -> None:
    """With its artifacts and its signature's types; its own example serves as the sample."""
    (tmp_path / "factor.txt").write_text("2.5")
    example = pd.DataFrame({"amount": np.linspace(1, 50, 40), "visits": np.arange(40)})
    code = tmp_path / "doubled.py"
    code.write_text(
        "import mlflow\nfrom pathlib import Path\n"
        "class Doubled(mlflow.pyfunc.PythonModel):\n"
        "    def load_context(self, context):\n"
        "        self.factor = float(Path(context.artifacts['factor']).read_text())\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        assert model_input['visits'].dtype.kind == 'i'\n"
        "        return model_input['amount'] * self.factor + model_input['visits']\n"
        "mlflow.models.set_model(Doubled())\n"
    )
    mlflow.pyfunc.save_model(
        tmp_path / "saved", python_model=str(code), artifacts={"factor": str(tmp_path / "factor.txt")},
        signature=infer_signature(example, np.zeros(2)), input_example=example, pip_requirements=["mlflow"],
    )  # fmt: skip
    ended, made, _ = bundle(
        "build", "--path", tmp_path / "saved", "-o", tmp_path / "out", "--task", "regression", "--allow-python"
    )
    assert (ended, made.get("runtime")) == (0, "python"), made
    loaded = load(made)
    assert loaded.predict([{"amount": 10.0, "visits": 3}]).scores.tolist() == [[28.0]]
    loaded.close()


def test_a_flavour_that_is_not_known_is_refused_by_name(tmp_path: Path, bundle: Command) -> None:
    """With those that are."""
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "MLmodel").write_text("flavors:\n  prophet: {data: model}\n")
    code, refused, _ = bundle(
        "build", "--path", tmp_path / "saved", "--sample", tmp_path / "none.csv", "-o", tmp_path / "out"
    )
    assert (code, refused["error"]["code"]) == (2, "UNREADABLE_MODEL")
    assert "prophet" in refused["error"]["message"]


def test_mlflow_uris_are_asked_of_the_server_in_the_environment(
    server: str, rows: pd.DataFrame, tmp_path: Path, bundle: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By version, by alias and by run; without a server the refusal says where to look for one."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    model = _fitted("sklearn", rows)
    here = mlflow.get_experiment_by_name("here")  # not set for the process: others use MLflow after it
    assert here is not None
    with mlflow.start_run(experiment_id=here.experiment_id) as started:
        mlflow.sklearn.log_model(model, name="scorer", registered_model_name="churn", pip_requirements=["mlflow"])
    mlflow.MlflowClient(server, server).set_registered_model_alias("churn", "champion", "1")
    sample = ("--sample", tmp_path / "rows.parquet")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code, refused, _ = bundle("build", "--path", "models:/churn/1", *sample, "-o", tmp_path / "none")
    assert (code, refused["error"]["code"]) == (2, "NO_TRACKING")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    for number, (uri, name) in enumerate(
        [
            ("models:/churn/1", "churn"),
            ("models:/churn@champion", "churn"),
            (f"runs:/{started.info.run_id}/scorer", "scorer"),
        ]
    ):
        code, made, _ = bundle("build", "--path", uri, *sample, "-o", tmp_path / f"out{number}")
        assert (code, made["model"], made["runtime"]) == (0, name, "onnx")
    code, refused, _ = bundle("build", "--path", "models:/churn/7", *sample, "-o", tmp_path / "none")
    assert (code, refused["error"]["code"]) == (1, "TRACKING_UNAVAILABLE")


@pytest.mark.long
def test_inside_a_project_its_own_versions_are_meant(
    shop: Path, tmp_path: Path, bundle: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever MLFLOW_TRACKING_URI says; a stage is a spelling of an alias."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.chdir(shop)
    project = Project(shop)
    (version,) = project.models.versions("purchase")
    own = load_bundle(project.models.fetch_bundle(version, tmp_path / "own")).info.signature
    RegisteredModels(project.tracker).show("purchase", {"production": version.number}, {})
    project.close()
    random = np.random.default_rng(0)
    columns = {
        each.name: random.choice(each.categories, 100) if each.categories else random.gamma(2, 50, 100)
        for each in own.fields
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "rows.parquet")
    for number, uri in enumerate((f"models:/purchase/{version.number}", "models:/purchase/Production")):
        code, made, _ = bundle(
            "build", "--path", uri, "--sample", tmp_path / "rows.parquet", "-o", tmp_path / f"o{number}"
        )
        assert (code, made.get("model")) == (0, "purchase"), made


def test_a_project_names_the_bundles_whose_python_may_run(tmp_path: Path) -> None:
    """In its file, by digest; servers are told through the feed."""
    write_template("minimal", tmp_path / "shop")
    with (tmp_path / "shop" / "modelyard.yaml").open("a") as file:
        file.write(f"\nsecurity: {{python_bundles: [{'a' * 64}]}}\n")
    project = Project(tmp_path / "shop", environment={})
    published = project.publisher.publish()
    assert published.python_bundles == ("a" * 64,)
    assert project.feed.read() == published
    project.close()
