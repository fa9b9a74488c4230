"""CSV: records of text by Arrow's parser, columns by their kinds, errors by row and line."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from modelyard.data.errors import UnreadableData

from .complaints import MOST_DAMAGED, clip, damage_of, mapped, unreadable
from .dialect import Dialect, tell_dialect
from .facts import Damage, FileFacts
from .guard import Guard, line_of, lines_of, not_utf8, row_at
from .kinds import Column, first_unfit
from .options import ReadOptions
from .recognise import Recognised
from .streams import clip_bytes, text_of
from .texts import present, values_of


@dataclass(frozen=True)
class CommaFile:
    """A CSV file whose dialect is known."""

    found: Recognised
    dialect: Dialect
    options: ReadOptions
    damage: tuple[Damage, ...] = ()

    @property
    def name(self) -> str:
        """As messages have it."""
        return self.found.file.name

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in the file's order."""
        return self.dialect.names

    @property
    def facts(self) -> FileFacts:
        """What was detected."""
        found, dialect = self.found, self.dialect
        return FileFacts(
            found.file.name,
            "tsv" if dialect.delimiter == "\t" else "csv",
            found.compression,
            found.bytes,
            found.encoding,
            dialect.delimiter,
            dialect.header,
            (*found.notes, *dialect.notes),
            damage=self.damage,
        )

    def texts(self, damage: dict[int, tuple[str, str]] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The records as texts, with the row (from 0) at which each batch begins. Columns are called 0, 1, …

        Records that are left out come into `damage` by their number (from 0, the header too), with reason and text.
        """
        row = 0
        with mapped(self.name), text_of(self.found.file, self.found.compression, self.found.encoding) as text:
            stream = Guard(text, self.dialect.delimiter, self.dialect.quote)
            with self._explained(), pa_csv.open_csv(pa.PythonFile(stream, "r"), **self._arrow(damage)) as reader:
                for batch in reader:
                    self._refuse_header(row, batch)
                    yield row, batch
                    row += len(batch)

    def looked_over(self, damage: Mapping[int, tuple[str, str]]) -> "CommaFile":
        """The file with what `texts` has left out."""
        if not damage:
            return self
        with text_of(self.found.file, self.found.compression, self.found.encoding) as text:
            lines = lines_of(text, self.dialect.quote, damage.keys(), blanks_count=len(self.names) == 1)
        return replace(self, damage=damage_of(self.name, {lines[record]: each for record, each in damage.items()}))

    def batches(self, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
        """The records as values, columns in the order of the schema."""
        nulls = pa.array(self.options.nulls, pa.string())
        places = [(self.names.index(field.name), field) for field in schema]
        for row, batch in self.texts():
            columns = [self._values(batch.column(at), field, nulls, row) for at, field in places]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _values(self, texts: pa.Array, field: pa.Field, nulls: pa.Array, row: int) -> pa.Array:
        try:
            return values_of(texts, field.type, nulls)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            at = first_unfit(lambda some: _converts(some, field.type, nulls), texts) or 0
            value = texts[at].as_py()
            what = f"{clip(value)} is no {field.type}."
            raise unreadable(
                what,
                self.name,
                row=row + at + 1,
                line=self._line(row + at),
                column=field.name,
                value=value,
                remedy=_AS_TEXT,
            ) from error

    def _line(self, row: int) -> int | None:
        """The line of a row (from 0)."""
        with text_of(self.found.file, self.found.compression, self.found.encoding) as text:
            record = row + self.dialect.header
            return line_of(text, self.dialect.quote, record, blanks_count=len(self.names) == 1)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Arrow's complaints about records, with the place in the file."""
        try:
            yield
        except UnreadableData as error:
            raise self._placed(error) from error
        except pa.ArrowInvalid as error:
            raise self._explanation(str(error)) or error from error

    def _placed(self, error: UnreadableData) -> UnreadableData:
        """A complaint of the guard, which knows the line alone, with file and row."""
        line, value = error.context.get("line"), error.context.get("value")
        if "file" in error.context or not isinstance(line, int):
            return error
        return unreadable(
            f"{error.message}.", self.name, row=self._row(line), line=line, value=value, remedy=error.remedy
        )

    def _explanation(self, said: str) -> UnreadableData | None:
        if "straddl" in said:
            longest = self.options.block_bytes
            remedy = "A quote that is never closed makes such records; or give more block_bytes."
            return unreadable(f"a record is longer than {longest} bytes.", self.name, remedy=remedy)
        if ragged := _RAGGED.search(said):
            return self._ragged(int(ragged[1]), ragged[3], ragged[2], ragged[4])
        if "UTF8" not in said:
            return None
        with text_of(self.found.file, self.found.compression, self.found.encoding) as text:
            place = not_utf8(text)
        line, wrong = place or (None, None)
        row = None if line is None else self._row(line)
        remedy = "Say the encoding it is written in, for example encoding: cp1252."
        return unreadable(
            f"{clip_bytes(wrong)} are no UTF-8.", self.name, row=row, line=line, value=wrong, remedy=remedy
        )

    def _row(self, line: int) -> int | None:
        """The row (from 1) that a line belongs to; None for the header."""
        with text_of(self.found.file, self.found.compression, self.found.encoding) as text:
            record = row_at(text, self.dialect.quote, line, blanks_count=len(self.names) == 1)
        return (record + 1 - self.dialect.header) or None

    def _ragged(self, record: int, found: str, expected: str, text: str) -> UnreadableData:
        row = record - 1 - self.dialect.header
        what = f"a record of {found} fields; the first has {expected}."
        return unreadable(what, self.name, row=row + 1, line=self._line(row), value=text)

    def _refuse_header(self, row: int, batch: pa.RecordBatch) -> None:
        """A record that is the header again, as in files that were written behind one another."""
        if not self.dialect.header or len(self.names) < 2:
            return
        mask = pc.equal(batch.column(0), self.names[0])
        if not pc.any(mask).as_py():
            return
        for at in pc.indices_nonzero(pc.fill_null(mask, fill_value=False)).to_pylist():
            if all((column[at].as_py() or "") == name for column, name in zip(batch.columns, self.names, strict=True)):
                remedy = "Take it out, or say header: false when every record is data."
                raise unreadable(
                    "the header stands there again.",
                    self.name,
                    row=row + at + 1,
                    line=self._line(row + at),
                    remedy=remedy,
                )

    def _arrow(self, damage: dict[int, tuple[str, str]] | None) -> dict[str, Any]:
        def left_out(record: pa_csv.InvalidRow) -> str:
            if damage is not None and len(damage) <= MOST_DAMAGED:
                what = f"a record of {record.actual_columns} fields; the first has {record.expected_columns}."
                damage[record.number - 1] = what, record.text
            return "skip"

        names = [str(at) for at in range(len(self.names))]
        return {
            "read_options": pa_csv.ReadOptions(
                use_threads=False,  # so that Arrow tells the number of a bad record
                block_size=self.options.block_bytes,
                column_names=names,
                skip_rows_after_names=int(self.dialect.header),
            ),
            "parse_options": pa_csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                quote_char=self.dialect.quote or False,
                newlines_in_values=bool(self.dialect.quote),
                ignore_empty_lines=len(names) > 1,
                invalid_row_handler=left_out if self.options.damaged == "skip" else None,
            ),
            "convert_options": pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=list(self.options.nulls),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        }


