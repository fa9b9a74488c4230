"""What fields contribute, compared with the libraries' own answers and with Shapley's formula written out."""

from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import lightgbm
import msgspec
import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from modelyard.bundling import Facts, Original, build_bundle
from modelyard.bundling.explain import added_up, explain_files
from modelyard.inference import (
    EXPLAIN_ARRAYS,
    EXPLAIN_FILE,
    Bundle,
    ExplainInfo,
    Field,
    NotExplained,
    ReferenceProfile,
    Signature,
    Task,
    load_bundle,
    load_explainer,
)

Matrix = NDArray[np.float64]

LEVELS = tuple("uvwxyz")
SIGNATURE = Signature(
    (Field("a", "number"), Field("b", "number"), Field("c", "category", categories=LEVELS), Field("d", "number"))
)
CLASSES = {"binary": ("0", "1"), "multiclass": ("0", "1", "2"), "regression": ()}


def table(rows: int, *, gaps: bool, seed: int = 7) -> Matrix:
    """Encoded rows: three numbers, and a category as the third of four fields."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, 4)).astype(np.float32).astype(np.float64)
    matrix[:, 2] = random.integers(0, len(LEVELS), rows)
    if gaps:
        matrix[random.random((rows, 4)) < 0.15] = np.nan
    return matrix


def target(matrix: Matrix, task: Task) -> NDArray[Any]:
    """Something that interacts, so that contributions are no plain sums."""
    a, b, c, d = np.nan_to_num(matrix, nan=0.7).T
    value = a * b + (c == 3) * 2 - np.abs(d) + a
    kinds = {"binary": (value > 0).astype(int), "multiclass": np.digitize(value, [-1.0, 0.7]), "regression": value}
    return np.asarray(kinds[task])


def built(model: Any, task: Task, into: Path, *, gaps: bool = False, named: bool = False, **fit: Any) -> Bundle:
    """The bundle of a model trained on 400 rows, loaded."""
    matrix, original = table(400, gaps=gaps), Original(model, SIGNATURE, task)
    model.fit(original.frame(matrix) if named else matrix, target(matrix, task), **fit)
    rows = [
        tuple(None if np.isnan(v) else LEVELS[int(v)] if at == 2 else float(v) for at, v in enumerate(row))
        for row in matrix
    ]
    made = build_bundle(
        model,
        rows,
        signature=SIGNATURE,
        task=task,
        plan={},
        profile=ReferenceProfile(0, ()),
        facts=Facts("m", "1", CLASSES[task]),
        into=into,
    )
    return load_bundle(made.path, expect=made.digest)


def loose(model: Any) -> list[Any]:
    """The single trees of a scikit-learn model."""
    return [model] if hasattr(model, "tree_") else list(np.ravel(model.estimators_))


def expectation(tree: Any, output: int, row: Matrix, known: frozenset[int], fields: list[int], node: int = 0) -> float:
    """What a tree answers when some fields are known: the others follow the training rows (Lundberg 2018, alg. 1)."""
    inner = tree.tree_
    left, right = inner.children_left[node], inner.children_right[node]
    if left < 0:
        votes = inner.value[node].ravel()
        return float(votes[output] / votes.sum()) if hasattr(tree, "classes_") else float(votes[0])
    column = inner.feature[node]
    if fields[column] in known:
        value = np.float32(row[column])
        goes_left = inner.missing_go_to_left[node] if np.isnan(value) else value <= inner.threshold[node]
        return expectation(tree, output, row, known, fields, left if goes_left else right)
    weight = inner.weighted_n_node_samples
    parts = [weight[side] * expectation(tree, output, row, known, fields, side) for side in (left, right)]
    return float(sum(parts) / weight[node])


def shapley(trees: list[Any], output: int, row: Matrix, fields: list[int], players: int) -> list[float]:
    """Shapley's formula, written out over all coalitions."""

    def worth(known: frozenset[int]) -> float:
        return float(np.mean([expectation(tree, output, row, known, fields) for tree in trees]))

    found = []
    for player in range(players):
        others = [each for each in range(players) if each != player]
        total = 0.0
        for size in range(players):
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            for known in map(frozenset, combinations(others, size)):
                total += weight * (worth(known | {player}) - worth(known))
        found.append(total)
    return found


