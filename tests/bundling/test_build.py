"""A bundle is built only when it answers exactly as the original does."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from modelyard.bundling import (
    Attempt,
    Facts,
    NoFaithfulRuntime,
    Original,
    build_bundle,
    build_profile,
    permutation_importance,
    tightened,
)
from modelyard.bundling.build import choice
from modelyard.core import InvalidInput, Scalar
from modelyard.inference import LARGEST_SINGLE, Encoder, Field, InvalidRow, Signature, Task, load_bundle

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


class Unknown(BaseEstimator):  # type: ignore[misc]  # the library has no types
    """A model of nobody's."""

    def fit(self, matrix: Any, target: Any) -> "Unknown":
        self.classes_ = np.unique(target)
        return self

    def predict_proba(self, matrix: Any) -> Any:
        return np.tile([0.25, 0.75], (len(matrix), 1))


def test_a_model_that_nothing_carries_is_refused_by_name(tmp_path: Path) -> None:
    """With what was tried, and what to do."""
    with pytest.raises(NoFaithfulRuntime, match="carries this Unknown") as refused:
        build(Unknown(), "binary", tmp_path / "bundle", nullable=True)
    assert "parity.md" in refused.value.remedy


def test_a_model_without_probabilities_says_how_to_get_them(tmp_path: Path) -> None:
    """A decision function is no probability."""
    with pytest.raises(InvalidInput, match="gives no probabilities") as refused:
        build(LinearSVC(), "binary", tmp_path / "bundle", nullable=False)
    assert "CalibratedClassifierCV" in refused.value.remedy


def test_a_model_that_answers_otherwise_after_conversion_is_refused(tmp_path: Path) -> None:
    """The proof compares with the model itself, so that a lie in between does not pass."""

    class Shifted(HistGradientBoostingClassifier):  # type: ignore[misc]  # the library has no types
        def predict_proba(self, matrix: Any) -> Any:
            return np.roll(super().predict_proba(matrix), 1, axis=1)

    Shifted.__name__ = "HistGradientBoostingClassifier"
    with pytest.raises(NoFaithfulRuntime, match="another class"):
        build(Shifted(max_iter=5), "binary", tmp_path / "bundle", nullable=True)


def test_what_the_original_refuses_the_signature_refuses(tmp_path: Path) -> None:
    """Gradient boosting takes no missing value, no infinity, and nothing that float32 cannot hold."""
    built = build(GradientBoostingClassifier(n_estimators=5), "binary", tmp_path / "bundle", nullable=False)
    loose = Signature(tuple(Field(name, "number", nullable=True, finite=False) for name in NAMES))
    model = GradientBoostingClassifier(n_estimators=5).fit(np.zeros((9, 3)), [0, 1, 0] * 3)
    tight = tightened(Original(model, loose, "binary"), np.zeros((2, 3)))
    found = {(field.nullable, field.finite, field.largest) for field in tight.fields}
    assert found == {(False, True, LARGEST_SINGLE)}
    with pytest.raises(InvalidRow, match=r"up to 3\.4e"):
        load_bundle(built).predict([(1e39, 0.0, 0.0)])


def test_what_the_original_answers_the_signature_lets_in() -> None:
    """Histogram trees take missing values, infinities and all of float64."""
    loose = Signature(tuple(Field(name, "number", nullable=True, finite=False) for name in NAMES))
    model = HistGradientBoostingClassifier(max_iter=2).fit(np.zeros((40, 3)), [0, 1] * 20)
    tight = tightened(Original(model, loose, "binary"), np.zeros((2, 3)))
    assert [(field.nullable, field.largest) for field in tight.fields] == [(True, None)] * 3


def test_an_unseen_level_is_an_error_where_the_model_knows_no_missing_one() -> None:
    """It would become NaN, which the model refuses."""
    spec = Signature((Field("level", "category", nullable=True, categories=("a", "b")),))
    model = LogisticRegression().fit(np.array([[0.0], [1.0]] * 9), [0, 1] * 9)
    (field,) = tightened(Original(model, spec, "binary"), np.array([[0.0], [1.0]])).fields
    assert (field.nullable, field.unknown) == (False, "error")


def test_every_way_that_was_tried_is_on_record(tmp_path: Path) -> None:
    """What each costs at four sizes, its size, its error, and why it was not kept."""
    folder = build(ExtraTreesClassifier(10, random_state=0), "binary", tmp_path / "bundle", nullable=False)
    attempts = msgspec.json.decode((folder / "build.json").read_bytes(), type=list[Attempt])
    assert [each.runtime for each in attempts] == ["trees", "onnx", "treelite-float32"]
    for each in attempts:
        assert each.faithful
        assert list(each.rows_us) == ["1", "10", "100", "1000"]
        assert each.row_us == each.rows_us["1"]
        assert each.size
        assert each.error is not None
    assert [each.why_not for each in attempts].count("") == 1
    assert "kept beside it" in attempts[0].why_not
    assert "preferred at one row" in attempts[2].why_not


@pytest.mark.parametrize(
    ("costs", "kept"),
    [
        ((30.0, 29.0), 0),
        ((30.0, 23.0), 1),
        ((None, 90.0), 1),
        ((30.0, None), 0),
        ((None, None), None),
        ((9.0, 7.0, 5.0), 2),
    ],
)
def test_the_first_faithful_runtime_is_kept_unless_a_later_one_is_much_faster(
    costs: tuple[float | None, ...], kept: int | None
) -> None:
    """Less than four fifths of the time at one row; unfaithful ones have none."""
    assert choice([Attempt("r", 0.0, each, "", faithful=each is not None) for each in costs]) == kept


def test_golden_rows_are_raw_rows(tmp_path: Path) -> None:
    """They hold what a caller would send, so that encoding is replayed too."""
    folder = build(HistGradientBoostingClassifier(max_iter=5), "binary", tmp_path / "bundle", nullable=True)
    golden = json.loads((folder / "golden.json").read_bytes())
    assert len(golden["rows"]) == 32
    assert any(None in row for row in golden["rows"])


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
