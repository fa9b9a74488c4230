"""Journal records as Arrow tables."""

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from modelyard.core import Scalar
from modelyard.journal import REDACTED, Family, OutcomeRecord, PredictionRecord, Record, SketchRecord, TruthRecord

_INSTANT = pa.timestamp("us", tz="UTC")

SCHEMAS: dict[Family, pa.Schema] = {
    "predictions": pa.schema(
        [
            ("prediction_id", pa.string()),
            ("event_us", _INSTANT),
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
            ("logged_us", _INSTANT),
        ]
    ),
    "truths": pa.schema(
        [
            ("prediction_id", pa.string()),
            ("deployment", pa.string()),
            ("label", pa.string()),
            ("event_us", _INSTANT),
            ("available_us", _INSTANT),
            ("received_us", _INSTANT),
        ]
    ),
    "outcomes": pa.schema(
        [
            ("deployment", pa.string()),
            ("entity", pa.string()),
            ("metric", pa.string()),
            ("value", pa.float64()),
            ("event_us", _INSTANT),
            ("received_us", _INSTANT),
        ]
    ),
    "sketches": pa.schema(
        [
            ("deployment", pa.string()),
            ("arm", pa.string()),
            ("model_version", pa.string()),
            ("bundle", pa.string()),
            ("server", pa.string()),
            ("from_us", _INSTANT),
            ("to_us", _INSTANT),
            ("rows", pa.int64()),
            ("columns", pa.binary()),
        ]
    ),
}
"""Features and sketch columns are kept as MessagePack: their shape differs from version to version. Labels and
predictions are text, as the model's classes are."""

_PACK = msgspec.msgpack.Encoder().encode
_PACKED = {"features", "columns"}
_TEXT = {"label", "prediction"}


def to_table(records: Sequence[Record], family: Family) -> pa.Table:
    """Records of one family as a table, one row each, in their order."""
    schema = SCHEMAS[family]
    columns = [pa.array([_cell(record, name) for record in records], schema.field(name).type) for name in schema.names]
    return pa.table(columns, schema=schema)


def feature_columns(table: pa.Table, names: Sequence[str]) -> dict[str, list[Scalar]]:
    """The logged features of predictions of one version, by name in its signature's order.

    Predictions logged without features are left out, and so are columns that are redacted in any of them.
    """
    decoder = msgspec.msgpack.Decoder()
    rows = [row for row in map(decoder.decode, table.column("features").to_pylist()) if row]
    columns = {name: [row[index] if index < len(row) else None for row in rows] for index, name in enumerate(names)}
    return {name: values for name, values in columns.items() if REDACTED not in values}


def _cell(record: PredictionRecord | TruthRecord | OutcomeRecord | SketchRecord, name: str) -> object:
    value: object = getattr(record, name)
    if name in _PACKED:
        return _PACK(value)
    if name in _TEXT and value is not None:
        return str(value)
    return value
