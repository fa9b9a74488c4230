"""A store of MLflow's, whose tables are made once."""

import shutil
from pathlib import Path

import pytest

from modelyard.core import SystemClock
from modelyard.tracking import Tracker


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store: making its tables takes seconds."""
    folder = tmp_path_factory.mktemp("tables")
    assert Tracker(f"sqlite:///{folder / 'mlflow.db'}", "", SystemClock()).tagged("Default", "none", "none") is None
    return folder / "mlflow.db"


@pytest.fixture
def store(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a store of one's own, which is the working directory and where MLflow points by itself."""
    shutil.copy(tables, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
    monkeypatch.setattr("mlflow.tracking._model_registry.utils._registry_uri", None)
    return tmp_path
