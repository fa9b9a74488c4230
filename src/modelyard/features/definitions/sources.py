"""What a view reads: files, queries, tables, functions, pushed rows."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pyarrow as pa

from modelyard.data import ReadOptions, open_data
from modelyard.features.errors import SourceUnreadable
from modelyard.features.tables import as_table, is_table

from .pushes import PushSource, with_pushed
from .rows import Rows
from .sql import SqlSource


class ArrowStream(Protocol):
    """Whatever speaks the Arrow stream protocol: tables of Arrow, DataFrames of polars and pandas."""

    def __arrow_c_stream__(self, requested_schema: object | None = None, /) -> object: ...


Source: TypeAlias = str | Path | SqlSource | PushSource | ArrowStream | Callable[[], Any]
"""A path, glob or URL of files; a query; a table; a function that gives one of these; pushed rows."""

_REMEDY = (
    "Give a path or URL, a SqlSource, an Arrow table, a DataFrame, a PushSource or StreamSource, or a function that "
    "gives one."
)


def is_source(value: object) -> bool:
    """Whether a view can read it."""
    return isinstance(value, str | Path | SqlSource | PushSource) or callable(value) or is_table(value)


def open_source(source: object, folder: Path | None, types: Mapping[str, pa.DataType], what: str) -> Rows:
    """Open a source; `what` names it in errors. Relative paths begin in `folder`; `types` are those of text files.

    UnreadableData or SourceUnreadable when it cannot be read.
    """
    if isinstance(source, str | Path):
        return _files(source, folder, types)
    if isinstance(source, SqlSource):
        return source.open(folder)
    if isinstance(source, PushSource):
        batch = None if source.batch is None else open_source(source.batch, folder, types, what)
        return with_pushed(batch, source)
    if is_table(source):
        return Rows.of(as_table(source, what))
    if callable(source):
        return _made(source, folder, types, what)
    raise SourceUnreadable(f"The {what} is {type(source).__name__}, which cannot be read.", remedy=_REMEDY)


def _made(make: Callable[[], object], folder: Path | None, types: Mapping[str, pa.DataType], what: str) -> Rows:
    found = make()
    if callable(found) and not is_table(found):
        raise SourceUnreadable(f"The {what} is a function that gives a function.", remedy=_REMEDY)
    return open_source(found, folder, types, what)


def _files(source: str | Path, folder: Path | None, types: Mapping[str, pa.DataType]) -> Rows:
    place = source if folder is None or "://" in str(source) or "::" in str(source) else folder / source
    reading = open_data(place)
    known = {name: kind for name, kind in types.items() if name in reading.schema.names}
    is_text = any(each.format not in ("parquet", "arrow") for each in reading.facts)
    if is_text and any(reading.schema.field(name).type != kind for name, kind in known.items()):
        reading = open_data(place, ReadOptions(types=known))
    return Rows(reading.schema, reading.batches, lambda names: reading.only(names).batches())
