"""From a model and rows to its bundle: signature, task, proof, profile and metrics, wherever the two came from."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pyarrow as pa

from modelyard.bundling import (
    BuiltBundle,
    Facts,
    Original,
    build_bundle,
    build_profile,
    classes_of,
    infer_signature,
    levels_of,
    permutation_importance,
    task_of,
    tightened,
)
from modelyard.core import Digest, InvalidInput, Scalar, counted, did_you_mean, shown
from modelyard.inference import PREDICTIONS, Encoder, Field, Signature, Task
from modelyard.stats import (
    answer_losses,
    auc,
    binary_metrics,
    confusion_counts,
    multiclass_metrics,
    probability_metrics,
    regression_metrics,
)

Matrix = np.ndarray[Any, np.dtype[np.float64]]
Measure = Callable[[Matrix, Matrix], float | None]


@dataclass(frozen=True)
class Building:
    """What becomes of a model, besides its rows.

    `task` and `classes` as the model shows them when they are not given; `unknown`: what an unseen level becomes.
    """

    name: str
    version: str
    into: Path
    task: str | None = None
    classes: tuple[str, ...] = ()
    tolerance: float = 1e-6
    unknown: str = "null"
    allow_python: bool = False
    datasets: Mapping[str, Digest] = field(default_factory=dict)
    progress: Callable[[str], None] = lambda _: None


def build_from_rows(model: Any, inputs: pa.Table, labels: np.ndarray[Any, Any] | None, given: Building) -> BuiltBundle:
    """Build the bundle of a model over columns. `inputs`: rows as it was trained on, its columns in their order.

    `labels` (n,), where there are any, give metrics and importance. See `build_bundle` for what else is raised.
    """
    if not given.tolerance >= 0:
        raise InvalidInput(
            f"--tolerance is {given.tolerance:g}.", code="WRONG_TOLERANCE", remedy="Give 0 or more, such as 1e-6."
        )
    signature = signature_of(inputs, levels_of(model), given.unknown)
    task = require_task(given.task, model)
    rows = rows_of(inputs)
    matrix = Encoder(signature)(rows).matrix
    original = Original(model, tightened(Original(model, signature, task), matrix), task)
    scores = original.answers(matrix)
    classes = require_classes(given.classes, classes_of(model, task, scores.shape[1]))
    importance, metrics = _judged(original, matrix, scores, labels, classes)
    told = scores[:, 0] if scores.shape[1] == 1 else scores.max(axis=1)
    return build_bundle(
        model,
        rows,
        signature=signature,
        task=task,
        plan=_plan(signature),
        profile=build_profile(
            signature,
            matrix,
            told,
            importance=importance,
            performance=metrics,
            losses=None if labels is None else answer_losses(task, scores, truths(labels, task, classes)),
        ),
        facts=Facts(
            given.name,
            given.version,
            classes,
            datasets=given.datasets,
            metrics=metrics,
            tolerance=given.tolerance,
        ),
        into=given.into,
        progress=given.progress,
        allow_python=given.allow_python,
    )


def class_names(written: str | None) -> tuple[str, ...]:
    """Names of classes from `a,b,c`; InvalidInput for names that are empty or come twice."""
    names = () if written is None else tuple(each.strip() for each in written.split(","))
    if "" in names or len(set(names)) < len(names):
        raise InvalidInput(
            f"--classes {shown(str(written))} has a name that is empty or comes twice.",
            code="WRONG_CLASSES",
            remedy="Write each class once, separated by commas: --classes no,yes",
        )
    return names


def require_classes(given: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """The names that are given to the classes, or else those that the model knows."""
    if given and len(given) != len(known):
        raise InvalidInput(
            f"--classes names {len(given)}; the model has {counted(len(known), 'class', 'classes')}: {listed(known)}.",
            code="WRONG_CLASSES",
            remedy="Name each class once, in the order of the model's scores."
            if known
            else "It predicts a number: leave --classes out.",
        )
    return given or known


def parted(
    table: pa.Table, label: str | None, columns: Sequence[str] | None, called: str = "sample"
) -> tuple[np.ndarray[Any, Any] | None, pa.Table]:
    """The labels, if named, and the columns that the model reads; `called`: what the rows are called in messages."""
    names = table.column_names
    if label is not None and label not in names:
        raise InvalidInput(
            f"The {called} has no column {shown(label)}.", code="NO_SUCH_COLUMN", remedy=did_you_mean(label, names)
        )
    wanted = [each for each in names if each != label] if columns is None else list(columns)
    if missing := [each for each in wanted if each not in names]:
        raise InvalidInput(
            f"The model reads {counted(len(missing), 'column')} that the {called} lacks: {listed(missing)}.",
            code="NO_SUCH_COLUMN",
            context={"missing": missing[:100]},
            remedy=f"In the {called}: {did_you_mean(missing[0], names)}",
        )
    labels = None if label is None else table.column(label).to_numpy()
    return labels, table.select(wanted)


def listed(names: Sequence[object], most: int = 8) -> str:
    """Names for a message, which stays short however many there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(str(each)) for each in names[:most]) + more


def signature_of(inputs: pa.Table, levels: Mapping[str, Sequence[str]], unknown: str) -> Signature:
    """The signature of the sample, with the levels that the model itself knows and the policy for those it does not."""
    policies = get_args(Field.__annotations__["unknown"])
    if unknown not in policies:
        raise InvalidInput(f"There is no policy '{unknown}' for unseen levels.", remedy=did_you_mean(unknown, policies))
    plain = pa.table({name: _plain(name, inputs.column(name)) for name in inputs.column_names})
    fields = []
    for spec in infer_signature(plain).fields:
        if spec.kind == "category":
            known = levels.get(spec.name)
            fields.append(msgspec.structs.replace(spec, categories=tuple(known or spec.categories), unknown=unknown))
        else:
            fields.append(spec)
    return Signature(tuple(fields))


