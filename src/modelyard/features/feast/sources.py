"""Feast's file sources as tables, with the columns that are wanted of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from feast import FileSource
from feast.data_format import ParquetFormat

from modelyard.core import did_you_mean, shown
from modelyard.features.errors import InvalidDefinition, SourceUnreadable
from modelyard.features.instants import as_instants
from modelyard.features.newest import UNNOTED, Ints, newest_places

DUMMY, DUMMY_VALUE = "__dummy_id", ""
"""The join key of views without entities, and the value that Feast gives to all of them."""


@dataclass(frozen=True)
class Columns:
    """Columns of a source, as the source calls them: join keys, event time, and when a row was created, if it says."""

    keys: Sequence[str]
    event: str
    created: str | None


@dataclass(frozen=True)
class FeastSource:
    """A file source of a repository."""

    source: Any
    repository: Path | None

    def table(self, names: Sequence[str] | None = None) -> pa.Table:
        """These columns or all, in the order of the files and their rows.

        InvalidDefinition for columns that it does not have, SourceUnreadable when it cannot be read.
        """
        opened = self._opened()
        for name in names or ():
            if name not in opened.schema.names:
                raise InvalidDefinition(
                    f"The source {self._name} has no column '{name[:80]}'.",
                    context={"column": name[:80]},
                    remedy=did_you_mean(name, opened.schema.names),
                )
        try:
            return opened.to_table(columns=None if names is None else list(dict.fromkeys(names)))
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    @property
    def schema(self) -> pa.Schema:
        """Its columns. SourceUnreadable when it cannot be read."""
        return self._opened().schema

    def _opened(self) -> Any:
        check_source(self.source)
        place = FileSource.get_uri_for_file_path(self.repository, self.source.path)
        try:
            filesystem, path = FileSource.create_filesystem_and_path(
                str(place), self.source.s3_endpoint_override, self.source.resolve_credentials()
            )
            if filesystem is None and "://" in path:
                filesystem, path = pa.fs.FileSystem.from_uri(path)
            return ds.dataset(path, filesystem=filesystem, format="parquet", partitioning="hive")
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> SourceUnreadable:
        return SourceUnreadable(
            f"The source {self._name} cannot be read: {shown(str(error), 200)}.",
            remedy="Correct its path, which begins in the folder of feature_store.yaml; Parquet is read.",
        )

    @property
    def _name(self) -> str:
        return shown(f"{self.source.name} ({self.source.path})", 160)


def check_source(source: Any) -> None:
    """InvalidDefinition for sources that are no Parquet files."""
    told = "This offline store reads Parquet files (FileSource), also in folders and on S3."
    if not isinstance(source, FileSource):
        kind = "no batch source" if source is None else type(source).__name__
        name = shown(str(getattr(source, "name", "")), 80)
        raise InvalidDefinition(
            f"The source {name} is {kind}, which this offline store does not read.".replace("  ", " "),
            remedy=f"{told} Write the table to one, or keep Feast's offline store for this repository.",
        )
    if source.file_format is not None and not isinstance(source.file_format, ParquetFormat):
        raise InvalidDefinition(
            f"The source {shown(source.name, 80)} is in {type(source.file_format).__name__}.", remedy=told
        )


def between(table: pa.Table, event: str, start: Any, end: Any) -> pa.Table:
    """The rows whose event time lies between two instants, both included; None is no end. Null times are left out."""
    events = as_instants(table.column(event), f"column '{event}'")
    keep = pc.is_valid(events)
    for bound, compare in ((start, pc.greater_equal), (end, pc.less_equal)):
        if bound is not None:
            limit = as_instants(pa.chunked_array([pa.array([bound])]), "range of times")[0]
            keep = pc.and_(keep, compare(events, limit))
    return table.filter(keep)


def newest(table: pa.Table, columns: Columns, what: str) -> pa.Table:
    """The newest row of each key: by event time, then creation (null loses), then the last. Null keys are left out."""
    keys = [(name, table.column(name)) for name in columns.keys]
    events, created = instants(table, columns)
    return table.take(pa.array(newest_places(what, keys, events, created)))


def instants(table: pa.Table, columns: Columns) -> tuple[Ints, Ints]:
    """Event times and creation in microseconds, shape (n_rows,); creation that nobody noted comes before all others."""
    event = as_instants(table.column(columns.event), f"column '{columns.event}'").cast(pa.int64())
    events: Ints = pc.fill_null(event, UNNOTED).to_numpy()
    if columns.created is None:
        return events, events * 0
    created = as_instants(table.column(columns.created), f"column '{columns.created}'").cast(pa.int64())
    return events, pc.fill_null(created, UNNOTED).to_numpy()


def with_dummy(table: pa.Table) -> pa.Table:
    """With the join key of views without entities."""
    return table if DUMMY in table.column_names else table.append_column(DUMMY, pa.array([DUMMY_VALUE] * len(table)))


def columns_of(source: Any, keys: Sequence[str]) -> Columns:
    """Where a source has the join keys, times and creation of its rows, whatever a view calls them."""
    there = in_source(source)
    created = source.created_timestamp_column
    return Columns(
        [there.get(key, key) for key in keys],
        there.get(source.timestamp_field, source.timestamp_field),
        there.get(created, created) if created else None,
    )


def in_source(source: Any) -> dict[str, str]:
    """From the names that features have to those of the source's columns, by its `field_mapping`."""
    return {feature: column for column, feature in (source.field_mapping or {}).items()}