@pytest.mark.parametrize(
    ("model", "task"),
    [
        (RandomForestClassifier(4, max_depth=6, random_state=0), "binary"),
        (RandomForestClassifier(3, max_depth=5, class_weight="balanced", random_state=0), "multiclass"),
        (DecisionTreeClassifier(max_depth=7, random_state=0), "binary"),
        (DecisionTreeRegressor(max_depth=7, random_state=0), "regression"),
        (ExtraTreesRegressor(3, max_depth=6, random_state=0), "regression"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else value,
)
def test_forests_get_shapley_values_by_the_formula(model: Any, task: Task, tmp_path: Path) -> None:
    """All coalitions of four fields, on rows with gaps; ours takes no coalition into its hands."""
    bundle = built(model, task, tmp_path / "bundle", gaps=True)
    rows = table(6, gaps=True, seed=8)
    given = bundle.contributions(rows)
    assert given.scale == ("value" if task == "regression" else "probability")
    for output in range(given.base.shape[1]):
        place = output if task == "multiclass" else 1
        for row, ours in zip(rows, given.values[:, :, output], strict=True):
            assert ours == pytest.approx(shapley(loose(model), place, row, [0, 1, 2, 3], 4), abs=1e-12)


@pytest.mark.long
def test_columns_of_one_field_are_one_player(tmp_path: Path) -> None:
    """Behind one-hot encoding, what a level's columns do together is the field's, also by the formula."""
    front = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["c"])], remainder=SimpleImputer())
    forest = RandomForestClassifier(3, max_depth=6, random_state=0)
    model = make_pipeline(front, forest)
    bundle = built(model, "binary", tmp_path / "bundle", gaps=True, named=True)
    rows = table(5, gaps=True, seed=8)
    fields = [2] * 7 + [0, 1, 3]
    seen = front.transform(Original(model, SIGNATURE, "binary").frame(rows))
    given = bundle.contributions(rows)
    for row, ours in zip(np.asarray(seen, dtype=np.float64), given.values[:, :, 0], strict=True):
        assert ours == pytest.approx(shapley(loose(forest), 1, row, fields, 4), abs=1e-12)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize(
    ("categories", "gaps"),
    [
        (True, True),
        *(pytest.param(*each, marks=pytest.mark.long) for each in [(False, False), (False, True), (True, False)]),
    ],
)
def test_lightgbm_gives_the_same_numbers(task: Task, categories: bool, gaps: bool, tmp_path: Path) -> None:
    """`pred_contrib` of the library itself."""
    kind = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
    model = kind(n_estimators=15, verbose=-1)
    bundle = built(model, task, tmp_path / "bundle", gaps=gaps, categorical_feature=[2] if categories else [])
    rows = table(60, gaps=gaps, seed=8)
    theirs = np.asarray(model.predict(rows, pred_contrib=True)).reshape(60, -1, 5).transpose(0, 2, 1)
    ours = bundle.contributions(rows)
    assert ours.values == pytest.approx(theirs[:, :4], abs=1e-10)
    assert ours.base == pytest.approx(theirs[:, 4], abs=1e-10)
    assert ours.scale == ("value" if task == "regression" else "log-odds")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("categories", [False, True])
def test_xgboost_gives_the_same_numbers(task: Task, categories: bool, tmp_path: Path) -> None:
    """`pred_contribs` of the library itself, which computes in float32."""
    kind = xgboost.XGBRegressor if task == "regression" else xgboost.XGBClassifier
    types = ["q", "q", "c" if categories else "q", "q"]
    model = kind(n_estimators=15, enable_categorical=categories, feature_types=types)
    bundle = built(model, task, tmp_path / "bundle", gaps=True)
    rows = table(60, gaps=True, seed=8)
    coded = xgboost.DMatrix(rows, feature_types=types, enable_categorical=categories)
    theirs = model.get_booster().predict(coded, pred_contribs=True).reshape(60, -1, 5).transpose(0, 2, 1)
    ours = bundle.contributions(rows)
    assert ours.values == pytest.approx(theirs[:, :4], rel=1e-4, abs=2e-6)
    assert ours.base == pytest.approx(theirs[:, 4], rel=1e-4, abs=2e-6)


