"""The metrics of answers, for all rows and for parts of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import InvalidInput
from modelyard.stats import (
    binary_metrics,
    calibration,
    confusion_counts,
    multiclass_metrics,
    precision_recall_curve,
    probability_metrics,
    regression_metrics,
)

from .answers import Answers
from .records import Slice
from .rows import Rows

_LEVELS = 30
"""Values of a column that get a slice of their own, the commonest first; the rest share one."""

_QUARTILES_FROM = 12
"""Numbers of more different values than this are cut at their quartiles."""

Columns = Sequence[str] | Mapping[str, Any]


def metrics_of(answers: Answers) -> dict[str, float]:
    """What its task measures; a metric that the rows cannot give is left out."""
    if answers.task == "regression":
        return regression_metrics(answers.said, answers.truth)
    confusion = confusion_counts(answers.said, answers.truth, len(answers.classes))
    if answers.task == "multiclass":
        found = multiclass_metrics(confusion)
        return found | (
            {} if answers.probabilities is None else probability_metrics(answers.probabilities, answers.truth)
        )
    return _binary(answers, confusion)


def _binary(answers: Answers, confusion: NDArray[np.int64]) -> dict[str, float]:
    (_, false_alarms), (missed, hits) = confusion.tolist()
    scores = answers.scores if answers.scores is not None else answers.said.astype(np.float64)
    metrics = binary_metrics(scores, answers.truth)
    if hits + missed + false_alarms:
        metrics["f1"] = 2 * hits / (2 * hits + missed + false_alarms)
    if answers.scores is None:  # said classes have neither a threshold nor a probability
        return {name: value for name, value in metrics.items() if name not in ("brier", "log_loss", "auc")}
    if (curve := precision_recall_curve(scores, answers.truth)) is not None:
        metrics["average_precision"] = curve.average
    return metrics | {"calibration_error": calibration(scores, answers.truth).error}


def slices_of(answers: Answers, columns: Columns, rows: Rows | None) -> tuple[Slice, ...]:
    """The metrics of every value of some columns: named ones of the rows, or a mapping of names to values (n,)."""
    return tuple(
        Slice(name, value, int(chosen.sum()), metrics_of(answers.taken(chosen)))
        for name, values in _columns(columns, rows, len(answers.truth))
        for value, chosen in _levels(values)
    )


def _columns(columns: Columns, rows: Rows | None, count: int) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(columns, str):
        columns = (columns,)
    for name in columns:
        if isinstance(columns, Mapping):
            values = np.asarray(columns[name])
        elif rows is not None:
            values = rows.column(name)
        else:
            raise InvalidInput(
                f"There are no rows to take the column '{name[:80]}' of.",
                context={"path": "slices"},
                remedy="Give rows=…, or the values: slices={'NAME': values}.",
            )
        if values.shape != (count,):
            raise InvalidInput(
                f"Column '{name[:80]}' has the shape {values.shape}, for {count} rows.",
                context={"path": "slices"},
                remedy="Give one value for every row.",
            )
        yield str(name), values


def _levels(values: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each value, or quarter, with which rows have it."""
    listed = values.tolist()
    missing = np.array([each is None or each != each for each in listed])  # noqa: PLR0124 - NaN is not itself
    known = values[~missing]
    if known.dtype.kind in "iuf" and len(np.unique(known)) > _QUARTILES_FROM:
        yield from _quarters(values.astype(np.float64), missing)
    else:
        texts = np.array(["" if lost else str(each) for each, lost in zip(listed, missing, strict=True)], dtype=object)
        found, counts = np.unique(texts[~missing].astype(str), return_counts=True)
        ordered = found[np.argsort(-counts, kind="stable")]
        for level in ordered[:_LEVELS]:
            yield str(level), ~missing & (texts == level)
        if len(ordered) > _LEVELS:
            yield f"{len(ordered) - _LEVELS} others", ~missing & ~np.isin(texts.astype(str), ordered[:_LEVELS])
    if missing.any():
        yield "missing", missing


def _quarters(values: NDArray[np.float64], missing: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    edges = np.unique(np.quantile(values[~missing], [0, 0.25, 0.5, 0.75, 1]))
    for place, (low, high) in enumerate(pairwise(edges)):
        above = values >= low if place == 0 else values > low
        yield f"{low:.4g} to {high:.4g}", ~missing & above & (values <= high)
