"""Which of the data's columns a model reads, and what it predicts."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from modelyard.bundling import Original, PythonFolder, ReadModel, levels_of, task_of, tensor_model, width_of
from modelyard.core import InvalidInput, counted, did_you_mean, shown
from modelyard.inference import Encoder, Task

from ..building import listed, parted, require_task, rows_of, signature_of

_ASKED = 20
"""So many rows are asked of a model that does not show its task."""

_LEVELS = 20
"""More different whole numbers than this are a quantity, not classes."""


@dataclass(frozen=True)
class Matched:
    """The columns that a model reads, in its order; how they were found; and the data's others but the target."""

    columns: tuple[str, ...]
    how: str
    unused: tuple[str, ...]


def match_columns(read: ReadModel, table: pa.Table, target: str, wanted: Sequence[str] = ()) -> Matched:
    """The data's columns that a model reads: as `wanted`, by the model's names, or by their places.

    InvalidInput when columns are missing, when the target is among them, and when their number leaves a choice.
    """
    if tensor_model(read.model) is not None:
        raise InvalidInput(
            "This model reads tensors or text, not the columns of a table.",
            code="NOT_COLUMNS",
            remedy="Build its bundle, modelyard bundle build, and register that: modelyard model register --bundle.",
        )
    others = [each for each in table.column_names if each != target]
    columns, how = _chosen(read, others, wanted)
    if target in columns:
        raise InvalidInput(
            f"The model reads {shown(target)} among its inputs, so that it cannot be what it predicts.",
            code="WRONG_TARGET",
            remedy=f"Name another column. {did_you_mean(target, [each for each in others if each not in columns])}",
        )
    parted(table, None, columns, "data")
    return Matched(tuple(columns), how, tuple(each for each in others if each not in columns))


def _chosen(read: ReadModel, others: Sequence[str], wanted: Sequence[str]) -> tuple[list[str], str]:
    width = width_of(read.model)
    if wanted:
        _require_width(wanted, width)
        return list(wanted), f"{counted(len(wanted), 'column')} as told: {listed(wanted)}"
    if read.columns is not None:
        return read.columns, f"{counted(len(read.columns), 'column')}, which the model names: {listed(read.columns)}"
    if width is None:
        return list(others), f"all but the target, for the model tells neither names nor number: {listed(others)}"
    if width != len(others):
        raise InvalidInput(
            f"The model names no columns and reads {width}; beside the target the data has {len(others)}: "
            f"{listed(others)}.",
            code="WHICH_COLUMNS",
            context={"width": width, "columns": list(others[:100])},
            remedy=f"Say which, in its order: --columns {shlex.quote(','.join(others[: min(width, 8)]))}",
        )
    return list(others), (
        f"{counted(width, 'column')} by their places, for the model names none; is this the order it was trained on? "
        f"{listed(others)}"
    )


def _require_width(wanted: Sequence[str], width: int | None) -> None:
    if len(set(wanted)) < len(wanted):
        raise InvalidInput(f"{listed(wanted)} names a column twice.", code="WHICH_COLUMNS", remedy="Name each once.")
    if width is not None and len(wanted) != width:
        raise InvalidInput(
            f"The model reads {counted(width, 'column')}, and {len(wanted)} are named: {listed(wanted)}.",
            code="WHICH_COLUMNS",
            context={"width": width},
            remedy="Name all of them, in the order it was trained on.",
        )


def task_for(model: Any, inputs: pa.Table, labels: np.ndarray[Any, Any], given: str | None) -> tuple[Task, str]:
    """The task: as given, as the model shows it, or as its answers and the labels tell; and how it was found."""
    known = task_of(model)
    if given is not None:
        task = require_task(given, model)
        if known is not None and known != task:
            raise InvalidInput(
                f"This {type(model).__name__} is {_article(known)} model, and --task says {task}.",
                code="WRONG_TASK",
                remedy="Leave --task out.",
            )
        return task, ""
    if known is not None:
        return known, ""
    task = _task_of_labels(model, inputs, labels)
    return task, f"the task, {task}, is told from the labels and the model's answers; say otherwise with --task"


def _article(task: Task) -> str:
    return f"a {task}"


def _task_of_labels(model: Any, inputs: pa.Table, labels: np.ndarray[Any, Any]) -> Task:
    levels = set(labels.tolist())
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in levels)
    if numbers and (len(levels) > _LEVELS or any(each != int(each) for each in levels)):
        return "regression"
    outputs = _outputs(model, inputs)
    if outputs == 1:
        return "binary" if len(levels) <= 2 or not numbers else "regression"
    return "binary" if outputs == 2 else "multiclass"


def _outputs(model: Any, inputs: pa.Table) -> int:
    """How many numbers a classifier gives for a row."""
    signature = signature_of(inputs, levels_of(model), "null")
    matrix = Encoder(signature)(rows_of(inputs.slice(0, _ASKED))).matrix
    try:
        return int(Original(model, signature, "multiclass").answers(matrix).shape[1])
    finally:
        if isinstance(model, PythonFolder):
            model.close()  # the next one is asked as a model of its task
