"""What is scored, and by what: rows of ten numbers; a forest of 200 trees and a logistic pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelyard.bundling import Facts, build_bundle, build_profile, infer_signature

FIELDS = [f"f{at}" for at in range(10)]
_GROUP = 1_000_000


def numbers(rows: int, seed: int) -> NDArray[np.float64]:
    """Rows of ten numbers."""
    return np.random.default_rng(seed).normal(size=(rows, len(FIELDS)))


def make_rows(path: Path, rows: int) -> None:
    """A Parquet file of so many rows, a row group a million; kept from one run to the next."""
    if path.exists():
        return
    schema = pa.schema([(name, pa.float64()) for name in FIELDS])
    unfinished = path.with_suffix(".tmp")
    with pq.ParquetWriter(unfinished, schema, use_dictionary=False) as writer:
        for begin in range(0, rows, _GROUP):
            part = numbers(min(_GROUP, rows - begin), 7 + begin)
            writer.write_table(pa.table({name: part[:, at] for at, name in enumerate(FIELDS)}, schema=schema))
    unfinished.replace(path)


def make_models(folder: Path) -> None:
    """Each as a bundle and as MLflow saves it; kept from one run to the next."""
    rows = numbers(5000, 1)
    labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)
    for name, model in _models().items():
        if not (folder / name / "mlflow" / "MLmodel").exists():
            model.fit(rows, labels)
            _bundle(folder / name / "bundle", name, model, rows)
            _mlflow(folder / name / "mlflow", model)


def _models() -> dict[str, Any]:
    return {
        "forest": RandomForestClassifier(200, max_depth=8, random_state=0, n_jobs=-1),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    }


def _bundle(into: Path, name: str, model: Any, rows: NDArray[np.float64]) -> None:
    signature = infer_signature(pa.table({field: rows[:, at] for at, field in enumerate(FIELDS)}), required=[])
    build_bundle(
        model,
        [tuple(row) for row in rows.tolist()],
        signature=signature,
        task="binary",
        plan={"request": [{"name": each, "kind": "number", "required": False} for each in FIELDS], "views": []},
        profile=build_profile(
            signature, rows, model.predict_proba(rows)[:, 1], importance=dict.fromkeys(FIELDS, 0.1), performance={}
        ),
        facts=Facts(model=name, version="1", classes=("0", "1")),
        into=into,
    )


def _mlflow(into: Path, model: Any) -> None:
    import mlflow.sklearn  # noqa: PLC0415 - the peer's

    mlflow.sklearn.save_model(
        model, into, serialization_format="pickle", pyfunc_predict_fn="predict_proba", pip_requirements=["scikit-learn"]
    )