def mixed(*, gaps: bool) -> Any:
    """A front that imputes and scales numbers in two ways, and codes the category."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()) if gaps else RobustScaler()
    levels = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    parts = [
        ("n", numbers, ["d", "a"]),
        ("c", levels, ["c"]),
        ("m", make_pipeline(SimpleImputer(), MinMaxScaler()), ["b"]),
    ]
    return ColumnTransformer(parts)


@pytest.mark.parametrize(
    ("model", "task", "gaps", "named"),
    [
        (HistGradientBoostingClassifier(max_iter=20, categorical_features=[2]), "binary", True, False),
        (HistGradientBoostingClassifier(max_iter=10, categorical_features=["c"]), "multiclass", True, True),
        (HistGradientBoostingRegressor(max_iter=20), "regression", True, False),
        (HistGradientBoostingRegressor(max_iter=20, loss="gamma"), "regression", True, False),
        (GradientBoostingClassifier(n_estimators=20), "binary", False, False),
        (GradientBoostingClassifier(n_estimators=10), "multiclass", False, False),
        (RandomForestClassifier(10, random_state=0), "multiclass", True, False),
        (lightgbm.LGBMClassifier(n_estimators=10, verbose=-1), "binary", True, True),
        (make_pipeline(mixed(gaps=True), GradientBoostingClassifier(n_estimators=20)), "binary", True, True),
        (make_pipeline(mixed(gaps=True), RandomForestClassifier(10, random_state=0)), "multiclass", True, True),
        (make_pipeline(mixed(gaps=False), Ridge()), "regression", False, True),
        (make_pipeline(mixed(gaps=True), LogisticRegression()), "multiclass", True, True),
        (make_pipeline(mixed(gaps=True), LogisticRegression()), "binary", True, True),
        (make_pipeline(StandardScaler(), LinearRegression()), "regression", False, False),
    ],
    ids=lambda value: (
        "-".join(type(each).__name__ for _, each in value.steps)
        if hasattr(value, "steps")
        else type(value).__name__
        if hasattr(value, "fit")
        else str(value)
    ),
)
def test_base_and_contributions_add_up_to_what_the_runtime_answers(
    model: Any, task: Task, gaps: bool, named: bool, tmp_path: Path
) -> None:
    """On rows that nobody proved anything on, one number for each field of the signature."""
    if "gamma" in str(getattr(model, "loss", "")):
        model = AboveZero(max_iter=20, loss="gamma")
    bundle = built(model, task, tmp_path / "bundle", gaps=gaps, named=named)
    rows = table(200, gaps=gaps, seed=9)
    given = bundle.contributions(rows)
    outputs = 3 if task == "multiclass" else 1
    assert (given.base.shape, given.values.shape) == ((200, outputs), (200, 4, outputs))
    assert added_up(given) == pytest.approx(bundle.scores(rows), rel=1e-6, abs=1e-9)
    assert np.ptp(given.base, axis=0) == pytest.approx(0)


class AboveZero(HistGradientBoostingRegressor):  # type: ignore[misc]  # the library has no types
    """Trained on the exponential of its target, which gamma regression needs above zero."""

    def fit(self, matrix: Any, values: Any) -> Any:
        return super().fit(matrix, np.exp(values))


AboveZero.__name__ = "HistGradientBoostingRegressor"


def test_a_linear_model_gives_coefficient_times_distance_from_the_mean(tmp_path: Path) -> None:
    """The interventional Shapley values; by hand, through scaling, the category as the sum of its columns."""
    front = ColumnTransformer([("n", StandardScaler(), ["a", "b", "d"]), ("c", OneHotEncoder(), ["c"])])
    model = make_pipeline(front, LogisticRegression())
    bundle = built(model, "binary", tmp_path / "bundle", named=True)
    frame = Original(model, SIGNATURE, "binary").frame
    seen, known = (
        np.asarray(front.transform(frame(each))) for each in (table(9, gaps=False, seed=1), table(400, gaps=False))
    )
    parts = (seen - known.mean(axis=0)) * model[-1].coef_
    by_hand = np.stack([parts[:, 0], parts[:, 1], parts[:, 3:].sum(axis=1), parts[:, 2]], axis=1)
    given = bundle.contributions(table(9, gaps=False, seed=1))
    assert given.values[:, :, 0] == pytest.approx(by_hand, abs=1e-12)
    assert given.base[0, 0] == pytest.approx(model.decision_function(frame(table(400, gaps=False))).mean(), abs=1e-12)


def test_a_poisson_regression_is_explained_on_the_log_scale() -> None:
    """There its terms add up."""
    matrix = table(300, gaps=False)
    model = PoissonRegressor().fit(matrix, np.exp(matrix[:, 0]))
    original = Original(model, SIGNATURE, "regression")
    files = explain_files(original, matrix, matrix, original.scores(matrix))
    info = msgspec.json.decode(files[EXPLAIN_FILE], type=ExplainInfo)
    assert (info.kind, info.scale) == ("linear", "log")
    given = load_explainer(info, files[EXPLAIN_ARRAYS], SIGNATURE)(matrix[:3])
    assert np.log(model.predict(matrix[:3])) == pytest.approx((given.base + given.values.sum(axis=1))[:, 0])


@pytest.mark.parametrize(
    ("model", "why_not"),
    [
        (KNeighborsClassifier(), "a KNeighborsClassifier has neither trees nor one coefficient a column"),
        (make_pipeline(PolynomialFeatures(), LogisticRegression()), "its PolynomialFeatures is not known to make"),
        (
            make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression()),
            "adds columns that say what was missing",
        ),
        (make_pipeline(MinMaxScaler(clip=True), LogisticRegression()), "cuts numbers off"),
        (make_pipeline(OrdinalEncoder(), RandomForestClassifier(2)), "takes numbers for categories"),
    ],
    ids=lambda value: "" if hasattr(value, "fit") else value[:30],
)
def test_what_is_not_known_is_left_out_with_the_reason(model: Any, why_not: str) -> None:
    """No guess is made of transformers that may mix fields."""
    matrix = np.round(table(200, gaps=False))
    model.fit(matrix, target(matrix, "binary"))
    files = explain_files(Original(model, SIGNATURE, "binary"), matrix, matrix, model.predict_proba(matrix)[:, 1:])
    assert list(files) == [EXPLAIN_FILE]
    assert why_not in msgspec.json.decode(files[EXPLAIN_FILE], type=ExplainInfo).why_not


def test_contributions_that_do_not_add_up_are_left_out() -> None:
    """The proof is that they do: a model that answers otherwise than its trees say has none."""
    matrix = table(200, gaps=False)
    model = RandomForestClassifier(5, random_state=0).fit(matrix, target(matrix, "binary"))
    other = model.predict_proba(matrix)[:, 1:] + 1e-4
    files = explain_files(Original(model, SIGNATURE, "binary"), matrix, matrix, other)
    assert "off (relative)" in msgspec.json.decode(files[EXPLAIN_FILE], type=ExplainInfo).why_not


def test_an_ensemble_too_large_to_be_asked_in_time_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than a server that stands still for it."""
    monkeypatch.setattr("modelyard.bundling.explain._LARGEST", 100)
    matrix = table(200, gaps=False)
    model = RandomForestClassifier(5, random_state=0).fit(matrix, target(matrix, "binary"))
    files = explain_files(Original(model, SIGNATURE, "binary"), matrix, matrix, model.predict_proba(matrix)[:, 1:])
    assert "nodes, and up to 100 are explained" in msgspec.json.decode(files[EXPLAIN_FILE], type=ExplainInfo).why_not


def test_a_bundle_without_contributions_says_why(tmp_path: Path) -> None:
    """And it predicts all the same."""
    bundle = built(KNeighborsClassifier(), "binary", tmp_path / "bundle")
    assert not bundle.explains
    with pytest.raises(NotExplained, match="KNeighborsClassifier has neither trees") as refused:
        bundle.contributions(table(1, gaps=False))
    assert "Ask without an explanation" in refused.value.remedy
    assert bundle.scores(table(1, gaps=False)).shape == (1, 1)


def test_equal_models_give_equal_files() -> None:
    """A bundle's digest must not change when it is built again."""
    matrix = table(200, gaps=False)
    made = []
    for _ in range(2):
        model = RandomForestClassifier(5, random_state=0).fit(matrix, target(matrix, "binary"))
        original = Original(model, SIGNATURE, "binary")
        made.append(explain_files(original, matrix, matrix, original.scores(matrix)))
    assert made[0] == made[1]
    assert list(made[0]) == [EXPLAIN_FILE, EXPLAIN_ARRAYS]
