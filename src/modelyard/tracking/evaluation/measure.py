"""The metrics of answers, for all rows and for parts of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import InvalidInput
from modelyard.stats import (
    binary_intervals,
    binary_metrics,
    calibration,
    confusion_counts,
    multiclass_intervals,
    multiclass_metrics,
    precision_recall_curve,
    probability_metrics,
    regression_intervals,
    regression_metrics,
)

from .answers import Answers
from .groups import table_of
from .records import Ends, GroupTable, Slice
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


def intervals_of(answers: Answers, metrics: Mapping[str, float]) -> dict[str, Ends]:
    """The 95% intervals of metrics, of those that have one; see `stats.intervals`."""
    if answers.task == "regression":
        return regression_intervals(answers.said, answers.truth)
    if answers.task == "multiclass":
        confusion = confusion_counts(answers.said, answers.truth, len(answers.classes))
        return multiclass_intervals(confusion, answers.probabilities, answers.truth, metrics)
    return binary_intervals(_scores(answers), answers.truth, metrics)


def _scores(answers: Answers) -> NDArray[np.float64]:
    """Of two classes the second's probability, or 1 where it was said."""
    return answers.scores if answers.scores is not None else answers.said.astype(np.float64)


def _binary(answers: Answers, confusion: NDArray[np.int64]) -> dict[str, float]:
    (_, false_alarms), (missed, hits) = confusion.tolist()
    scores = _scores(answers)
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
        _slice(answers.taken(chosen), name, value)
        for name, values in _columns(columns, rows, len(answers.truth), "slices")
        for value, chosen in _levels(values)
    )


def _slice(answers: Answers, column: str, value: str) -> Slice:
    metrics = metrics_of(answers)
    return Slice(column, value, len(answers.truth), metrics, intervals_of(answers, metrics))


def groups_of(answers: Answers, columns: Columns, rows: Rows | None) -> tuple[GroupTable, ...]:
    """What the groups are answered that some columns tell apart; see `slices_of`."""
    return tuple(
        table_of(name, answers, _levels(values))
        for name, values in _columns(columns, rows, len(answers.truth), "groups")
    )


def _columns(columns: Columns, rows: Rows | None, count: int, path: str) -> Iterator[tuple[str, NDArray[Any]]]:
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
                context={"path": path},
                remedy=f"Give rows=…, or the values: {path}={{'NAME': values}}.",
            )
        if values.shape != (count,):
            raise InvalidInput(
                f"Column '{name[:80]}' has the shape {values.shape}, for {count} rows.",
                context={"path": path},
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
        texts = np.array(
            ["" if lost else _text(each) for each, lost in zip(listed, missing, strict=True)], dtype=object
        )
        found, counts = np.unique(texts[~missing].astype(str), return_counts=True)
        ordered = found[np.argsort(-counts, kind="stable")]
        for level in ordered[:_LEVELS]:
            yield str(level), ~missing & (texts == level)
        if len(ordered) > _LEVELS:
            yield f"{len(ordered) - _LEVELS} others", ~missing & ~np.isin(texts.astype(str), ordered[:_LEVELS])
    if missing.any():
        yield "missing", missing


def _text(value: Any) -> str:
    """A whole number that stands among gaps as it was meant: pandas and numpy make a float of it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _quarters(values: NDArray[np.float64], missing: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    edges = np.unique(np.quantile(values[~missing], [0, 0.25, 0.5, 0.75, 1]))
    for place, (low, high) in enumerate(pairwise(edges)):
        above = values >= low if place == 0 else values > low
        yield f"{low:.4g} to {high:.4g}", ~missing & above & (values <= high)
