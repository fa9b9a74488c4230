"""Contributions by the structure that a bundle holds: Shapley values of any tree, and files that are refused."""

import io
import json
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelyard.core import canonical_json, digest_of
from modelyard.inference import (
    EXPLAIN_ARRAYS,
    EXPLAIN_FILE,
    EXPLAIN_VERSION,
    BundleDamaged,
    Columns,
    ExplainInfo,
    Field,
    LinearModel,
    NotExplained,
    Signature,
    TreeModel,
    load_bundle,
    load_explainer,
    pack_explainer,
)

Matrix = NDArray[np.float64]

STORED = Path(__file__).with_name("bundles")
INFO = ExplainInfo(EXPLAIN_VERSION, "trees", "value")
FIELDS = 4
SIGNATURE = Signature(tuple(Field(name, "number") for name in "abcd"))


def grown(random: np.random.Generator, trees: int, depth: int, outputs: int, *, vector: bool) -> TreeModel:
    """Trees of random splits, by numbers and by sets of codes, some of whose sides no training row took."""
    rows: list[list[Any]] = []
    sizes: list[int] = []
    values: list[list[float]] = []
    for _ in range(trees):
        start = len(rows)

        def grow(cover: float, left: int, start: int = start) -> int:
            at = len(rows) - start
            row: list[Any] = [-1, 0.0, False, 0, 0, -1, cover]
            rows.append(row)
            if not left or not cover or random.random() < 0.2:
                values.append(random.normal(size=outputs if vector else 1).tolist())
                return at
            share = 0.0 if random.random() < 0.1 else float(random.random())
            member = int(random.integers(0, 3)) if random.random() < 0.3 else -1
            row[:3] = [int(random.integers(0, FIELDS)), float(random.normal()), bool(random.random() < 0.5)]
            row[5] = member
            row[3], row[4] = grow(cover * share, left - 1), grow(cover * (1 - share), left - 1)
            return at

        grow(100.0, depth)
        sizes.append(len(rows) - start)
    column, threshold, missing, true, false, member, cover = (np.array(each) for each in zip(*rows, strict=True))
    return TreeModel(
        sizes=np.array(sizes),
        targets=np.zeros(trees, dtype=np.int64) if vector else random.integers(0, outputs, trees),
        column=column,
        threshold=threshold.astype(np.float64),
        missing=missing,
        true=true,
        false=false,
        member=member,
        cover=cover.astype(np.float64),
        sets=np.array([[True, False, True, False], [False, False, True, False], [False, False, False, False]]),
        values=np.array(values),
        base=random.normal(size=outputs),
    )


def expectation(model: TreeModel, row: Matrix, known: frozenset[int]) -> Matrix:
    """What an ensemble answers when some fields are known, by walking down every tree."""
    leaf = np.cumsum(model.column < 0) - 1
    total = model.base.copy()
    starts = np.cumsum(model.sizes) - model.sizes

    def walk(start: int, node: int) -> Matrix:
        at = start + node
        column = model.column[at]
        if column < 0:
            value: Matrix = model.values[leaf[at]]
            return value
        sides = (int(model.true[at]), int(model.false[at]))
        if column in known:
            value = row[column]
            if np.isnan(value):
                agrees = model.missing[at]
            elif model.member[at] >= 0:
                agrees = 0 <= value < 4 and model.sets[model.member[at], int(value)]
            else:
                agrees = value <= model.threshold[at]
            return walk(start, sides[0] if agrees else sides[1])
        parts = [model.cover[start + side] * walk(start, side) for side in sides]
        mixed: Matrix = (parts[0] + parts[1]) / model.cover[at]
        return mixed

    for start, target in zip(starts.tolist(), model.targets.tolist(), strict=True):
        found = walk(start, 0)
        if len(found) > 1:
            total += found
        else:
            total[target] += found[0]
    return total


