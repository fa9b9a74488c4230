"""Where a model's trees split: the rows at which a conversion goes wrong first."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import Signature

from .original import library_of

Matrix = NDArray[np.float64]
_HALVINGS = 64

Splits = tuple[NDArray[np.int64], Matrix]
"""Fields by position, and the threshold each is compared with."""


def splits_of(model: Any) -> Splits:
    """Every numeric split of a model's trees, read from its own structure; none for other models.

    Those behind a pipeline's transformers are in other units than rows are; see `edge_rows`.
    """
    found = list(_splits(model))
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0)
    fields = np.concatenate([each for each, _ in found]).astype(np.int64)
    values = np.concatenate([each for _, each in found]).astype(np.float64)
    known = np.isfinite(values)
    pairs = np.unique(np.stack([fields[known], values[known]], axis=1), axis=0)
    return pairs[:, 0].astype(np.int64), pairs[:, 1]


def threshold_rows(splits: Splits, signature: Signature, matrix: Matrix, *, seed: int = 0, limit: int = 500) -> Matrix:
    """Rows of `matrix` moved to thresholds: at each, and one ulp of float64 and of float32 to either side.

    More than `limit` thresholds are sampled. Categories are left alone: between codes there is nothing.
    """
    fields, values = splits
    numbers = np.array([each.kind == "number" for each in signature.fields])
    usable = np.flatnonzero(numbers[fields]) if len(fields) else np.empty(0, dtype=np.int64)
    random = np.random.default_rng(seed)
    if len(usable) > limit:
        usable = np.sort(random.choice(usable, limit, replace=False))
    if not len(usable):
        return np.empty((0, len(signature.fields)))
    fields, values = fields[usable], values[usable]
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    sides = [
        values,
        np.nextafter(values, np.inf),
        np.nextafter(values, -np.inf),
        single.astype(np.float64),
        np.nextafter(single, np.float32(np.inf)).astype(np.float64),
        np.nextafter(single, np.float32(-np.inf)).astype(np.float64),
    ]
    rows = []
    for each in sides:
        moved = matrix[random.integers(0, len(matrix), len(values))].copy()
        moved[np.arange(len(values)), fields] = np.where(np.isfinite(each), each, values)
        rows.append(moved)
    return np.concatenate(rows)


def edge_rows(
    front: Callable[[Matrix], Matrix],
    splits: Splits,
    signature: Signature,
    matrix: Matrix,
    *,
    seed: int = 0,
    limit: int = 200,
) -> Matrix:
    """Pairs of rows between which one split of a pipeline's trees, which see what `front` gives, changes its side.

    Found by halving the range of one numeric column until its two ends are neighbours in float64, so that whatever
    stands between a row and the trees is included. Splits that no single numeric column crosses are left out.
    """
    random = np.random.default_rng(seed)
    seen = np.asarray(~np.isnan(matrix).all(axis=0), dtype=bool)
    numbers = [at for at, field in enumerate(signature.fields) if field.kind == "number" and seen[at]]
    chosen = np.arange(len(splits[0]))
    if len(chosen) > limit:
        chosen = np.sort(random.choice(chosen, limit, replace=False))
    found = [matrix[:0]]
    for column in numbers if len(chosen) else []:
        ends = np.nanquantile(matrix[:, column], [0, 1])
        low = matrix[random.integers(0, len(matrix), len(chosen))].copy()
        high = low.copy()
        low[:, column], high[:, column] = ends

        def below(rows: Matrix) -> NDArray[np.bool_]:
            return np.asarray(front(rows)[np.arange(len(rows)), splits[0][chosen]] <= splits[1][chosen])

        side = below(low)
        crossed = side != below(high)
        for _ in range(_HALVINGS if crossed.any() else 0):
            middle = low.copy()
            middle[:, column] = low[:, column] / 2 + high[:, column] / 2
            same = below(middle) == side
            low[same], high[~same] = middle[same], middle[~same]
        found += [low[crossed], high[crossed]]
    return np.concatenate(found)


def _splits(model: Any) -> Iterator[tuple[Any, Any]]:
    library, kind = library_of(model), type(model).__name__
    if library in {"lightgbm", "xgboost"}:
        yield from _of_booster(model, library)
    elif kind.startswith("HistGradientBoosting"):
        yield from _of_histogram(model)
    elif library == "sklearn" and hasattr(model, "tree_"):
        yield _of_tree(model)
    elif library == "sklearn" and hasattr(model, "estimators_"):
        for each in np.asarray(model.estimators_, dtype=object).ravel():
            if hasattr(each, "tree_"):
                yield _of_tree(each)


def _of_tree(model: Any) -> tuple[Any, Any]:
    inner = model.tree_.children_left >= 0
    return model.tree_.feature[inner], model.tree_.threshold[inner]


def _of_histogram(model: Any) -> Iterator[tuple[Any, Any]]:
    """Where there are categories the library moves them before the numbers; places are those of the rows."""
    places = np.arange(model.n_features_in_)
    if model.is_categorical_ is not None:
        places = np.concatenate([np.flatnonzero(model.is_categorical_), np.flatnonzero(~model.is_categorical_)])
    for tree in (each for round_ in model._predictors for each in round_):  # where the library keeps its trees
        inner = (tree.nodes["is_leaf"] == 0) & (tree.nodes["is_categorical"] == 0)
        yield places[tree.nodes["feature_idx"][inner]], tree.nodes["num_threshold"][inner]


def _of_booster(model: Any, library: str) -> Iterator[tuple[Any, Any]]:
    if library == "lightgbm":
        booster = getattr(model, "booster_", model)
        names = booster.feature_name()
        frame = booster.trees_to_dataframe()
        frame = frame[frame["decision_type"] == "<="]
        feature, threshold = frame["split_feature"], frame["threshold"]
    else:
        booster = model.get_booster() if hasattr(model, "get_booster") else model
        if json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "gblinear":
            return  # it has no trees
        names = booster.feature_names or [f"f{index}" for index in range(booster.num_features())]
        frame = booster.trees_to_dataframe()
        frame = frame[frame["Split"].notna()]
        feature, threshold = frame["Feature"], frame["Split"]
    places = {name: index for index, name in enumerate(names)}
    yield np.array([places[each] for each in feature], dtype=np.int64), np.array(threshold, dtype=np.float64)
