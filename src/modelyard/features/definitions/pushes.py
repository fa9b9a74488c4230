"""Rows that are pushed: a durable log of them beside a batch source, read together by the join."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from modelyard.core import Micros, atomic_write, is_name, shown
from modelyard.features.errors import InvalidDefinition, SourceUnreadable

from .definition import Definition, check_definition
from .rows import Rows

PUSHED_AT = "__pushed_at"
"""The column of the log that says when a row was pushed: microseconds of UTC."""


@dataclass(frozen=True, eq=False)
class PushSource(Definition):
    """Rows that come by `project.features.push(name, rows)`, and those of `batch` from before, if there is one.

    Pushed rows go to the online store at once and to a log in the workspace, which the offline join reads after the
    rows of `batch`: on full ties the pushed row wins.
    """

    kind: ClassVar[str] = "push source"

    name: str
    batch: Any = field(default=None, repr=False)
    _pushed: list[Path] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        check_definition(self.kind, self.name, [], "PushSource(name=…, batch=SOURCE)")

    def anchor(self, folder: Path, pushed: Path | None) -> None:  # noqa: ARG002 - the log lies in the workspace
        """Learn where the project keeps pushed rows."""
        self._pushed[:] = [] if pushed is None else [pushed]

    @property
    def log(self) -> "PushLog | None":
        """The log; None outside a project."""
        return PushLog(self._pushed[0] / self.name) if self._pushed else None


class PushLog:
    """Pushed rows in the order in which they came: Arrow files that are written once, each whole or not there.

    Many processes may append and read at once. What `append` returned for survives a power cut. Rows of one file stay
    in order; files are ordered by when they were pushed, then by when they were written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, rows: pa.Table, at: Micros) -> int:
        """Keep rows that were pushed at an instant; returns how many. Written, synced, then renamed into place."""
        if PUSHED_AT in rows.column_names:
            raise InvalidDefinition(f"The column name {PUSHED_AT} is taken.", remedy="Rename the column.")
        if not len(rows):
            return 0
        marked = rows.append_column(PUSHED_AT, pa.array([at] * len(rows), pa.int64()))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, marked.schema) as writer:
            writer.write_table(marked)
        name = f"{at + 2**63:020d}-{time.monotonic_ns():020d}-{os.urandom(4).hex()}.arrow"
        atomic_write(self._folder / name, sink.getvalue().to_pybytes())
        return len(rows)

    def files(self) -> list[Path]:
        """The files in their order."""
        if not self._folder.is_dir():
            return []
        return sorted(each for each in self._folder.iterdir() if is_name(each.name) and each.suffix == ".arrow")

    def rows(self) -> Iterator[pa.RecordBatch]:
        """All rows, with `PUSHED_AT` beside their own columns; SourceUnreadable for a file that is damaged."""
        for file in self.files():
            yield from _read(file)

    def schema(self) -> pa.Schema | None:
        """The columns of the first file; None when nothing was pushed."""
        for file in self.files():
            for batch in _read(file):
                return batch.schema
        return None


def _read(file: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pa.memory_map(str(file)) as source:
            reader = pa.ipc.open_file(source)
            yield from (reader.get_batch(at) for at in range(reader.num_record_batches))
    except pa.ArrowInvalid as error:
        raise SourceUnreadable(
            f"The log of pushed rows is damaged in {shown(str(file), 200)}: {str(error)[:120]}.",
            remedy="Move the file away, and push its rows again.",
        ) from error


def with_pushed(batch: Rows | None, source: PushSource) -> Rows:
    """The rows of both, in the columns of the batch source, or of the first push where there is none."""
    log = source.log
    told = log.schema() if log is not None else None
    if batch is None and (log is None or told is None):
        raise SourceUnreadable(
            f"Nothing was pushed to '{source.name}' yet, and it has no batch source: its columns are not known.",
            remedy="Give it batch=SOURCE, or push rows first.",
        )
    schema = batch.schema if batch is not None else pa.schema([each for each in told or () if each.name != PUSHED_AT])
    if log is None or told is None:
        return Rows(schema, batch.batches if batch is not None else lambda: iter(()))

    def batches() -> Iterator[pa.RecordBatch]:
        if batch is not None:
            yield from batch.batches()
        for pushed in log.rows():
            yield _fitted(pushed, schema, source.name)

    return Rows(schema, batches)


def _fitted(pushed: pa.RecordBatch, schema: pa.Schema, name: str) -> pa.RecordBatch:
    columns = []
    for each in schema:
        if each.name not in pushed.schema.names:
            columns.append(pa.nulls(len(pushed), each.type))
            continue
        try:
            columns.append(pushed.column(each.name).cast(each.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidDefinition(
                f"Rows pushed to '{name}' have {str(pushed.schema.field(each.name).type)[:60]} in '{each.name}', "
                f"which does not fit its {str(each.type)[:60]}: {str(error)[:120]}.",
                remedy="Push values of the type that the batch source has.",
            ) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)
