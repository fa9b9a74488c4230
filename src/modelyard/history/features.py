"""Features as typed columns: what one version's records hold at each place of its signature.

The log knows places, not names: a prediction record lists its features in the order of its version's signature. They
are kept as columns `feature_0`, `feature_1`, … of one type each, beside `has_features` (false for records outside the
sample, which hold none) and `redacted` (the places whose value was never logged; null there).
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Scalar
from modelyard.journal import REDACTED

Kind = Literal["empty", "flag", "integer", "number", "text", "packed"]
"""What a column holds: nothing but nulls; truths; whole numbers up to 2^53; numbers; texts; or a mixture, each value as
MessagePack."""

TYPES: dict[Kind, pa.DataType] = {
    "empty": pa.float64(),
    "flag": pa.bool_(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "packed": pa.binary(),
}

_EXACT = 1 << 53
_OF_TYPES: dict[frozenset[type], Kind] = {
    frozenset(): "empty",
    frozenset({bool}): "flag",
    frozenset({int}): "integer",
    frozenset({float}): "number",
    frozenset({int, float}): "number",
    frozenset({str}): "text",
}
_PACK = msgspec.msgpack.Encoder().encode
_NO_VALUE = type(None)

NamesOf = Callable[[str, str], Sequence[str] | None]
"""The names of the features of a deployment's version, in its signature's order; None when nobody knows them."""


def column_name(place: int) -> str:
    """The column of the feature at a place."""
    return f"feature_{place}"


def typed(raw: pa.Table) -> tuple[pa.Table, tuple[Kind, ...], tuple[int, ...]]:
    """Prediction records of one version with typed columns for `features`; each column's kind, and which are redacted
    in some record.
    """
    decode = msgspec.msgpack.Decoder().decode
    rows: list[Sequence[Any]] = [decode(each) for each in raw.column("features").to_pylist()]
    columns, kinds, hidden = [], list[Kind](), dict[int, list[int]]()
    for place, values in enumerate(zip_longest(*rows)):
        if REDACTED in values:
            hidden[place] = [at for at, value in enumerate(values) if value == REDACTED]
            values = tuple(None if value == REDACTED else value for value in values)  # noqa: PLW2901
        kind = _kind(values)
        kinds.append(kind)
        columns.append(_array(values, kind))
    table = raw.drop_columns(["features"])
    table = table.append_column("has_features", pa.array([bool(each) for each in rows], pa.bool_()))
    table = table.append_column("redacted", _hidden(hidden, len(rows)))
    for place, column in enumerate(columns):
        table = table.append_column(column_name(place), column)
    return table, tuple(kinds), tuple(hidden)


def untyped(table: pa.Table, places: int) -> pa.Table:
    """Prediction records with so many typed columns as they came out of segments; what `typed` took apart."""
    rows = zip(*(_values(table, place) for place in range(places)), strict=True) if places else iter(())
    has, hidden = table.column("has_features").to_pylist(), table.column("redacted").to_pylist()
    packed = []
    for known, gone in zip(has, hidden, strict=True):
        values = list(next(rows, ()))
        for place in gone or ():
            values[place] = REDACTED
        packed.append(_PACK(values if known else []))
    return table.append_column("features", pa.array(packed, pa.binary()))


def unified(kinds: Iterable[Sequence[Kind]]) -> tuple[Kind, ...]:
    """The kinds in which records of several files fit together, place by place."""
    return tuple(unify(places) for places in zip_longest(*kinds, fillvalue="empty"))


def unify(kinds: Iterable[Kind]) -> Kind:
    """The kind in which columns of these kinds lose nothing."""
    found = set(kinds) - {"empty"}
    if not found:
        return "empty"
    if found == {"integer", "number"}:
        return "number"
    return found.pop() if len(found) == 1 else "packed"


def converted(column: pa.ChunkedArray | pa.Array, have: Kind, want: Kind) -> pa.ChunkedArray | pa.Array:
    """A column of one kind as another that `unify` allowed."""
    if have == want:
        return column
    if have == "empty":
        return pa.nulls(len(column), TYPES[want])
    if want == "packed":
        return pa.array([None if each is None else _PACK(each) for each in column.to_pylist()], pa.binary())
    return column.cast(TYPES[want])


def placed(table: pa.Table, place: int, have: Sequence[Kind], want: Kind) -> pa.ChunkedArray | pa.Array:
    """The feature at a place, of a table whose features have these kinds, as another kind; nulls where it has none."""
    if place >= len(have):
        return pa.nulls(len(table), TYPES[want])
    return converted(table.column(column_name(place)), have[place], want)


def fitted(table: pa.Table, have: Sequence[Kind], want: Sequence[Kind]) -> pa.Table:
    """A table whose features have these kinds as one whose features have those."""
    fixed = [name for name in table.column_names if name not in {column_name(place) for place in range(len(have))}]
    columns = {name: table.column(name) for name in fixed}
    return pa.table(columns | {column_name(at): placed(table, at, have, kind) for at, kind in enumerate(want)})


def feature_columns(table: pa.Table, names: Sequence[str]) -> dict[str, list[Scalar]]:
    """The logged features of predictions of one version, by name in its signature's order.

    Predictions logged without features are left out, and so are columns that are redacted in any of them.
    """
    logged = table.filter(pc.field("has_features"))
    hidden = set(pc.unique(pc.list_flatten(logged.column("redacted"))).to_pylist())
    return {name: _values(logged, place) for place, name in enumerate(names) if place not in hidden}


def feature_values(table: pa.Table, names: Sequence[str]) -> dict[str, list[Scalar]]:
    """The features of logged predictions of one version by name, REDACTED where a value was never logged."""
    values = {name: _values(table, place) for place, name in enumerate(names)}
    for row, places in enumerate(table.column("redacted").to_pylist()):
        for place in places or ():
            values[names[place]][row] = REDACTED
    return values


def _values(table: pa.Table, place: int) -> list[Scalar]:
    name = column_name(place)
    if name not in table.column_names:
        return [None] * len(table)
    values: list[Any] = table.column(name).to_pylist()
    if table.schema.field(name).type == TYPES["packed"]:
        decode = msgspec.msgpack.Decoder().decode
        return [None if each is None else decode(each) for each in values]
    return values


def _kind(values: Sequence[Any]) -> Kind:
    types = frozenset(map(type, values)) - {_NO_VALUE}
    kind = _OF_TYPES.get(types, "packed")
    if int in types and kind != "packed" and any(type(each) is int and abs(each) > _EXACT for each in values):
        return "packed"
    return kind


def _array(values: Sequence[Any], kind: Kind) -> pa.Array:
    if kind == "packed":
        return pa.array([None if each is None else _PACK(each) for each in values], pa.binary())
    return pa.array(values, TYPES[kind])


def _hidden(hidden: dict[int, list[int]], rows: int) -> pa.Array:
    """Of each row the redacted places; null where there are none."""
    if not hidden:
        return pa.nulls(rows, pa.list_(pa.int16()))
    of: list[list[int] | None] = [None] * rows
    for place, places in hidden.items():
        for row in places:
            of[row] = [*(of[row] or ()), place]
    return pa.array(of, pa.list_(pa.int16()))
