"""Journal records as Arrow tables, with where each was written."""

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from modelyard.journal import Family, OutcomeRecord, PredictionRecord, Record, SketchRecord, TruthRecord

INSTANT = pa.timestamp("us", tz="UTC")

WRITTEN = (("segment", pa.string()), ("position", pa.int64()))
"""Where a record was written first: the segment's name, and the record's number among its whole records, from 0. No
two records share both, however often files are written anew, and they say which of two was written last."""

SCHEMAS: dict[Family, pa.Schema] = {
    "predictions": pa.schema(
        [
            ("prediction_id", pa.string()),
            ("event_us", INSTANT),
            ("deployment", pa.string()),
            ("generation", pa.int64()),
            ("model_version", pa.string()),
            ("arm", pa.string()),
            ("role", pa.string()),
            ("answered", pa.bool_()),
            ("entity", pa.string()),
            ("features", pa.binary()),
            ("prediction", pa.string()),
            ("scores", pa.list_(pa.float64())),
            ("latency_us", pa.int64()),
            ("error", pa.string()),
            ("logged_us", INSTANT),
            ("request", pa.binary()),
            ("forced", pa.bool_()),
            ("generated", pa.string()),
            *WRITTEN,
        ]
    ),
    "truths": pa.schema(
        [
            ("prediction_id", pa.string()),
            ("deployment", pa.string()),
            ("label", pa.string()),
            ("event_us", INSTANT),
            ("available_us", INSTANT),
            ("received_us", INSTANT),
            *WRITTEN,
        ]
    ),
    "outcomes": pa.schema(
        [
            ("deployment", pa.string()),
            ("entity", pa.string()),
            ("metric", pa.string()),
            ("value", pa.float64()),
            ("event_us", INSTANT),
            ("received_us", INSTANT),
            *WRITTEN,
        ]
    ),
    "sketches": pa.schema(
        [
            ("deployment", pa.string()),
            ("arm", pa.string()),
            ("model_version", pa.string()),
            ("bundle", pa.string()),
            ("server", pa.string()),
            ("from_us", INSTANT),
            ("to_us", INSTANT),
            ("rows", pa.int64()),
            ("columns", pa.binary()),
            *WRITTEN,
        ]
    ),
}
"""As records come out of a segment. Features, fields of requests and sketch columns are MessagePack there: their shape
differs from version to version. Labels and predictions are text, as the model's classes are."""

LATER: dict[Family, dict[str, bytes | bool | str]] = {
    "predictions": {"request": b"\x90", "forced": False, "generated": ""},
    "truths": {},
    "outcomes": {},
    "sketches": {},
}
"""Columns that files and messages of older versions lack, in the order in which they came, and what stands for them
there: an empty list in MessagePack, say. No scalars of Arrow: the first of those imports pandas."""

TIMES: dict[Family, str] = {
    "predictions": "event_us",
    "truths": "event_us",
    "outcomes": "event_us",
    "sketches": "from_us",
}
"""The instant of a record that windows go by."""

_PACK = msgspec.msgpack.Encoder().encode
_PACKED = {"features", "request", "columns"}
_TEXT = {"label", "prediction"}
_WHERE = {name for name, _ in WRITTEN}


def to_table(records: Sequence[Record], family: Family, segment: str, first: int = 0) -> pa.Table:
    """Records of one family from one segment as a table, one row each, in their order, numbered from `first`."""
    schema = SCHEMAS[family]
    columns = [
        pa.array([_cell(record, name) for record in records], schema.field(name).type)
        for name in schema.names
        if name not in _WHERE
    ]
    columns.append(pa.repeat(segment, len(records)))
    columns.append(pa.array(range(first, first + len(records)), pa.int64()))
    return pa.table(columns, schema=schema)


def _cell(record: PredictionRecord | TruthRecord | OutcomeRecord | SketchRecord, name: str) -> object:
    value: object = getattr(record, name)
    if name in _PACKED:
        return _PACK(value)
    if name in _TEXT and value is not None:
        return str(value)
    return value
