"""Commands on model files: what is read, built, checked and shown, and how it ends when it cannot be."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from modelyard.bundling import BuiltBundle
from modelyard.bundling.parity_page import cases, rows_of
from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.inference import load_bundle

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own, when they are asked as scripts ask them

Command = Callable[..., tuple[int, Any, str]]
CASES = {case.name: case for case in cases()}
PIPELINE = CASES["pipeline: imputation, one-hot, random forest"]
NUMBERS = CASES["logistic regression"]


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


def frame(name: str, count: int = 300) -> pd.DataFrame:
    """Rows of a case with their target as `y`."""
    case = CASES[name]
    rows, target = rows_of(case, 1, count)
    made = pd.DataFrame([dict(zip(case.columns, row, strict=True)) for row in rows])
    made["y"] = target.astype(int)
    return made


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A folder with a pipeline over named columns, and its rows in two formats."""
    rows = frame(PIPELINE.name)
    model = PIPELINE.make().fit(rows[list(PIPELINE.columns)], rows["y"])
    joblib.dump(model, tmp_path / "churn.joblib")
    (tmp_path / "churn.pkl").write_bytes(pickle.dumps(model))
    rows.to_parquet(tmp_path / "rows.parquet")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("model", "rows"),
    [("churn.joblib", "rows.parquet"), pytest.param("churn.pkl", "rows.csv", marks=pytest.mark.long)],
)
def test_a_pickled_pipeline_becomes_a_bundle_of_raw_rows(
    model: str, rows: str, pipeline: Path, bundle: Command
) -> None:
    """Strings and missing values go in; the label gives metrics; what was tried is told."""
    output = pipeline / "out"
    code, made, err = bundle(
        "build", "--path", pipeline / model, "--sample", pipeline / rows, "-o", output, "--label", "y"
    )
    assert code == 0
    assert "trying onnx (trees)" in err
    assert (made["model"], made["task"], made["runtime"], made["classes"]) == ("churn", "binary", "onnx", ["0", "1"])
    assert made["metrics"]["accuracy"] > 0.8
    assert [each["name"] for each in made["inputs"]] == list(PIPELINE.columns)
    assert made["attempts"][0]["faithful"]
    assert made["contributions"] == {"available": True, "kind": "trees", "scale": "probability", "why_not": ""}
    answer = load_bundle(output).predict([{"amount": 200.0, "country": "fr", "plan": "gold"}, {"country": "xx"}])
    assert answer.unknown == {"country": 1}
    assert bundle("show", output)[1] == made
    code, checked, _ = bundle("verify", output)
    assert (code, checked["verdict"], checked["digest"]) == (0, "pass", made["digest"])


def test_unseen_levels_follow_the_policy_that_was_asked_for(pipeline: Path, bundle: Command) -> None:
    """An error, here."""
    sample = ("--path", pipeline / "churn.pkl", "--sample", pipeline / "rows.csv")
    _, made, _ = bundle("build", *sample, "-o", pipeline / "out", "--unknown", "error")
    assert {each["unknown"] for each in made["inputs"] if each["kind"] == "category"} == {"error"}
    code, refused, _ = bundle("build", *sample, "-o", pipeline / "out2", "--unknown", "eror")
    assert code == 2
    assert "Did you mean 'error'?" in refused["error"]["remedy"]


def test_levels_that_the_sample_lacks_are_those_of_the_model(pipeline: Path, bundle: Command) -> None:
    """The encoder inside knows more than a few rows show."""
    few = frame(PIPELINE.name).query("country == 'de'")
    few.to_parquet(pipeline / "few.parquet")
    _, made, _ = bundle(
        "build", "--path", pipeline / "churn.pkl", "--sample", pipeline / "few.parquet", "-o", pipeline / "out"
    )
    assert made["inputs"][2]["categories"] == ["at", "de", "fr", "it", "nl", "pl"]


