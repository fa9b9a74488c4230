"""What each column is worth to a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .answers import Asker
from .measure import metrics_of
from .records import Importance
from .rows import Rows

_ROWS, _REPEATS, _COLUMNS = 1_000, 3, 100
"""Shuffled rows, times each column is shuffled, and columns: asking the model is what it costs."""

_SCORES = {"binary": ("auc", "accuracy"), "multiclass": ("accuracy",), "regression": ("r2", "rmse")}
_LESS_IS_BETTER = {"rmse"}


def permutation_losses(asker: Asker, rows: Rows, *, seed: int) -> tuple[str, tuple[Importance, ...]]:
    """The metric, and how much of it is lost when a column is shuffled (Breiman, Machine Learning 45, 2001).

    Mean and deviation of 3 shuffles of at most 1,000 rows drawn by `seed`, for the first 100 columns, the greatest loss
    first. Columns that tell the same share their worth, so that each looks smaller; a loss below zero is chance.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(rows))[:_ROWS])
    sample, labels = rows.taken(chosen), asker.labels[chosen]
    whole = metrics_of(asker.ask(sample.given, labels))
    metric = next((each for each in _SCORES[asker.answers.task] if each in whole), "")
    if not metric:
        return "", ()
    sign = -1.0 if metric in _LESS_IS_BETTER else 1.0
    found = []
    for place, name in enumerate(sample.names[:_COLUMNS]):
        losses = [
            sign * (whole[metric] - metrics_of(asker.ask(sample.shuffled(place, order), labels))[metric])
            for order in (random.permutation(len(chosen)) for _ in range(_REPEATS))
        ]
        found.append(Importance(name, float(np.mean(losses)), float(np.std(losses))))
    return metric, tuple(sorted(found, key=lambda each: -each.value))


def own_importances(model: Any, names: Sequence[str] | None) -> tuple[Importance, ...]:
    """What a model says of its columns itself: impurity, gain or splits of trees, coefficients of linear models.

    Of a pipeline, its last step's, under the names that the steps before give to their columns. Coefficients depend on
    the scale of their column; those of several classes are shown by their mean size. Empty where a model says nothing.
    """
    last, given = _last(model, names)
    held = getattr(last, "feature_importances_", None)
    if held is None and (coefficients := getattr(last, "coef_", None)) is not None:
        held = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
        held = held[0] if len(held) == 1 else np.abs(held).mean(axis=0)
    if held is None:
        return ()
    values = np.asarray(held, dtype=np.float64).ravel()
    known = given if given is not None and len(given) == len(values) else [f"column {at}" for at in range(len(values))]
    found = [Importance(str(name), float(value)) for name, value in zip(known, values, strict=True)]
    return tuple(sorted(found, key=lambda each: -abs(each.value))[:_COLUMNS])


def _last(model: Any, names: Sequence[str] | None) -> tuple[Any, Sequence[str] | None]:
    if not (hasattr(model, "steps") and hasattr(model, "named_steps")):
        return model, names
    try:
        inner = [str(each) for each in model[:-1].get_feature_names_out(names)]
    except (AttributeError, ValueError, NotImplementedError):  # a step of it keeps no names
        inner = None
    return model.steps[-1][1], inner
