"""A source as one stream of Arrow batches, whatever its files are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from modelyard.core import did_you_mean

from .columnar import ColumnarFile, columnar_file
from .comma import CommaFile, comma_file, tell_columns
from .complaints import SHOWN, clip, mapped, unreadable
from .facts import ColumnFacts, FileFacts
from .objects import ObjectFile, tell_shapes
from .options import ReadOptions
from .recognise import Recognised, recognise
from .sources import resolve

DataFile = CommaFile | ObjectFile | ColumnarFile
Told = dict[str, tuple[pa.DataType, str]]


@dataclass(frozen=True)
class Reading:
    """A source whose files, columns and types are known. Rows are read when they are asked for, each time anew.

    May be read by several threads at once: each call of `batches` has streams of its own.
    """

    schema: pa.Schema
    facts: tuple[FileFacts, ...]
    columns: tuple[ColumnFacts, ...]
    files: tuple[DataFile, ...]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, file by file, in batches of at most `batch_rows`; no batch is empty.

        Memory is bounded by the size of a batch (of Parquet a row group, of Arrow a written batch), not by the
        source's. UnreadableData when a value does not have its declared type, or the file changed meanwhile.
        """
        for file in self.files:
            with closing(file.batches(self.schema)) as batches:
                for batch in batches:
                    yield from _sliced(batch, file.options.batch_rows)

    def rows_of(self, file: int, begin: int = 0) -> Iterator[pa.RecordBatch]:
        """The rows of one file, by its place in `files`, from a row on (counted from 0); batches as those of `batches`.

        Of Parquet the row groups before it are not read; other files are read from their beginning.
        """
        read = self.files[file]
        skipped = read.begins(begin) if isinstance(read, ColumnarFile) else 0
        source = read.batches(self.schema, skipped) if isinstance(read, ColumnarFile) else read.batches(self.schema)
        left = begin - skipped
        with closing(source) as batches:
            for batch in batches:
                if left >= len(batch):
                    left -= len(batch)
                    continue
                yield from _sliced(batch.slice(left), read.options.batch_rows)
                left = 0

    def only(self, names: Sequence[str]) -> "Reading":
        """The same rows with these columns alone, in this order; of Parquet nothing else is read.

        UnreadableData when there is no such column.
        """
        for name in names:
            if name not in self.schema.names:
                remedy = did_you_mean(name, [each[:SHOWN] for each in self.schema.names])
                raise unreadable("there is no such column.", self.files[0].name, column=name, remedy=remedy)
        schema = pa.schema([self.schema.field(name) for name in names])
        columns = {each.name: each for each in self.columns}
        return replace(self, schema=schema, columns=tuple(columns[name] for name in names))

    def table(self) -> pa.Table:
        """All rows in memory."""
        return pa.Table.from_batches(self.batches(), self.schema)


def open_data(source: str | Path | Sequence[str | Path], options: ReadOptions | None = None) -> Reading:
    """Recognise a source: a file, list, glob, folder or fsspec URL of CSV, TSV, JSON, JSONL, Parquet or Arrow files.

    Plain, gzip, zstd, or the only file of a zip archive. Types of CSV and JSON are told from all values, which reads
    them once before; columns whose type is declared are not looked at. Files of one source have the same columns, in
    any order. UnreadableData says what is wrong where.
    """
    options = options or ReadOptions()
    files = [_opened(recognise(file, options), options) for file in resolve(source)]
    commas = [each for each in files if isinstance(each, CommaFile)]
    objects = [each for each in files if isinstance(each, ObjectFile)]
    told: list[tuple[str, Told]] = []
    if commas:
        _refuse_other_columns(commas)
        _refuse_unknown(commas[0], options)
        commas, columns = tell_columns(commas, options.types)
        told.append((commas[0].name, {name: (each.kind.type, each.why) for name, each in columns.items()}))
    if objects:
        objects, shapes = tell_shapes(objects, options.types)
        told.append((objects[0].name, shapes))
    looked_at: list[DataFile] = [*commas, *objects]
    by_name = {each.name: each for each in looked_at}
    whole: list[DataFile] = [by_name.get(each.name, each) for each in files]
    told += [(each.name, _written(each)) for each in whole if isinstance(each, ColumnarFile)]
    _refuse_other_columns(whole)
    _refuse_unknown(whole[0], options)
    return _joined(whole, told, options)


def read_table(source: str | Path | Sequence[str | Path], options: ReadOptions | None = None) -> pa.Table:
    """All rows of a source as one table: `open_data` and then `Reading.table`."""
    return open_data(source, options).table()


def _opened(found: Recognised, options: ReadOptions) -> DataFile:
    if found.format in ("csv", "tsv"):
        return comma_file(found, options)
    for name in ("delimiter", "header", "quote"):
        if getattr(options, name) is not None:
            what = f"{name} is for CSV, and it is {found.format}."
            raise unreadable(what, found.file.name, remedy=f"Leave {name} out.")
    if found.format in ("json", "jsonl"):
        return ObjectFile(found, options)
    if options.encoding is not None:
        what = f"encoding is for text, and it is {found.format}."
        raise unreadable(what, found.file.name, remedy="Leave encoding out.")
    return columnar_file(found, options)


def _written(file: ColumnarFile) -> Told:
    return {each.name: (each.type, f"the {file.found.format} file says so") for each in file.schema}


def _refuse_other_columns(files: Sequence[DataFile]) -> None:
    first = files[0]
    for file in files[1:]:
        missing = [each for each in first.names if each not in file.names]
        extra = [each for each in file.names if each not in first.names]
        if missing or extra:
            lacks = f" It lacks {_shown(missing)}." if missing else ""
            has = f" It has {_shown(extra)} beside." if extra else ""
            what = f"its columns are not those of {first.name}.{lacks}{has}"
            raise unreadable(what, file.name, column=(missing or extra)[0], remedy="Read them as sources of their own.")


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(clip(each) for each in names[:5]) + more


def _refuse_unknown(file: DataFile, options: ReadOptions) -> None:
    for name in options.types:
        if name not in file.names:
            remedy = did_you_mean(name, [each[:80] for each in file.names])
            raise unreadable(
                "a type is declared for a column that is not there.", file.name, column=name, remedy=remedy
            )


def _joined(files: Sequence[DataFile], told: Sequence[tuple[str, Told]], options: ReadOptions) -> Reading:
    columns = [_column(name, told, options.types) for name in files[0].names]
    with mapped(files[0].name):
        schema = pa.schema([(name, found) for name, found, _ in columns])
    reasons = tuple(ColumnFacts(name, str(found), why) for name, found, why in columns)
    return Reading(schema, tuple(each.facts for each in files), reasons, tuple(files))


def _column(
    name: str, told: Sequence[tuple[str, Told]], declared: Mapping[str, pa.DataType]
) -> tuple[str, pa.DataType, str]:
    """A column's type: the declared one, or the one that all files have; those without a value have any."""
    if name in declared:
        return name, declared[name], "it is declared"
    known = [(file, *columns[name]) for file, columns in told]
    first, found, why = next((each for each in known if not pa.types.is_null(each[1])), known[0])
    for file, other, _ in known:
        if other != found and not pa.types.is_null(other):
            what = f"it is {str(other)[:80]} there, and {str(found)[:80]} in {first}."
            raise unreadable(what, file, column=name, remedy="Declare its type.")
    return name, found, why


def _sliced(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    for begin in range(0, len(batch), rows):
        yield batch.slice(begin, rows)