@pytest.mark.parametrize("kind", ["xgboost.json", "xgboost.ubj", "lightgbm.txt", "graph.onnx"])
def test_native_files_are_read(kind: str, tmp_path: Path, bundle: Command) -> None:
    """With rows as a plain array."""
    rows = frame(NUMBERS.name)
    matrix = rows[list(NUMBERS.columns)].astype(float).to_numpy().astype(np.float32)
    np.save(tmp_path / "rows.npy", matrix)
    file = tmp_path / kind
    if kind.startswith("xgboost"):
        xgboost.XGBClassifier(n_estimators=10).fit(matrix, rows["y"]).get_booster().save_model(file)
    elif kind.startswith("lightgbm"):
        lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(matrix, rows["y"]).booster_.save_model(str(file))
    else:
        model = LogisticRegression(max_iter=2000).fit(matrix, rows["y"])
        file.write_bytes(to_onnx(model, matrix[:1], options={"zipmap": False}).SerializeToString())
    task = ("--task", "binary") if kind == "graph.onnx" else ()
    code, made, _ = bundle("build", "--path", file, "--sample", tmp_path / "rows.npy", "-o", tmp_path / "out", *task)
    assert (code, made["task"], made["runtime"]) == (0, "binary", "onnx")
    assert [each["name"] for each in made["inputs"]] == ["f0", "f1", "f2", "f3"]
    assert made["contributions"]["available"] == (kind != "graph.onnx")


def test_lightgbm_levels_keep_the_order_they_were_trained_in(tmp_path: Path, bundle: Command) -> None:
    """Codes are positions in it, not in the alphabet."""
    case = CASES["LightGBM, data frame with categories, 3 classes"]
    rows = frame(case.name)
    order = ["pl", "nl", "it", "fr", "de", "at"]
    rows["country"] = pd.Categorical(rows["country"], categories=order)
    rows["plan"] = pd.Categorical(rows["plan"])
    inputs = rows[list(case.columns)]
    model = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(inputs, rows["y"])
    model.booster_.save_model(str(tmp_path / "model.txt"))
    rows.to_parquet(tmp_path / "rows.parquet")
    code, made, _ = bundle(
        "build", "--path", tmp_path / "model.txt", "--sample", tmp_path / "rows.parquet", "-o", tmp_path / "out"
    )
    assert (code, made["task"]) == (0, "multiclass")
    assert made["inputs"][2]["categories"] == order
    raw = [dict(zip(case.columns, row, strict=True)) for row in rows_of(case, 1, 300)[0]]
    expected = np.asarray(model.predict_proba(inputs))
    assert np.allclose(load_bundle(tmp_path / "out").predict(raw).scores, expected, rtol=1e-6)


def test_what_cannot_be_used_ends_with_its_exit_code(pipeline: Path, bundle: Command) -> None:
    """A missing file, an unknown kind, a broken pickle, missing columns, a wrong label, a folder that exists."""
    model, rows, output = pipeline / "churn.pkl", pipeline / "rows.csv", pipeline / "out"
    (pipeline / "broken.pkl").write_bytes(b"no pickle")
    (pipeline / "model.h5").touch()
    (pipeline / "narrow.csv").write_text("amount,age\n1,2\n")
    np.save(pipeline / "flat.npy", np.zeros(3))

    def ended(model: Path = model, sample: Path = rows, *more: object) -> tuple[int, str]:
        code, document, _ = bundle("build", "--path", model, "--sample", sample, "-o", output, *more)
        return code, document["error"]["code"]

    assert ended(pipeline / "none.pkl") == (5, "NO_MODEL_FILE")
    assert ended(pipeline / "model.h5") == (2, "UNREADABLE_MODEL")
    assert ended(pipeline / "broken.pkl") == (2, "UNREADABLE_MODEL")
    assert ended(model, pipeline / "narrow.csv") == (2, "NO_SUCH_COLUMN")
    assert ended(model, pipeline / "flat.npy") == (2, "UNREADABLE_SAMPLE")
    assert ended(model, rows, "--label", "z") == (2, "NO_SUCH_COLUMN")
    assert ended(model, rows, "--task", "ranking") == (2, "NO_TASK")
    output.mkdir()
    assert ended() == (4, "BUNDLE_EXISTS")


def test_a_bundle_that_is_not_there_or_was_changed_is_told(built: BuiltBundle, tmp_path: Path, bundle: Command) -> None:
    """5 and 1."""
    code, document, _ = bundle("show", tmp_path / "none")
    assert (code, document["error"]["code"]) == (5, "NO_BUNDLE")
    (tmp_path / "bundle.json").write_text("{}")
    code, document, _ = bundle("verify", tmp_path)
    assert (code, document["error"]["code"]) == (1, "BUNDLE_DAMAGED")


def test_a_person_is_shown_tables(built: BuiltBundle, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The facts, the inputs, and what was tried."""
    monkeypatch.setattr(sys, "argv", ["modelyard", "bundle", "show", str(built.path)])
    assert run(root) == 0
    out = capsys.readouterr().out
    assert built.digest in out
    assert "available (trees), adding up on the scale 'log-odds'" in out
    assert "country" in out
    assert "treelite" in out
