"""Which field each column behind a pipeline's transformers is made of, read from the transformers themselves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import Columns, Signature

from .original import Original, library_of

Matrix = NDArray[np.float64]

_CELLS = 4_000_000
"""Tables of levels may hold so many numbers: 32 MB."""

_NOTHING = (np.nan, 0.0, 1.0, 1.0, 0.0)
"""A stage that changes nothing; see `inference.Columns.stages` for the places."""


@dataclass(frozen=True)
class _Column:
    """A column on its way: the field that it is made of, and what happened to its numbers.

    What happens to levels need not be followed: they can be tried one by one.
    """

    field: int
    level: bool
    stages: tuple[tuple[float, ...], ...] = ()

    def then(
        self, *, fill: float = np.nan, subtract: float = 0, divide: float = 1, multiply: float = 1, add: float = 0
    ) -> "_Column":
        return replace(self, stages=(*self.stages, (fill, subtract, divide, multiply, add)))


def columns_of_fields(original: Original, matrix: Matrix) -> Columns:
    """The columns that the last step of a model sees; `matrix` holds encoded rows that the model answers.

    ValueError names a transformer that is not known to make each of its columns of one.
    """
    if (parted := original.parted) is None:
        return Columns.plain(len(original.signature.fields))
    fields = original.signature.fields
    made = _through(original.model[:-1], [_Column(at, each.kind == "category") for at, each in enumerate(fields)])
    stages = max((len(each.stages) for each in made if not each.level), default=0)
    table, tables = _tables(made, original.signature, parted[0], matrix[:1])
    return Columns(
        np.array([each.field for each in made], dtype=np.int64),
        np.array([_stage(made, at) for at in range(stages)], dtype=np.float64).reshape(stages, 5, len(made)),
        table,
        tables,
    )


def _stage(made: Sequence[_Column], at: int) -> list[tuple[float, ...]]:
    each = [_NOTHING if one.level or at >= len(one.stages) else one.stages[at] for one in made]
    return list(zip(*each, strict=True))


def _tables(
    made: Sequence[_Column], signature: Signature, front: Callable[[Matrix], Matrix], row: Matrix
) -> tuple[NDArray[np.int64], Matrix]:
    """For columns made of levels: what comes out for each level and for a missing one, by asking."""
    coded = [at for at, each in enumerate(made) if each.level]
    width = max((len(signature.fields[made[at].field].categories) for at in coded), default=0) + 1
    if len(coded) * width > _CELLS:
        raise ValueError(f"its categories have too many levels ({len(coded)} columns of up to {width - 1})")
    table, tables = np.full(len(made), -1, dtype=np.int64), np.full((len(coded), width), np.nan)
    table[coded] = np.arange(len(coded))
    for field in sorted({made[at].field for at in coded}):
        spec, mine = signature.fields[field], [at for at in coded if made[at].field == field]
        codes = np.array([*range(len(spec.categories)), *([np.nan] if spec.may_miss else [])], dtype=np.float64)
        asked = np.repeat(row, len(codes), axis=0)
        asked[:, field] = codes
        places = np.where(np.isnan(codes), width - 1, codes).astype(np.int64)
        tables[np.ix_(table[mine], places)] = front(asked)[:, mine].T
    return table, tables


def _through(step: Any, columns: list[_Column]) -> list[_Column]:
    """The columns behind a fitted transformer."""
    if step is None or step == "passthrough":
        return columns
    kind = type(step).__name__
    if library_of(step) == "sklearn" and kind in _KNOWN:
        return _KNOWN[kind](step, columns)
    if library_of(step) == "sklearn" and hasattr(step, "get_support"):
        return [each for each, kept in zip(columns, step.get_support(), strict=True) if kept]
    raise ValueError(f"its {kind} is not known to make each of its columns of one field")


def _pipeline(step: Any, columns: list[_Column]) -> list[_Column]:
    for _, each in step.steps:
        columns = _through(each, columns)
    return columns


def _side_by_side(step: Any, columns: list[_Column]) -> list[_Column]:
    """A ColumnTransformer: each part of it takes some columns, and puts its own in a place of the result."""
    made: dict[int, _Column] = {}
    for name, part, _ in step.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        taken = [columns[at] for at in step._transformer_to_input_indices[name]]  # by place, however they were named
        place = step.output_indices_[name]
        made.update(zip(range(place.start, place.stop), _through(part, taken), strict=True))
    return [made[at] for at in range(len(made))]


def _imputed(step: Any, columns: list[_Column]) -> list[_Column]:
    if step.add_indicator:
        raise ValueError("its SimpleImputer adds columns that say what was missing")
    if not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
        raise ValueError(f"its SimpleImputer fills {step.missing_values!r} rather than missing values")
    gone = [isinstance(each, float) and np.isnan(each) and not step.keep_empty_features for each in step.statistics_]
    pairs = zip(columns, step.statistics_, strict=True)
    filled = [each if each.level else each.then(fill=float(value)) for each, value in pairs]
    return [each for each, lost in zip(filled, gone, strict=True) if not lost]


def _standardised(step: Any, columns: list[_Column]) -> list[_Column]:
    return _shifted(columns, step.mean_ if step.with_mean else None, step.scale_)


def _robust(step: Any, columns: list[_Column]) -> list[_Column]:
    return _shifted(columns, step.center_ if step.with_centering else None, step.scale_)


def _by_largest(step: Any, columns: list[_Column]) -> list[_Column]:
    return _shifted(columns, None, step.scale_)


def _shifted(columns: list[_Column], less: Any, by: Any) -> list[_Column]:
    less = np.zeros(len(columns)) if less is None else less
    by = np.ones(len(columns)) if by is None else by
    return [
        each.then(subtract=float(mean), divide=float(scale))
        for each, mean, scale in zip(columns, less, by, strict=True)
    ]


def _to_range(step: Any, columns: list[_Column]) -> list[_Column]:
    if step.clip:
        raise ValueError("its MinMaxScaler cuts numbers off")
    moved = zip(columns, step.scale_, step.min_, strict=True)
    return [each.then(multiply=float(scale), add=float(start)) for each, scale, start in moved]


def _one_hot(step: Any, columns: list[_Column]) -> list[_Column]:
    return _encoded(step, columns, step._n_features_outs)


def _ordinal(step: Any, columns: list[_Column]) -> list[_Column]:
    return _encoded(step, columns, [1] * len(columns))


def _encoded(step: Any, columns: list[_Column], widths: Sequence[int]) -> list[_Column]:
    if not all(each.level for each in columns):
        raise ValueError(f"its {type(step).__name__} takes numbers for categories")
    return [each for each, width in zip(columns, widths, strict=True) for _ in range(width)]


_KNOWN: Mapping[str, Callable[[Any, list[_Column]], list[_Column]]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _side_by_side,
    "SimpleImputer": _imputed,
    "StandardScaler": _standardised,
    "RobustScaler": _robust,
    "MaxAbsScaler": _by_largest,
    "MinMaxScaler": _to_range,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
}
