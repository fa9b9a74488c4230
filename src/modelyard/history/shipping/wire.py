"""A record of the log as a message, and back.

The value is a MessagePack map of the columns that the log's tables have, so that anybody can read it: instants are
microseconds of UTC, `features` and `request` lists, labels and predictions text. Headers say the family, and which
record of which segment it is: that names it for good, however often it is sent, and whatever file it is in by then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from modelyard.core import from_micros, is_name
from modelyard.journal import FAMILIES, Family, OutcomeRecord, PredictionRecord, Record, SketchRecord, TruthRecord
from modelyard.streams import Message

from ..errors import NotALogRecord
from ..tables import LATER, SCHEMAS, WRITTEN

FORMAT = "1"
"""Raise it when the meaning of a column changes, and teach `read` both; new columns need no new format."""

_FAMILY, _SEGMENT, _NUMBER, _FORMAT = "modelyard-family", "modelyard-segment", "modelyard-number", "modelyard-format"
_TYPES: dict[Family, type[Record]] = {
    "predictions": PredictionRecord,
    "truths": TruthRecord,
    "outcomes": OutcomeRecord,
    "sketches": SketchRecord,
}
_KEYS: dict[Family, str] = {
    "predictions": "prediction_id", "truths": "prediction_id", "outcomes": "entity", "sketches": "deployment",
}  # fmt: skip
"""What messages are keyed by: a prediction and what is known of it go the same way."""

_WHERE = {name for name, _ in WRITTEN}
_PACK = msgspec.msgpack.Encoder().encode
_UNPACK = msgspec.msgpack.Decoder(dict[str, object]).decode


@dataclass(frozen=True)
class Shipment:
    """A record that came, and which one of which segment it is."""

    family: Family
    segment: str
    number: int
    record: Record


def messages(table: pa.Table, family: Family) -> Iterator[Message]:
    """The rows of a table, as they come out of segments, as messages."""
    names = [name for name in SCHEMAS[family].names if name not in _WHERE]
    packed = {"features", "request", "columns"} & set(names)
    columns = [_plain(table.column(name)) for name in names]
    where = zip(*(table.column(name).to_pylist() for name, _ in WRITTEN), strict=True)
    head = {_FAMILY: family, _FORMAT: FORMAT}
    key = names.index(_KEYS[family])
    for (segment, number), row in zip(where, zip(*columns, strict=True), strict=True):
        told = {name: _raw(value) if name in packed else value for name, value in zip(names, row, strict=True)}
        named = {**head, _SEGMENT: segment, _NUMBER: str(number)}
        yield Message(_PACK(told), str(row[key] or "").encode(), named)


def read(message: Message) -> Shipment:
    """The record of a message; NotALogRecord, which says why, for any other."""
    headers = {name.lower(): text for name, text in message.headers.items()}
    family, segment, number = headers.get(_FAMILY, ""), headers.get(_SEGMENT, ""), headers.get(_NUMBER, "")
    if headers.get(_FORMAT) != FORMAT or family not in FAMILIES:
        raise _no(f"its headers name format {headers.get(_FORMAT)!r:.40} and family {family!r:.40}")
    if not is_name(segment) or not number.isdecimal() or len(number) > 15:
        raise _no(f"its headers do not say which record it is: segment {segment!r:.40}, number {number!r:.40}")
    named: Family = next(each for each in FAMILIES if each == family)
    return Shipment(named, segment, int(number), _record(message.value, named, _TYPES[named]))


def _record(value: bytes, family: Family, kind: type[Record]) -> Record:
    try:
        told = _UNPACK(value)
        later = LATER[family]  # the last fields of a record, each with a value of its own for when it is absent
        fields = [told[name] for name in kind.__struct_fields__ if name in told or name not in later]
        record = msgspec.convert(fields, kind)
        for name, instant in zip(kind.__struct_fields__, fields, strict=False):  # an older message has fewer
            if name.endswith("_us") and name != "latency_us" and isinstance(instant, int):
                from_micros(instant)
    except KeyError as error:
        raise _no(f"it lacks {error}") from error
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise _no(str(error)[:200]) from error
    return record


def _raw(packed: bytes | None) -> object:
    """What is MessagePack already; nothing of a record that was redacted."""
    return () if packed is None else msgspec.Raw(packed)


def _plain(column: pa.ChunkedArray) -> Sequence[object]:
    """Values of a column as messages have them."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[object] = column.to_pylist()
    return values


def _no(why: str) -> NotALogRecord:
    return NotALogRecord(f"The message is no record of a prediction log: {why}.", remedy="See what publishes it.")