def shapley(model: TreeModel, row: Matrix) -> Matrix:
    """(fields, outputs) by Shapley's formula over all coalitions."""
    found = np.zeros((FIELDS, len(model.base)))
    for player in range(FIELDS):
        others = [each for each in range(FIELDS) if each != player]
        for size in range(FIELDS):
            weight = factorial(size) * factorial(FIELDS - size - 1) / factorial(FIELDS)
            for known in map(frozenset, combinations(others, size)):
                worth = expectation(model, row, known | {player}) - expectation(model, row, known)
                found[player] += weight * worth
    return found


def rows_for(random: np.random.Generator, count: int) -> Matrix:
    """Whole numbers, which are codes too, beside others, some missing."""
    rows = np.where(random.random((count, FIELDS)) < 0.5, random.integers(0, 6, (count, FIELDS)), 0.0)
    rows = np.where(rows == 0, np.abs(random.normal(size=(count, FIELDS))).round(), rows)
    rows[random.random((count, FIELDS)) < 0.2] = np.nan
    return rows


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.integers(0, 7), outputs=st.integers(1, 3), vector=st.booleans())
def test_any_trees_get_shapley_values_by_the_formula(seed: int, depth: int, outputs: int, vector: bool) -> None:
    """Whatever the shape, the order of fields on a path, sets, gaps, and sides that no training row took."""
    random = np.random.default_rng(seed)
    model = grown(random, 3, depth, outputs, vector=vector)
    rows = rows_for(random, 3)
    made = load_explainer(INFO, pack_explainer(Columns.plain(FIELDS), model), SIGNATURE)(rows)
    assert made.values == pytest.approx(np.stack([shapley(model, row) for row in rows]), abs=1e-10)
    assert made.base[0] == pytest.approx(expectation(model, rows[0], frozenset()), abs=1e-10)
    everything = np.stack([expectation(model, row, frozenset(range(FIELDS))) for row in rows])
    assert made.base + made.values.sum(axis=1) == pytest.approx(everything, abs=1e-10)


def test_a_field_that_no_split_asks_contributes_nothing() -> None:
    """Not a rounding error: exactly zero."""
    random = np.random.default_rng(0)
    model = grown(random, 5, 6, 1, vector=False)
    model = replace(model, column=np.where(model.column == 2, 1, model.column))
    made = load_explainer(INFO, pack_explainer(Columns.plain(FIELDS), model), SIGNATURE)(rows_for(random, 20))
    assert not made.values[:, 2].any()


