"""Rows that are pushed: a durable log of them beside a batch source, read together by the join."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from modelyard.features.errors import InvalidDefinition, SourceUnreadable
from modelyard.features.pushed import PushLog

from .definition import Definition, check_definition
from .rows import Rows


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
    def columns(self) -> pa.Schema | None:
        """The columns that pushed rows have, where that is declared."""
        return None

    @property
    def log(self) -> PushLog | None:
        """The log; None outside a project."""
        return PushLog(self._pushed[0] / self.name) if self._pushed else None


def with_pushed(batch: Rows | None, source: PushSource) -> Rows:
    """The rows of both, in the columns of the batch source, or of the first push where there is none."""
    log = source.log
    told = log.schema() if log is not None else None
    columns = source.columns or told
    if batch is None and columns is None:
        raise SourceUnreadable(
            f"Nothing was pushed to '{source.name}' yet, and it has no batch source: its columns are not known.",
            remedy="Give it batch=SOURCE, or push rows first.",
        )
    if batch is None:
        batch = Rows.of(pa.schema(columns or ()).empty_table())
    return batch if log is None or told is None else _both(batch, log, source.name)


def _both(batch: Rows, log: PushLog, name: str) -> Rows:
    schema = batch.schema

    def batches(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        chosen = pa.schema([schema.field(each) for each in names])
        yield from batch.only(names).batches()
        for pushed in log.rows(names):
            yield _fitted(pushed, chosen, name)

    return Rows(schema, lambda: batches(schema.names), batches)


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
