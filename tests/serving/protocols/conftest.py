"""One service with four deployments for all protocols, and the bundles behind it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from modelyard.bundling import BuiltBundle, Facts, build_bundle, build_profile, infer_signature
from modelyard.core import ManualClock, Scalar
from modelyard.inference import Bundle, load_bundle
from modelyard.online import LocalOnlineStore, StoredRow, table_of
from modelyard.routing import Arm

from ...conftest import NOON
from .service import Service, live, route

NOON_US = int(NOON.timestamp()) * 1_000_000


def numeric_bundle(into: Path, classes: Sequence[str] = ()) -> BuiltBundle:
    """A model of two numbers, `a` required and `b` not: a regression, or a classifier of three classes."""
    random = np.random.default_rng(0)
    matrix = random.normal(0, 2, (300, 2))
    table = pa.table({"a": matrix[:, 0], "b": matrix[:, 1]})
    signature = infer_signature(table, required=["a"])
    rows: list[tuple[Scalar, ...]] = [tuple(row) for row in matrix.tolist()]
    if classes:
        model = HistGradientBoostingClassifier(max_iter=5).fit(matrix, np.digitize(matrix[:, 0], [-1, 1]))
        scores = model.predict_proba(matrix)[:, 0]
    else:
        model = HistGradientBoostingRegressor(max_iter=5).fit(matrix, matrix.sum(axis=1))
        scores = model.predict(matrix)
    request = [{"name": name, "kind": "number", "required": name == "a"} for name in ("a", "b")]
    return build_bundle(
        model,
        rows,
        signature=signature,
        task="multiclass" if classes else "regression",
        plan={"request": request},
        profile=build_profile(signature, matrix, scores, importance={"a": 0.5, "b": 0.5}, performance={}),
        facts=Facts(model="numbers", version="7", classes=tuple(classes)),
        into=into,
    )


@pytest.fixture(scope="session")
def price(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """A regression."""
    return numeric_bundle(tmp_path_factory.mktemp("bundles") / "price")


@pytest.fixture(scope="session")
def kind(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """A classifier of three classes."""
    return numeric_bundle(tmp_path_factory.mktemp("bundles") / "kind", ("low", "middle", "high"))


@pytest.fixture(scope="session")
def fraud_model(built: BuiltBundle) -> Bundle:
    """The model behind `fraud`, to compare with."""
    return load_bundle(built.path)


@pytest.fixture(scope="session")
def service(
    tmp_path_factory: pytest.TempPathFactory,
    built: BuiltBundle,
    strict_bundle: BuiltBundle,
    price: BuiltBundle,
    kind: BuiltBundle,
) -> Iterator[Service]:
    """`fraud`, `price` and `kind`, each live as version 1, and `trial`: half live as 1, half on a canary as 2."""
    folder = tmp_path_factory.mktemp("protocols")
    online = LocalOnlineStore(folder / "online")
    stored = StoredRow(NOON_US - 60_000_000, NOON_US - 60_000_000, (7.0,))
    online.write(table_of("stats", ["customer"], ["visits"]), [(("anna",), stored)])
    online.close()
    canary = Arm("canary", "canary", "2", strict_bundle.digest, 0.5)
    routes = (
        route("fraud", live(built)),
        route("price", live(price)),
        route("kind", live(kind)),
        route("trial", live(built, weight=0.5), canary),
    )
    service = Service(folder, routes, (built, strict_bundle, price, kind), ManualClock(NOON))
    service.start()
    yield service
    service.close()