def test_many_rows_and_trees_get_what_each_gets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees and rows are taken in groups: the borders of groups do not show."""
    random = np.random.default_rng(1)
    model, rows = grown(random, 30, 6, 2, vector=False), rows_for(random, 50)
    data = pack_explainer(Columns.plain(FIELDS), model)
    at_once = load_explainer(INFO, data, SIGNATURE)(rows)
    monkeypatch.setattr("modelyard.inference.explain.trees._NODES_AT_ONCE", 40)
    monkeypatch.setattr("modelyard.inference.explain.trees._CELLS_AT_ONCE", 300)
    in_parts = load_explainer(INFO, data, SIGNATURE)
    assert in_parts(rows).values == pytest.approx(at_once.values, abs=1e-12)
    alone = np.concatenate([in_parts(row[None]).values for row in rows])
    assert alone == pytest.approx(at_once.values, abs=1e-12)


def test_memory_does_not_grow_with_the_rows() -> None:
    """But for the answer itself."""
    random = np.random.default_rng(2)
    explain = load_explainer(
        INFO, pack_explainer(Columns.plain(FIELDS), grown(random, 50, 8, 1, vector=False)), SIGNATURE
    )
    rows = rows_for(random, 4000)
    peaks = []
    for count in (500, 4000):
        tracemalloc.start()
        explain(rows[:count])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 3500 * FIELDS * 8 * 6


def test_no_rows_get_no_contributions() -> None:
    """Of the right shape."""
    model = grown(np.random.default_rng(3), 2, 3, 2, vector=False)
    made = load_explainer(INFO, pack_explainer(Columns.plain(FIELDS), model), SIGNATURE)(np.empty((0, FIELDS)))
    assert (made.base.shape, made.values.shape) == ((0, 2), (0, FIELDS, 2))


MODEL = grown(np.random.default_rng(4), 3, 4, 1, vector=False)
INNER = int(np.flatnonzero(MODEL.column >= 0)[1])


def changed(name: str, at: int, value: Any) -> Callable[[], TreeModel]:
    """The model with one number changed."""

    def make() -> TreeModel:
        values = getattr(MODEL, name).copy()
        values[at] = value
        return replace(MODEL, **{name: values})

    return make


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (changed("column", INNER, 9), "asks for a column"),
        (changed("member", INNER, 3), "asks for a set"),
        (changed("true", INNER, 10_000), "no trees"),
        (changed("true", INNER, 0), "no trees"),
        (changed("false", INNER, int(MODEL.true[INNER])), "no trees"),
        (changed("cover", INNER, 0.0), "no count"),
        (changed("cover", INNER, np.nan), "no count"),
        (changed("values", 0, np.inf), "no value"),
        (changed("targets", 0, 1), "adds to an output"),
        (changed("sizes", 0, 1), "sizes of the trees"),
        (lambda: replace(MODEL, threshold=MODEL.threshold[:-1]), "differ in length"),
        (lambda: replace(MODEL, values=MODEL.values[:-1]), "as many values as leaves"),
        (lambda: replace(MODEL, base=np.zeros((1, 1))), "wrong shape"),
        (lambda: replace(MODEL, column=MODEL.column.astype(np.float64)), "holds float64 instead of int64"),
    ],
)
def test_arrays_that_are_no_ensemble_are_refused(make: Callable[[], TreeModel], problem: str) -> None:
    """Before a row is answered, whatever wrote them."""
    with pytest.raises(ValueError, match=problem):
        load_explainer(INFO, pack_explainer(Columns.plain(FIELDS), make()), SIGNATURE)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (replace(Columns.plain(2), source=np.array([0, 4])), "made of a field"),
        (replace(Columns.plain(2), table=np.array([0, -1])), "a table that there is not"),
        (replace(Columns.plain(2), table=np.array([0, -1, -1])), "belong together"),
        (replace(Columns.plain(3), table=np.array([0, -1, -1])), "a table that there is not"),
        (Columns.plain(3), "coefficients, intercepts and means"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: Columns, problem: str) -> None:
    """They would read beside their arrays."""
    linear = LinearModel(np.ones((2, 1)), np.zeros(1), np.zeros(2))
    info = replace_kind(INFO)
    with pytest.raises(ValueError, match=problem):
        load_explainer(info, pack_explainer(columns, linear), SIGNATURE)


def replace_kind(info: ExplainInfo) -> ExplainInfo:
    """The same, of a linear model."""
    return msgspec.structs.replace(info, kind="linear")


def test_a_table_that_lacks_levels_is_refused() -> None:
    """A row's code would reach beyond it."""
    columns = Columns(np.array([0]), np.empty((0, 5, 1)), np.array([0]), np.zeros((1, 3)))
    linear = LinearModel(np.ones((1, 1)), np.zeros(1), np.zeros(1))
    with pytest.raises(ValueError, match="lacks levels"):
        load_explainer(
            replace_kind(INFO),
            pack_explainer(columns, linear),
            Signature((Field("c", "category", categories=("a", "b", "c")),)),
        )


