"""A store of MLflow's, to which MLflow points by itself."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def store(mlflow_tables: Path, tmp_path: Path, untold_mlflow: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a store of one's own, which is the working directory and where MLflow points by itself."""
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return tmp_path
