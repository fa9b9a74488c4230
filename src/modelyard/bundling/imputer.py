"""scikit-learn's SimpleImputer in ONNX, for float64 and for strings: ONNX Runtime implements its own for neither."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .graphs import MISSING


def imputer_shape(operator: Any) -> None:
    """As many columns as come in, of the type that comes in; columns without any value are gone."""
    kind = type(operator.inputs[0].type)
    operator.outputs[0].type = kind([None, len(_kept(operator.raw_operator))])


def convert_imputer(scope: Any, operator: Any, container: Any, *, levels: Sequence[str]) -> None:
    """Put each column's learned value where a value is missing; `levels` are all strings that rows may hold.

    ValueError for imputers of something else than NaN or a missing level, and for those that add columns.
    """
    model = operator.raw_operator
    if getattr(model, "add_indicator", False):
        raise ValueError("SimpleImputer(add_indicator=True) has no conversion here")
    whole = _joined(scope, [each.full_name for each in operator.inputs], container)
    kept = _kept(model)
    if len(kept) < len(model.statistics_):
        whole = _node(scope, container, "Gather", [whole, _constant(scope, container, kept)], axis=1)
    values = model.statistics_[kept]
    if values.dtype.kind in "OU":
        done = _strings(scope, container, whole, values.tolist(), levels)
    else:
        if not (isinstance(model.missing_values, float) and np.isnan(model.missing_values)):
            raise ValueError(f"SimpleImputer(missing_values={model.missing_values!r}) has no conversion here")
        gone = _node(scope, container, "IsNaN", [whole])
        learned = _constant(scope, container, values.astype(np.float64).reshape(1, -1))
        done = _node(scope, container, "Where", [gone, learned, whole])
    container.add_node("Identity", [done], [operator.outputs[0].full_name], name=scope.get_unique_operator_name("Id"))


def _strings(scope: Any, container: Any, whole: str, values: Sequence[str], levels: Sequence[str]) -> str:
    """A dictionary a column, in which every level means itself and the missing one the learned value."""
    columns = []
    for at, value in enumerate(values):
        column = _node(scope, container, "Gather", [whole, _constant(scope, container, np.array([at]))], axis=1)
        table = {"keys_strings": [*levels, MISSING], "values_strings": [*levels, str(value)], "default_string": MISSING}
        columns.append(_node(scope, container, "LabelEncoder", [column], op_domain="ai.onnx.ml", op_version=2, **table))
    return _joined(scope, columns, container)


def _kept(model: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The columns that the imputer keeps: those that had a value in training."""
    empty = np.array([isinstance(each, float) and np.isnan(each) for each in model.statistics_], dtype=bool)
    return np.flatnonzero(~empty).astype(np.int64)


def _joined(scope: Any, names: Sequence[str], container: Any) -> str:
    return names[0] if len(names) == 1 else _node(scope, container, "Concat", names, axis=1)


def _node(scope: Any, container: Any, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
    name: str = scope.get_unique_variable_name(kind.lower())
    container.add_node(kind, list(inputs), [name], name=scope.get_unique_operator_name(kind), **attributes)
    return name


def _constant(scope: Any, container: Any, values: Any) -> str:
    from onnx import TensorProto  # noqa: PLC0415 - importing it takes a third of a second

    kind = TensorProto.INT64 if values.dtype.kind == "i" else TensorProto.DOUBLE
    name: str = scope.get_unique_variable_name("constant")
    container.add_initializer(name, kind, list(values.shape), values.ravel().tolist())
    return name