def test_a_file_with_objects_is_refused_unread() -> None:
    """A pickle inside would run its author's code."""
    file = io.BytesIO()
    np.savez(file, source=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        load_explainer(INFO, file.getvalue(), SIGNATURE)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 but no more", b"nothing of the kind"])
def test_a_file_that_is_no_archive_is_refused(data: bytes) -> None:
    """With a reason, not with whatever the reader of archives raises."""
    with pytest.raises(ValueError, match=r"explain\.npz"):
        load_explainer(INFO, data, SIGNATURE)


def with_files(folder: Path, files: dict[str, bytes]) -> Path:
    """The stored bundle of format 1 with more files, pinned."""
    shutil.copytree(STORED / "format-1", folder)
    document = json.loads((folder / "bundle.json").read_bytes())
    for name, data in files.items():
        (folder / name).write_bytes(data)
        document["files"][name] = digest_of(data)
    (folder / "bundle.json").write_bytes(canonical_json(document))
    return folder


def two_fields() -> bytes:
    """Arrays for the stored bundle: a number, and a category of two levels."""
    model = replace(MODEL, column=np.minimum(MODEL.column, 1))
    return pack_explainer(Columns.plain(2), model)


def test_a_bundle_of_before_says_that_it_cannot(tmp_path: Path) -> None:
    """It is as valid as it was."""
    bundle = load_bundle(STORED / "format-1")
    assert not bundle.explains
    with pytest.raises(NotExplained, match="built before there were any"):
        bundle.contributions(np.zeros((1, 2)))


def test_explanations_of_a_newer_version_keep_no_bundle_from_serving(tmp_path: Path) -> None:
    """Only explaining needs a newer Modelyard."""
    newer = json.dumps({"version": EXPLAIN_VERSION + 1, "kind": "diagrams", "scale": 7}).encode()
    bundle = load_bundle(with_files(tmp_path / "b", {EXPLAIN_FILE: newer, EXPLAIN_ARRAYS: b"what may come"}))
    assert bundle.predict([(60.0, "de")]).labels == ("1",)
    with pytest.raises(NotExplained, match="newer than this Modelyard"):
        bundle.contributions(np.zeros((1, 2)))


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """At loading, and also when it changes between loading and the first question."""
    files = {EXPLAIN_FILE: msgspec.json.encode(INFO), EXPLAIN_ARRAYS: two_fields()}
    folder = with_files(tmp_path / "b", files)
    bundle = load_bundle(folder)
    assert bundle.explains
    (folder / EXPLAIN_ARRAYS).write_bytes(files[EXPLAIN_ARRAYS] + b" ")
    with pytest.raises(BundleDamaged, match="it has changed"):
        bundle.contributions(np.zeros((1, 2)))
    with pytest.raises(BundleDamaged, match="has changed"):
        load_bundle(folder)
    (folder / EXPLAIN_ARRAYS).write_bytes(files[EXPLAIN_ARRAYS])
    assert bundle.contributions(np.zeros((3, 2))).values.shape == (3, 2, 1)
    (folder / EXPLAIN_ARRAYS).unlink()
    assert bundle.contributions(np.zeros((3, 2))).values.shape == (3, 2, 1)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({EXPLAIN_FILE: b"{"}, "cannot be read"),
        ({EXPLAIN_FILE: b"{}"}, "cannot be read"),
        ({EXPLAIN_FILE: b'{"version": 1, "kind": "oracle"}'}, "cannot be read"),
    ],
)
def test_a_damaged_report_is_refused_at_loading(files: dict[str, bytes], problem: str, tmp_path: Path) -> None:
    """It was not built so."""
    with pytest.raises(BundleDamaged, match=problem):
        load_bundle(with_files(tmp_path / "b", files))


def test_a_pinned_file_that_is_none_is_refused_when_asked(tmp_path: Path) -> None:
    """Its digest is right, and what is in it is not."""
    files = {EXPLAIN_FILE: msgspec.json.encode(INFO), EXPLAIN_ARRAYS: b"nothing of the kind"}
    bundle = load_bundle(with_files(tmp_path / "b", files))
    with pytest.raises(BundleDamaged, match="cannot explain predictions"):
        bundle.contributions(np.zeros((1, 2)))