def _plain(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of numbers or strings."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return column if not pa.types.is_null(kind) else column.cast(pa.float64())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column
    raise InvalidInput(
        f"Column '{name}' of the sample is {kind}; a model reads numbers and strings.",
        code="UNREADABLE_SAMPLE",
        remedy="Convert it, or leave it out of the sample.",
    )


def rows_of(inputs: pa.Table) -> list[tuple[Scalar, ...]]:
    """Rows as a caller would send them; NaN is no value."""
    plain = (_plain(name, inputs.column(name)) for name in inputs.column_names)
    cast = (
        each if pa.types.is_string(each.type) or pa.types.is_large_string(each.type) else each.cast(pa.float64())
        for each in plain
    )
    columns = ([None if value != value else value for value in each.to_pylist()] for each in cast)  # noqa: PLR0124
    return list(zip(*columns, strict=True))


def require_task(given: str | None, model: Any) -> Task:
    """The task that is given, or that the model shows; InvalidInput when there is neither."""
    tasks = PREDICTIONS
    if given is None:
        found = task_of(model)
        if found is None:
            raise InvalidInput(
                f"This {type(model).__name__} does not show its task.",
                code="NO_TASK",
                remedy=f"Give --task: {', '.join(tasks)}.",
            )
        return found
    for each in tasks:
        if each == given:
            return each
    raise InvalidInput(
        f"There is no task {shown(given)}.", code="NO_TASK", remedy=f"--task: {did_you_mean(given[:128], tasks)}"
    )


def _judged(
    original: Original, matrix: Matrix, scores: Matrix, labels: np.ndarray[Any, Any] | None, classes: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, float]]:
    """Importance by feature and performance on the sample, where labels tell."""
    names = original.signature.names
    if labels is None:
        return {name: 1 / len(names) for name in names}, {}
    truth = truths(labels, original.task, classes)
    measure = _MEASURES[original.task]
    importance = permutation_importance(original.scores, matrix, truth, names, seed=0, measure=measure)
    return importance, performance(original.task, scores, truth)


def truths(labels: np.ndarray[Any, Any], task: Task, classes: Sequence[str]) -> Matrix:
    """Labels (n,) as float64: the value, or the place of the class; InvalidInput for those that are neither."""
    return _values(labels) if task == "regression" else _codes(labels, classes)


def _values(labels: np.ndarray[Any, Any]) -> Matrix:
    try:
        values = labels.astype(np.float64)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        odd = next((each for each in labels.tolist() if not isinstance(each, int | float) or not np.isfinite(each)), "")
        raise InvalidInput(
            f"The model predicts a number, and the label column holds {shown(str(odd))}.",
            code="WRONG_LABELS",
            remedy="Name the column of numbers that it learned to predict, and leave out rows where that is missing.",
        )
    return values


def _codes(labels: np.ndarray[Any, Any], classes: Sequence[str]) -> Matrix:
    places = {_spelled(each): place for place, each in enumerate(classes)}
    known = {each: places.get(_spelled(each)) for each in dict.fromkeys(labels.tolist())}
    if strange := [str(each) for each, place in known.items() if place is None]:
        raise InvalidInput(
            f"The label column holds {counted(len(strange), 'label')} that the model does not know: {listed(strange)}. "
            f"Its classes: {listed(classes)}.",
            code="WRONG_LABELS",
            context={"labels": strange[:100], "classes": list(classes[:100])},
            remedy="Name the column that it learned to predict, and leave out rows with other labels."
            + _numbered(strange, classes),
        )
    return np.array([known[each] for each in labels.tolist()], dtype=np.float64)


def _numbered(labels: Sequence[str], classes: Sequence[str]) -> str:
    """What to do about a model that only numbers its classes: usually they were numbered in the order of the names."""
    if list(classes) != [str(place) for place in range(len(classes))]:
        return ""
    fits = len(labels) == len(classes) and not any("," in each for each in labels)
    names = shlex.quote(",".join(sorted(labels))) if fits else "A,B,…"
    return f" If the model only numbers its classes, name them in the order of its scores: --classes {names}"


def _spelled(label: object) -> str:
    """A label as text, by which 1, 1.0, True and '1' are the same class."""
    text = str(label)
    try:
        return str(float({"True": "1", "False": "0"}.get(text, text)))
    except ValueError:
        return text


def performance(task: Task, scores: Matrix, truth: Matrix) -> dict[str, float]:
    """The metrics of a task; `truth` as `truths` has it."""
    if task == "binary":
        return binary_metrics(scores[:, 0], truth)
    if task == "regression":
        return regression_metrics(scores[:, 0], truth)
    confusion = confusion_counts(scores.argmax(axis=1), truth, scores.shape[1])
    return {**multiclass_metrics(confusion), **probability_metrics(scores, truth)}


_MEASURES: Mapping[Task, Measure] = {
    "binary": lambda scores, truth: auc(scores[:, 0], truth),
    "multiclass": lambda scores, truth: -probability_metrics(scores, truth)["log_loss"],
    "regression": lambda scores, truth: -regression_metrics(scores[:, 0], truth)["rmse"],
}
"""How good scores are, more being better, for what a column's importance is of."""


def _plan(signature: Signature) -> dict[str, Any]:
    """Every input comes with the request."""
    request = [{"name": each.name, "kind": each.kind, "required": not each.nullable} for each in signature.fields]
    return {"request": request, "views": []}
