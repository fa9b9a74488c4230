"""A bundle is built only when it answers exactly as the original does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression

from modelyard.bundling import Facts, NoFaithfulRuntime, build_bundle, build_profile, permutation_importance
from modelyard.core import Scalar
from modelyard.inference import Encoder, Field, Signature, Task, load_bundle

NAMES = ("a", "b", "c")


def signature(*, nullable: bool) -> Signature:
    """Three numbers."""
    return Signature(tuple(Field(name, "number", nullable) for name in NAMES))


def build(model: Any, task: Task, into: Path, *, nullable: bool, classes: tuple[str, ...] = ("0", "1")) -> Path:
    """Fit a model on random rows and build its bundle."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(300, 3)).astype(np.float32).astype(np.float64)
    if nullable:
        matrix[random.random((300, 3)) < 0.1] = np.nan
    totals = np.nansum(matrix, axis=1)
    target = totals if task == "regression" else np.digitize(totals, np.linspace(-1, 1, len(classes) - 1))
    model.fit(matrix, target)
    rows: list[tuple[Scalar, ...]] = [tuple(None if np.isnan(v) else v for v in row) for row in matrix.tolist()]
    spec = signature(nullable=nullable)
    profile = build_profile(spec, Encoder(spec)(rows).matrix, np.zeros(300), importance={}, performance={})
    facts = Facts(model="m", version="1", classes=classes)
    built = build_bundle(model, rows, signature=spec, task=task, plan={}, profile=profile, facts=facts, into=into)
    fresh = random.normal(size=(500, 3))
    answers = load_bundle(built.path, expect=built.digest).scores(fresh)
    expected = model.predict(fresh) if task == "regression" else model.predict_proba(fresh)
    expected = expected[:, 1:] if task == "binary" else expected
    assert np.allclose(answers, expected.reshape(answers.shape), rtol=1e-6, atol=0)
    return built.path


@pytest.mark.parametrize(
    ("model", "task", "nullable", "classes"),
    [
        (HistGradientBoostingClassifier(max_iter=20), "binary", True, ("0", "1")),
        (HistGradientBoostingClassifier(max_iter=20), "multiclass", True, ("0", "1", "2")),
        (HistGradientBoostingRegressor(max_iter=20), "regression", True, ()),
        (RandomForestClassifier(20, random_state=0), "binary", False, ("0", "1")),
        (ExtraTreesClassifier(20, random_state=0), "multiclass", False, ("0", "1", "2")),
        (GradientBoostingClassifier(n_estimators=20), "binary", False, ("0", "1")),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else str(value),
)
def test_real_estimators_are_carried_exactly(
    model: Any, task: Task, nullable: bool, classes: tuple[str, ...], tmp_path: Path
) -> None:
    """Fresh float64 rows too, for which scikit-learn's own trees round to float32 first."""
    classes = classes or ("0", "1")
    build(model, task, tmp_path / "bundle", nullable=nullable, classes=classes)


def test_a_model_that_nothing_carries_is_refused_by_name(tmp_path: Path) -> None:
    """A logistic regression has no fast runtime yet."""
    with pytest.raises(NoFaithfulRuntime, match="LogisticRegression"):
        build(LogisticRegression(), "binary", tmp_path / "bundle", nullable=False)


def test_a_model_that_answers_otherwise_after_conversion_is_refused(tmp_path: Path) -> None:
    """The proof compares with the model itself, so that a lie in between does not pass."""

    class Shifted(HistGradientBoostingClassifier):  # type: ignore[misc]  # the library has no types
        def predict_proba(self, matrix: Any) -> Any:
            return np.roll(super().predict_proba(matrix), 1, axis=1)

    Shifted.__name__ = "HistGradientBoostingClassifier"
    with pytest.raises(NoFaithfulRuntime, match="another class"):
        build(Shifted(max_iter=5), "binary", tmp_path / "bundle", nullable=True)


def test_importance_finds_the_feature_that_matters() -> None:
    """Two columns, one of which decides: it gets nearly all; the same seed gives the same answer."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(1000, 2))
    labels = (matrix[:, 1] > 0).astype(float)
    first, again = (
        permutation_importance(lambda rows: rows[:, 1], matrix, labels, ("noise", "signal"), seed=3) for _ in range(2)
    )
    assert first == again
    assert first["signal"] > 0.99


def test_the_profile_counts_every_row_once() -> None:
    """Bins and nulls add up to the rows; ties share a bin; a constant column has one edge at most."""
    matrix = np.array([[1.0, np.nan, 5.0]] * 50 + [[2.0, 3.0, 5.0]] * 50)
    profile = build_profile(signature(nullable=True), matrix, np.linspace(0, 1, 100), importance={}, performance={})
    for column in profile.columns:
        assert sum(column.counts) + column.nulls == 100
    assert profile.columns[1].nulls == 50
    assert profile.scores is not None
    assert sum(profile.scores.counts) == 100
