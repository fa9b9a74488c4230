"""Real estimators of three libraries, built into bundles and compared: `python -m modelyard.bundling.parity_page FILE`.

The page is made of what building found. It holds no times, and errors by size only, so that machines agree on it.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, log10
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Scalar
from modelyard.inference import Encoder, Field, ReferenceProfile, Signature, Task

from .build import Attempt, BuiltBundle, Facts, build_bundle
from .original import Original

ROWS = 600
"""So many rows each estimator is trained on."""

_COUNTRIES = ("at", "de", "fr", "it", "nl", "pl")
_PLANS = ("free", "gold", "silver")

Row = tuple[Scalar, ...]


@dataclass(frozen=True)
class Case:
    """An estimator to be trained and carried.

    `columns`: which of the table's columns it sees. `gaps`: whether numbers and categories are sometimes missing.
    `named`: whether it is trained on a data frame with its strings, rather than on the encoded matrix. `fit` holds
    further arguments of `fit`.
    """

    name: str
    make: Callable[[], Any]
    task: Task = "binary"
    columns: Sequence[str] = ("amount", "age", "score", "visits")
    gaps: bool = False
    named: bool = False
    fit: dict[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-6

    @property
    def classes(self) -> tuple[str, ...]:
        return {"binary": ("0", "1"), "multiclass": ("0", "1", "2"), "regression": ()}[self.task]

    @property
    def signature(self) -> Signature:
        levels = {"country": _COUNTRIES, "plan": _PLANS}
        return Signature(
            tuple(
                Field(name, "category" if name in levels else "number", self.gaps, levels.get(name, ()))
                for name in self.columns
            )
        )


@dataclass(frozen=True)
class Carried:
    """A case with its trained model and its bundle."""

    case: Case
    original: Original
    built: BuiltBundle


def table(seed: int, count: int, *, gaps: bool) -> tuple[dict[str, list[Scalar]], NDArray[np.float64]]:
    """Columns (count,) of made-up customers, and the value that targets are made of."""
    random = np.random.default_rng(seed)
    columns = {
        "amount": random.gamma(2, 50, count),
        "age": random.normal(45, 15, count),
        "score": random.normal(0, 1, count),
        "visits": random.poisson(4, count).astype(np.float64),
    }
    country, plan = random.integers(0, len(_COUNTRIES), count), random.integers(0, len(_PLANS), count)
    value = columns["amount"] / 50 + columns["score"] + (country == 2) * 1.5 - (plan == 0) + columns["visits"] / 4 - 3
    lost = random.random((count, 6)) < (0.08 if gaps else 0.0)
    made: dict[str, list[Scalar]] = {
        name: [None if gone else float(each) for each, gone in zip(values, lost[:, at], strict=True)]
        for at, (name, values) in enumerate(columns.items())
    }
    for at, (name, codes, levels) in enumerate((("country", country, _COUNTRIES), ("plan", plan, _PLANS)), 4):
        made[name] = [None if gone else levels[code] for code, gone in zip(codes, lost[:, at], strict=True)]
    return made, value + random.normal(0, 0.3, count)


def rows_of(case: Case, seed: int, count: int) -> tuple[list[Row], NDArray[np.float64]]:
    """Raw rows of a case, and their targets."""
    columns, value = table(seed, count, gaps=case.gaps)
    target = {"binary": value > 0, "multiclass": np.digitize(value, [-0.7, 0.8]), "regression": value}[case.task]
    return list(zip(*(columns[name] for name in case.columns), strict=True)), np.asarray(target, dtype=np.float64)


def carry(case: Case, into: Path) -> Carried:
    """Train the estimator of a case and build its bundle; NoFaithfulRuntime says what was tried."""
    rows, target = rows_of(case, 1, ROWS)
    model = case.make()
    original = Original(model, case.signature, case.task)
    matrix = Encoder(case.signature)(rows).matrix
    labels = target if case.task == "regression" else target.astype(np.int64)
    model.fit(original.frame(matrix) if case.named else matrix, labels, **case.fit)
    facts = Facts("parity", "1", case.classes, tolerance=case.tolerance)
    profile = ReferenceProfile(rows=0, columns=())
    built = build_bundle(
        model,
        rows,
        signature=case.signature,
        task=case.task,
        plan={},
        profile=profile,
        facts=facts,
        into=into,
        allow_python=True,
    )
    return Carried(case, original, built)


def cases() -> tuple[Case, ...]:
    """The estimators of the page. Importing their libraries takes seconds, and so waits until here."""
    return (*_scikit_learn(), *_pipelines(), *_boosters())


def _scikit_learn() -> Iterator[Case]:
    from sklearn import calibration, ensemble, linear_model, neighbors, neural_network, svm, tree  # noqa: PLC0415

    mixed = ("amount", "age", "country", "visits", "plan")
    yield Case("random forest", lambda: ensemble.RandomForestClassifier(60, max_depth=10, random_state=0))
    yield Case(
        "random forest, missing values",
        lambda: ensemble.RandomForestClassifier(40, max_depth=8, random_state=0),
        gaps=True,
    )
    yield Case(
        "random forest, 3 classes",
        lambda: ensemble.RandomForestClassifier(30, max_depth=8, random_state=0),
        "multiclass",
    )
    yield Case("random forest, values", lambda: ensemble.RandomForestRegressor(30, random_state=0), "regression")
    yield Case("extra trees", lambda: ensemble.ExtraTreesClassifier(40, max_depth=10, random_state=0))
    yield Case("decision tree", lambda: tree.DecisionTreeClassifier(max_depth=8, random_state=0))
    yield Case("gradient boosting", lambda: ensemble.GradientBoostingClassifier(random_state=0))
    yield Case(
        "gradient boosting, 3 classes",
        lambda: ensemble.GradientBoostingClassifier(n_estimators=30, random_state=0),
        "multiclass",
    )
    yield Case("gradient boosting, values", lambda: ensemble.GradientBoostingRegressor(random_state=0), "regression")
    yield Case(
        "histogram gradient boosting, missing values and categories",
        lambda: ensemble.HistGradientBoostingClassifier(max_iter=50, categorical_features=[2, 4], random_state=0),
        columns=mixed,
        gaps=True,
    )
    yield Case(
        "histogram gradient boosting, data frame with categories",
        lambda: ensemble.HistGradientBoostingClassifier(
            max_iter=30, categorical_features=["country", "plan"], random_state=0
        ),
        columns=mixed,
        gaps=True,
        named=True,
    )
    yield Case(
        "histogram gradient boosting, values",
        lambda: ensemble.HistGradientBoostingRegressor(max_iter=50, random_state=0),
        "regression",
        gaps=True,
    )
    yield Case("logistic regression", lambda: linear_model.LogisticRegression(max_iter=2000))
    yield Case("logistic regression, 3 classes", lambda: linear_model.LogisticRegression(max_iter=5000), "multiclass")
    yield Case("linear regression", linear_model.LinearRegression, "regression")
    yield Case(
        "linear support vectors, calibrated",
        lambda: calibration.CalibratedClassifierCV(svm.LinearSVC(random_state=0, max_iter=20000), cv=3),
    )
    yield Case("k nearest neighbours", lambda: neighbors.KNeighborsClassifier(5))
    yield Case("k nearest neighbours, by distance", lambda: neighbors.KNeighborsClassifier(7, weights="distance"))
    yield Case("support vectors, values", svm.SVR, "regression")
    yield Case(
        "stacking: logistic regression, random forest",
        lambda: ensemble.StackingClassifier(
            [
                ("linear", linear_model.LogisticRegression(max_iter=2000)),
                ("forest", ensemble.RandomForestClassifier(10, random_state=0)),
            ]
        ),
    )
    yield Case(
        "neural network", lambda: neural_network.MLPClassifier((16,), max_iter=60, random_state=0, early_stopping=True)
    )


def _pipelines() -> Iterator[Case]:
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415 - as above
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415

    numbers, levels = ["amount", "age", "visits"], ["country", "plan"]
    mixed = ("amount", "age", "country", "visits", "plan")

    def front(*, gaps: bool) -> Any:
        number = make_pipeline(SimpleImputer(), StandardScaler()) if gaps else StandardScaler()
        return ColumnTransformer([("n", number, numbers), ("c", OneHotEncoder(handle_unknown="ignore"), levels)])

    yield Case(
        "pipeline: scaling, one-hot, logistic regression",
        lambda: make_pipeline(front(gaps=False), LogisticRegression(max_iter=1000)),
        columns=mixed,
        named=True,
    )
    yield Case(
        "pipeline: imputation, scaling, one-hot, logistic regression, 3 classes",
        lambda: make_pipeline(front(gaps=True), LogisticRegression(max_iter=1000)),
        "multiclass",
        columns=mixed,
        gaps=True,
        named=True,
    )
    yield Case(
        "pipeline: imputation, scaling, one-hot, ridge",
        lambda: make_pipeline(front(gaps=True), Ridge()),
        "regression",
        columns=mixed,
        gaps=True,
        named=True,
    )
    yield Case(
        "pipeline: imputation, one-hot, random forest",
        lambda: make_pipeline(
            ColumnTransformer(
                [
                    ("n", SimpleImputer(strategy="median"), numbers),
                    (
                        "c",
                        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
                        levels,
                    ),
                ]
            ),
            RandomForestClassifier(30, max_depth=8, random_state=0),
        ),
        columns=mixed,
        gaps=True,
        named=True,
    )
    yield Case(
        "pipeline: scaling, gradient boosting",
        lambda: make_pipeline(StandardScaler(), GradientBoostingClassifier(random_state=0)),
    )


def _boosters() -> Iterator[Case]:
    import lightgbm  # noqa: PLC0415 - as above
    import xgboost  # noqa: PLC0415

    mixed = ("amount", "age", "country", "visits", "plan")
    quiet: dict[str, Any] = {"verbose": -1, "n_jobs": 1, "random_state": 0}
    yield Case("XGBoost, missing values", lambda: xgboost.XGBClassifier(n_estimators=60, n_jobs=1), gaps=True)
    yield Case("XGBoost, 3 classes", lambda: xgboost.XGBClassifier(n_estimators=30, n_jobs=1), "multiclass", gaps=True)
    yield Case("XGBoost, values", lambda: xgboost.XGBRegressor(n_estimators=60, n_jobs=1), "regression", gaps=True)
    yield Case(
        "XGBoost, categories",
        lambda: xgboost.XGBClassifier(
            n_estimators=40, n_jobs=1, enable_categorical=True, feature_types=["q", "q", "c", "q", "c"]
        ),
        columns=mixed,
        gaps=True,
    )
    yield Case("XGBoost, linear", lambda: xgboost.XGBClassifier(n_estimators=30, n_jobs=1, booster="gblinear"))
    yield Case("LightGBM, linear trees", lambda: lightgbm.LGBMRegressor(linear_tree=True, **quiet), "regression")
    yield Case("LightGBM, missing values", lambda: lightgbm.LGBMClassifier(n_estimators=60, **quiet), gaps=True)
    yield Case(
        "LightGBM, categories",
        lambda: lightgbm.LGBMClassifier(n_estimators=60, **quiet),
        columns=mixed,
        gaps=True,
        fit={"categorical_feature": [2, 4]},
    )
    yield Case(
        "LightGBM, data frame with categories, 3 classes",
        lambda: lightgbm.LGBMClassifier(n_estimators=30, **quiet),
        "multiclass",
        columns=mixed,
        gaps=True,
        named=True,
    )
    yield Case("LightGBM, values", lambda: lightgbm.LGBMRegressor(n_estimators=60, **quiet), "regression", gaps=True)


def page(carried: Sequence[Carried]) -> Iterator[str]:
    """The lines of the page."""
    yield from (
        "<!-- Made by: .venv/bin/python -m modelyard.bundling.parity_page docs/parity.md. Do not edit. -->",
        "",
        "# What bundles carry, and how exactly",
        "",
        "Each estimator is trained, converted and compared with itself: on its sample, on rows made to be hard, and at",
        "the thresholds of its trees. *Error* is the worst difference of scores, relative to the original's. A runtime",
        "that differs by more than the tolerance (1e-6 unless said otherwise), or gives one row another class, is",
        "dropped. Among the faithful the first is kept, unless a later one answers a single row in less than four",
        "fifths of its time. `trees` are kept beside it, for compiled code. A `fallback` way to ONNX is tried only if",
        "the one before it was not faithful.",
        "What no fast runtime carries runs in a worker process of its own: on its own library (`lightgbm`, `xgboost`),",
        "or as `python`, which is built only with `--allow-python` and served only where its digest is permitted.",
        "",
        "| estimator | kept | error | also tried |",
        "|---|---|---|---|",
    )
    for each in carried:
        kept = next(attempt for attempt in each.built.attempts if not attempt.why_not)
        others = "; ".join(_tried(attempt) for attempt in each.built.attempts if attempt is not kept)
        yield f"| {each.case.name} | {kept.runtime} ({kept.converter}) | {_size(kept.error)} | {others or '-'} |"


def _tried(attempt: Attempt) -> str:
    if attempt.faithful:
        return f"{attempt.runtime} ({attempt.converter}): faithful, {_size(attempt.error)}"
    reason = attempt.why_not.partition(":")[0] if attempt.error is None else f"error {_size(attempt.error)}"
    return f"{attempt.runtime} ({attempt.converter}): {reason}"


def _size(error: float | None) -> str:
    """An error by its size, in thousands: what is below one in 10^11 is the order of a sum."""
    if error is None:
        return "-"
    if error < 1e-11:
        return "exact"
    return f"< 1e{ceil(log10(error) / 3) * 3:d}"


def main(arguments: Sequence[str]) -> None:
    """Write the page."""
    with TemporaryDirectory() as folder:
        carried = [carry(case, Path(folder) / str(index)) for index, case in enumerate(cases())]
    Path(arguments[0]).write_text("\n".join(page(carried)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
