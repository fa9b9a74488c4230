"""Dataset versions: which rows, exactly, a model was made from."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Digest, digest_of


@dataclass(frozen=True)
class DatasetVersion:
    """The content of a table under a name; equal content has an equal digest."""

    name: str
    digest: Digest
    rows: int
    columns: tuple[str, ...]


def version_of(name: str, table: pa.Table) -> DatasetVersion:
    """The version of a table: the SHA-256 of its schema and columns as one Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
        writer.write_table(table.replace_schema_metadata(None).combine_chunks())
    return DatasetVersion(name, digest_of(sink.getvalue().to_pybytes()), len(table), tuple(table.column_names))


def split_by_time(table: pa.Table, time: str, holdout: timedelta, until: datetime) -> tuple[pa.Table, pa.Table]:
    """Rows before `until - holdout`, and rows from there on before `until`: the past to learn, the present to judge."""
    border = pa.scalar(until - holdout, table.schema.field(time).type)
    end = pa.scalar(until, table.schema.field(time).type)
    column = table.column(time)
    return table.filter(pc.less(column, border)), table.filter(
        pc.and_(pc.greater_equal(column, border), pc.less(column, end))
    )