_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): ?(.*)", re.DOTALL)
_AS_TEXT = "Declare another type, or string to read it as text."


def _converts(texts: pa.Array, kind: pa.DataType, nulls: pa.Array) -> bool:
    try:
        values_of(texts, kind, nulls)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def comma_file(found: Recognised, options: ReadOptions) -> CommaFile:
    """Tell a file's dialect."""
    with mapped(found.file.name):
        return CommaFile(found, tell_dialect(found, options), options)


def tell_columns(
    files: Sequence[CommaFile], declared: Mapping[str, pa.DataType]
) -> tuple[list[CommaFile], dict[str, Column]]:
    """The files, with what is left out of them, and what their columns are, by name, told from all values.

    Columns that are declared are not looked at; where all are, and nothing may be left out, nothing is read.
    """
    columns = {name: Column() for name in files[0].names if name not in declared}
    if not columns and files[0].options.damaged == "stop":
        return list(files), columns
    told = []
    nulls = pa.array(files[0].options.nulls, pa.string())
    for file in files:
        beside = f" of {file.name}" if len(files) > 1 else ""
        places = [(file.names.index(name), column) for name, column in columns.items()]
        damage: dict[int, tuple[str, str]] = {}
        for row, batch in file.texts(damage):
            for at, column in places:
                _look(column, batch.column(at), nulls, row, beside)
        told.append(file.looked_over(damage))
    for column in columns.values():
        column.settle()
    return told, columns


def _look(column: Column, texts: pa.Array, nulls: pa.Array, row: int, beside: str) -> None:
    if column.kind.name == "text":
        return
    known, mask = present(texts, nulls)
    column.look(known, lambda at: f"row {row + pc.indices_nonzero(mask)[at].as_py() + 1}{beside}")
