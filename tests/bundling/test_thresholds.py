"""Rows at the splits of trees find what ordinary rows do not."""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from modelyard.bundling.converters import treelite_of
from modelyard.bundling.thresholds import edge_rows, splits_of, threshold_rows
from modelyard.bundling.trees import tree_graph
from modelyard.inference import RUNTIMES, Field, Signature

SIGNATURE = Signature(tuple(Field(name, "number", nullable=False) for name in "abc"))
RANDOM = np.random.default_rng(0)
MATRIX = RANDOM.normal(size=(300, 3)).astype(np.float32).astype(np.float64)
LABELS = (MATRIX.sum(axis=1) > 0).astype(int)


def answers(model: Any, matrix: Any, folder: Path, *, rounds_input: bool) -> Any:
    """What the trees of a model answer as an ONNX graph."""
    (folder / "model.onnx").write_bytes(tree_graph(treelite_of(model), rounds_input=rounds_input).to_bytes(1))
    return RUNTIMES["onnx"](folder).scores(matrix)


def test_a_forest_whose_input_is_not_rounded_is_found_out_only_at_thresholds(tmp_path: Path) -> None:
    """On rows that float32 holds both are right; one ulp beside a threshold the unrounded one is wrong."""
    forest = RandomForestClassifier(20, random_state=0).fit(MATRIX, LABELS)
    hard = threshold_rows(splits_of(forest), SIGNATURE, MATRIX)
    for rows, rounds_input, alike in ((MATRIX, False, True), (hard, False, False), (hard, True, True)):
        found = answers(forest, rows, tmp_path, rounds_input=rounds_input)[:, 0]
        assert np.array_equal(found, forest.predict_proba(rows)[:, 1]) == alike


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(3, random_state=0),
        GradientBoostingClassifier(n_estimators=3, random_state=0),
        HistGradientBoostingClassifier(max_iter=3),
        lightgbm.LGBMClassifier(n_estimators=3, verbose=-1),
        xgboost.XGBClassifier(n_estimators=3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_splits_of_every_library_are_read(model: Any) -> None:
    """A value just above a threshold and the threshold itself go different ways in some tree."""
    model.fit(MATRIX, LABELS)
    fields, values = splits_of(model)
    assert len(fields) == len(values) > 3
    assert set(fields.tolist()) <= {0, 1, 2}
    for field in set(fields.tolist()):
        seen = MATRIX[:, field]
        assert (values[fields == field] <= seen.max()).all()
        assert (values[fields == field] >= seen.min()).all()


def test_histogram_trees_with_categories_name_the_columns_of_rows() -> None:
    """The library puts categories first; thresholds belong to the columns behind."""
    codes = RANDOM.integers(0, 3, 300).astype(float)
    matrix = np.column_stack([MATRIX[:, 0] * 1000, codes, MATRIX[:, 1]])
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features=[1]).fit(matrix, LABELS)
    fields, values = splits_of(model)
    assert set(fields.tolist()) <= {0, 2}
    assert (np.abs(values[fields == 2]) < 10).all()


def test_many_thresholds_are_sampled_and_categories_left_alone() -> None:
    """Six rows a threshold: itself, and its neighbours in both precisions."""
    forest = RandomForestClassifier(20, random_state=0).fit(MATRIX, LABELS)
    assert len(threshold_rows(splits_of(forest), SIGNATURE, MATRIX, limit=10)) == 60
    levels = Signature(tuple(Field(name, "category", categories=("x", "y")) for name in "abc"))
    assert len(threshold_rows(splits_of(forest), levels, MATRIX)) == 0
    assert len(threshold_rows(splits_of(LogisticRegression()), SIGNATURE, MATRIX)) == 0


def test_splits_behind_a_pipeline_are_found_between_neighbouring_numbers() -> None:
    """Two rows that differ by one ulp of one column, on both sides of a split of the scaled forest."""
    scaler = StandardScaler().fit(MATRIX)
    forest = DecisionTreeClassifier(max_depth=4, random_state=0).fit(scaler.transform(MATRIX), LABELS)
    fields, values = splits_of(forest)
    rows = edge_rows(scaler.transform, (fields, values), SIGNATURE, MATRIX)
    assert len(rows) >= 2 * len(fields)
    pairs = []
    for column in range(3):
        count = int((fields == column).sum())
        pairs.append((column, count))
    assert sum(count for _, count in pairs) * 2 == len(rows)
    at = 0
    for column, count in pairs:
        low, high = rows[at : at + count], rows[at + count : at + 2 * count]
        assert (np.nextafter(low[:, column], np.inf) == high[:, column]).all()
        at += 2 * count
