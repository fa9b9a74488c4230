"""Messages as rows: JSON objects, read in the types of columns."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from modelyard.core import did_you_mean, shown
from modelyard.features.errors import BadMessage, InvalidDefinition

_REMEDY = "Give the column a type that messages carry: numbers, texts, truths, times, dates or decimals."


class MessageReader:
    """Reads JSON objects that have these columns; what stands beside them is left alone.

    `required` are the columns that may not be null. Nothing is converted that loses something: numbers are numbers,
    texts texts, times ISO 8601 (naive ones UTC). InvalidDefinition for types that JSON does not carry.
    """

    def __init__(self, schema: pa.Schema, required: Sequence[str], id_name: str | None) -> None:
        self.schema = schema
        self._names = [*schema.names, *([id_name] if id_name is not None and id_name not in schema.names else [])]
        self._id = None if id_name is None else self._names.index(id_name)
        places = [f"column_{place}" for place in range(len(self._names))]
        kinds: list[tuple[str, Any]] = []
        for place, name in zip(places, self._names, strict=True):
            kind: Any = _kind(schema.field(name)) if name in schema.names else int | str
            kinds.append((place, kind if name in required or name == id_name else kind | None))
        row = msgspec.defstruct("row", kinds, rename=dict(zip(places, self._names, strict=True)), gc=False)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(row)

    def read(self, value: bytes) -> tuple[tuple[Any, ...], str | None]:
        """A message's values in the order of the schema, and what tells it from others. BadMessage says why not."""
        try:
            row = msgspec.structs.astuple(self._decoder.decode(value))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # what is no UTF-8 is a ValueError
            raise BadMessage(self._why(value, str(error))) from error
        known = None if self._id is None else row[self._id]
        return row[: len(self.schema)], None if known is None else f"{type(known).__name__}:{known}"

    def table(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        """Rows that were read as a table, (n_rows, n_columns). BadMessage for values that a column does not hold."""
        columns = []
        for place, each in enumerate(self.schema):
            values = [row[place] for row in rows]
            try:
                columns.append(_array(values, each.type))
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                raise BadMessage(f"Column '{each.name}' is {each.type}: {str(error)[:200]}.") from error
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _why(self, value: bytes, error: str) -> str:
        """What is wrong in the words of columns, with a near name where one is missing."""
        _, missing, rest = error.partition("missing required field `")
        if not missing:
            return f"{error[:300]}."
        name = rest.partition("`")[0]
        try:
            there = [str(each) for each in msgspec.json.decode(value)]
        except (msgspec.MsgspecError, TypeError, RecursionError):
            there = []
        return f"It lacks the column {shown(name, 80)}. {did_you_mean(name, there) if there else 'It is empty.'}"[:600]


_KINDS: tuple[tuple[Callable[[pa.DataType], bool], type], ...] = (
    (pa.types.is_boolean, bool),
    (pa.types.is_floating, float),
    (pa.types.is_string, str),
    (pa.types.is_large_string, str),
    (pa.types.is_string_view, str),
    (pa.types.is_timestamp, datetime),
    (pa.types.is_date, date),
    (pa.types.is_decimal, Decimal),
)


def _kind(column: "pa.Field") -> Any:
    """The type in which a column's values are read."""
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_integer(type_):
        least = 0 if pa.types.is_unsigned_integer(type_) else -(2 ** (type_.bit_width - 1))
        most = min(2**63 - 1, 2 ** (type_.bit_width - (least < 0)) - 1)
        return Annotated[int, msgspec.Meta(ge=least, le=most)]
    found = next((kind for is_one, kind in _KINDS if is_one(type_)), None)
    if found is None:
        raise InvalidDefinition(
            f"Column {shown(column.name, 80)} is {str(type_)[:60]}, which no message carries.", remedy=_REMEDY
        )
    return found


def _array(values: list[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(type_):
        return pa.array(values, type_.value_type).dictionary_encode().cast(type_)
    if not pa.types.is_timestamp(type_):
        return pa.array(values, type_)
    aware = [None if each is None else _instant(each) for each in values]
    instants = pa.array(aware, pa.timestamp("us", tz="UTC"))
    return instants.cast(pa.timestamp(type_.unit, tz="UTC"), safe=type_.unit == "ns").cast(type_)


def _instant(at: datetime) -> datetime:
    """A time in UTC, which naive ones are in already."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
