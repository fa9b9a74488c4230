"""A model's answers against labels."""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modelyard.inference import Task
from modelyard.stats import calibration, confusion_counts, precision_recall_curve, roc_curve

from .answers import Answers, Asker
from .importance import own_importances, permutation_losses
from .measure import Columns, groups_of, intervals_of, metrics_of, slices_of
from .records import CurvePoints, Evaluation, Importance, Residuals
from .rows import Rows


class How(TypedDict, total=False):
    """How `evaluate` judges: what may be given by name, also where something else judges with it."""

    rows: Any
    task: Task | None
    classes: Sequence[Any] | None
    names: Sequence[str] | None
    slices: Columns
    groups: Columns
    absent: Sequence[str]
    importance: bool
    seed: int


_POINTS = 400
"""Points of a curve that are kept, and of residuals."""

_CURVES = 8
"""Of more classes, only the commonest have curves of their own."""


def evaluate(
    subject: Any,
    labels: ArrayLike,
    *,
    rows: Any = None,
    task: Task | None = None,
    classes: Sequence[Any] | None = None,
    names: Sequence[str] | None = None,
    slices: Columns = (),
    groups: Columns = (),
    absent: Sequence[str] = (),
    importance: bool = True,
    seed: int = 0,
) -> Evaluation:
    """Metrics of the task with their intervals, slices, groups, and the points of its figures.

    `subject`: a model with `predict_proba` or `predict`, or a function, asked with `rows`; or answers: probabilities
    (n,) of the second class or (n, classes), classes (n,), values (n,). `labels` (n,): classes of any type, or values.
    `task` and `classes` (in the order of the probabilities) are told from these when not given. `names` of the columns
    of a matrix. `slices`: columns of `rows`, or a mapping of names to values (n,), whose values, or quarters, are
    measured each on its own. `groups`: the same, of groups to be treated alike: see `GroupTable`. `absent`: those that
    should be among them and are not; they are told with the result. `importance`: whether to ask the model again with
    each column shuffled. InvalidInput for what cannot be judged: missing labels, answers that are no numbers, lengths
    that differ.
    """
    table = None if rows is None else Rows(rows, names)
    asker = Asker(subject, labels, table, task, classes)
    answers = asker.answers
    metric, losses = "", tuple[Importance, ...]()
    if importance and asker.is_model and table is not None:
        metric, losses = permutation_losses(asker, table, seed=seed)
    metrics = metrics_of(answers)
    return Evaluation(
        task=answers.task,
        rows=len(answers.truth),
        metrics=metrics,
        classes=answers.classes,
        slices=slices_of(answers, slices, table),
        confusion=_confusion(answers),
        roc=tuple(_roc(answers)),
        precision_recall=tuple(_precision_recall(answers)),
        calibration=_calibration(answers),
        residuals=_residuals(answers) if answers.task == "regression" else None,
        losses=losses,
        losses_in=metric,
        importances=own_importances(subject, table.names if table else names) if asker.is_model else (),
        intervals=intervals_of(answers, metrics),
        groups=groups_of(answers, groups, table),
        absent=tuple(absent),
    )


def _confusion(answers: Answers) -> tuple[tuple[int, ...], ...]:
    if answers.task == "regression":
        return ()
    counts = confusion_counts(answers.said, answers.truth, len(answers.classes))
    return tuple(tuple(row) for row in counts.tolist())


def _by_class(answers: Answers) -> list[tuple[str, NDArray[np.float64], NDArray[np.bool_]]]:
    """The scores and truths of the classes that have curves: the positive one of two, or each against the rest."""
    if answers.probabilities is None:
        return []
    counts = np.bincount(answers.truth, minlength=len(answers.classes))
    commonest = np.argsort(-counts, kind="stable")[:_CURVES]
    codes = [1] if answers.task == "binary" else sorted(commonest.tolist())
    called = {1: ""} if answers.task == "binary" else dict(enumerate(answers.classes))
    return [(called[code], answers.probabilities[:, code], answers.truth == code) for code in codes]


def _roc(answers: Answers) -> list[CurvePoints]:
    curves = [(name, roc_curve(scores, truth)) for name, scores, truth in _by_class(answers)]
    return [_points(each.false_positive_rate, each.true_positive_rate, name) for name, each in curves if each]


def _precision_recall(answers: Answers) -> list[CurvePoints]:
    curves = [(name, precision_recall_curve(scores, truth)) for name, scores, truth in _by_class(answers)]
    return [_points(each.recall, each.precision, name) for name, each in curves if each]


def _calibration(answers: Answers) -> CurvePoints | None:
    if answers.probabilities is None:
        return None
    scores, truth = answers.scores, answers.truth
    if scores is None:  # of the class that was said: was it right?
        scores, truth = answers.probabilities.max(axis=1), answers.said == answers.truth
    found = calibration(scores, truth)
    return CurvePoints(
        tuple(found.mean_score.tolist()), tuple(found.share_positive.tolist()), counts=tuple(found.counts.tolist())
    )


def _residuals(answers: Answers) -> Residuals:
    residual = answers.said - answers.truth
    counts, edges = np.histogram(residual, bins=min(40, max(5, int(np.sqrt(len(residual))))))
    some = _thinned(len(residual))
    return Residuals(
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        tuple(answers.said[some].tolist()),
        tuple(residual[some].tolist()),
    )


def _points(x: NDArray[np.float64], y: NDArray[np.float64], name: str) -> CurvePoints:
    some = _thinned(len(x))
    return CurvePoints(tuple(x[some].tolist()), tuple(y[some].tolist()), name)


def _thinned(count: int) -> NDArray[np.int64]:
    """At most so many places, evenly, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(np.int64))
