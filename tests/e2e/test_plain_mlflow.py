"""Plain MLflow beside us: what it registered is bundled, promoted and served; what we decide, its clients see."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modelyard.control import free_ports

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.usefixtures("untold_mlflow")]

PROJECT = """
project: bank
stores: {{tracking: "{uri}"}}
server: {{port: {port}, grpc_port: null, metrics_port: {metrics}}}
control: {{metrics_port: null, port: null}}
models:
  fraud: {{label: fraud, request: {{a: number, b: number}}, features: [a, b], gate: {{min_auc: 0.6}}}}
deployments:
  fraud: {{model: fraud@production}}
"""
REGISTER = """
import sys, json, mlflow, mlflow.sklearn, pandas, numpy
from sklearn.linear_model import LogisticRegression
mlflow.set_tracking_uri(sys.argv[1])
rows = pandas.DataFrame(numpy.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"])
rows.to_csv("rows.csv", index=False)
client = mlflow.MlflowClient()
client.create_registered_model("fraud")
for sign in (1, -1):
    model = LogisticRegression().fit(rows, (sign * rows.a > 0).astype(int))
    with mlflow.start_run():
        mlflow.log_metric("auc", 0.99)
        logged = mlflow.sklearn.log_model(
            model, name="model", input_example=rows[:50], pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle")
    made = mlflow.register_model(logged.model_uri, "fraud", tags={"team": "risk", "old": "1"})
    client.update_model_version("fraud", made.version, "plain")
    print(json.dumps([model.predict_proba(rows[:1])[0, 1], made.run_id, logged.model_uri]))
"""
LOOK = """
import sys, json, warnings, mlflow
warnings.simplefilter("ignore")
client = mlflow.MlflowClient(sys.argv[1], sys.argv[1])
found = client.search_model_versions("name = 'fraud'")
print(json.dumps({
    "aliases": {alias: int(number) for alias, number in client.get_registered_model("fraud").aliases.items()},
    "stages": {each.version: each.current_stage for each in found},
    "tags": {each.version: {k: v for k, v in each.tags.items() if "." not in k} for each in found},
    "said": {each.version: each.description for each in found},
    "by_alias": int(client.get_model_version_by_alias("fraud", "production").version),
    "by_stage": [int(each.version) for each in client.get_latest_versions("fraud", ["Production"])],
}))
"""


def plain(program: str, uri: str, folder: Path) -> list[Any]:
    """What a program of plain MLflow prints, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-c", program, uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "[{"]


def modelyard(*words: object, folder: Path) -> Any:
    """Run a command with --json and return its document."""
    command = [sys.executable, "-m", "modelyard", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def running(command: list[str], folder: Path, answers: Callable[[], bool]) -> Iterator[None]:
    """A process, from when it answers to the end of the block."""
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # its job runners are none of our business
    with (
        (folder / "process.log").open("ab") as log,
        subprocess.Popen(command, stderr=log, stdout=log, env=env) as process,
    ):
        try:
            deadline = time.monotonic() + 240
            while not answers():
                assert time.monotonic() < deadline, (folder / "process.log").read_text()[-3000:]
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


def healthy(url: str) -> bool:
    """Whether a GET is answered."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture(params=["a file of SQLite's", "an MLflow server"])
def uri(request: pytest.FixtureRequest, tmp_path: Path, mlflow_tables: Path) -> Iterator[str]:
    """Where MLflow is: of a server everything is asked over HTTP, its artifacts too."""
    store = f"sqlite:///{shutil.copy(mlflow_tables, tmp_path / 'mlflow.db')}"
    if request.param == "a file of SQLite's":
        yield store
        return
    (port,) = free_ports(1)
    options = ["--backend-store-uri", store, "--artifacts-destination", str(tmp_path / "kept"), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", *options, "--host", "127.0.0.1", "--port", str(port)]
    with running(command, tmp_path, lambda: healthy(f"http://127.0.0.1:{port}/health")):
        yield f"http://127.0.0.1:{port}"


def test_what_plain_mlflow_registered_is_promoted_and_served_and_plain_clients_see_it(uri: str, tmp_path: Path) -> None:
    """Two versions, both promoted, one rolled back; with tags and descriptions that changed since."""
    folder = tmp_path / "bank"
    folder.mkdir()
    port, metrics = free_ports(2)
    (folder / "modelyard.yaml").write_text(PROJECT.format(uri=uri, port=port, metrics=metrics))
    (score, run, logged), *_ = plain(REGISTER, uri, folder)
    for number in (1, 2):
        words = ("--path", f"models:/fraud/{number}", "--version", f"plain-{number}", "--sample", "rows.csv")
        told = modelyard("model", "register", "--name", "fraud", *words, "--metrics", '{"auc": 0.99}', folder=folder)
        assert (told["number"], told["servable"]) == (number, True)
        modelyard("model", "promote", "--name", "fraud", "--version", number, folder=folder)
    modelyard("model", "tag", "fraud", "plain-1", "team=fraud", "old=", "new=2", folder=folder)
    modelyard("model", "describe", "fraud", "plain-1", "the first", folder=folder)
    modelyard("model", "rollback", "--name", "fraud", folder=folder)
    modelyard("model", "list", folder=folder)  # which shows MLflow what the rollback left to be shown
    (seen,) = plain(LOOK, uri, folder)
    assert seen == {
        "aliases": {"production": 1},
        "stages": {"1": "Production", "2": "Archived"},
        "tags": {"1": {"team": "fraud", "new": "2"}, "2": {"team": "risk", "old": "1"}},
        "said": {"1": "the first", "2": "plain"},
        "by_alias": 1,
        "by_stage": [1],
    }
    for origin in (("--run", run, "--sample", "rows.csv"), ("--path", logged, "--sample", "rows.csv"), ()):
        told = modelyard("model", "register", "--name", "more", *origin, "--metrics", '{"auc": 0.99}', folder=folder)
        assert told["servable"] is bool(origin)
    command = [sys.executable, "-m", "modelyard", "serve", "--project", str(folder)]
    with running(command, tmp_path, lambda: healthy(f"http://127.0.0.1:{port}/ready")):
        answer = ask(port, (folder / "rows.csv").read_text().splitlines()[1])
    assert answer["model_version"] == "1"
    assert answer["probability"] == pytest.approx(score, abs=1e-5)


def ask(port: int, row: str) -> Any:
    """The answer to a row of CSV."""
    body = json.dumps({"features": [float(each) for each in row.split(",")]}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/predict", body, timeout=10) as response:
        return json.load(response)
