"""What is scored: files of rows, those of partitioned folders with the columns that their folders name."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import fsspec
import pyarrow as pa

from modelyard.data import FileFacts, Reading, ReadOptions, UnreadableData, open_data
from modelyard.inference import Field, Signature

from .columns import numbers_of_text, single

_TEXTS = ("csv", "tsv", "json", "jsonl")
_HEAD = 1 << 16
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What a folder is called for rows whose partition column is null."""


@dataclass(frozen=True)
class Source:
    """Files of the same columns, opened.

    `written` are the columns that hold numbers as text. `partitions` has what the folders of each file say, in the
    order of the files.
    """

    reading: Reading
    written: tuple[str, ...] = ()
    partitions: Sequence[Mapping[str, str | None]] = ()
    kinds: Mapping[str, pa.DataType] = field(default_factory=dict)

    @property
    def schema(self) -> pa.Schema:
        """The columns, with those that folders name behind."""
        fields = [pa.field(name, kind) for name, kind in self.kinds.items()]
        return pa.schema([*self.reading.schema, *fields])

    @property
    def facts(self) -> tuple[FileFacts, ...]:
        """What is known of each file."""
        return self.reading.facts

    def expected(self) -> int | None:
        """How many rows there are: as the files say, or about, by sizes and first lines; None where nothing tells."""
        told = [_rows_of(each) for each in self.facts]
        return None if None in told else sum(each for each in told if each is not None)

    def damaged(self) -> list[dict[str, Any]]:
        """What was left out of the files, as refused rows are told: where it stands, why, and its text."""
        return [
            {"file": each.path, "line": one.line, "reason": one.reason, "text": one.text}
            for each in self.facts
            for one in each.damage
        ]

    def alone(self, file: int) -> "Source":
        """One of its files as a source of its own."""
        reading = replace(self.reading, files=(self.reading.files[file],), facts=(self.reading.facts[file],))
        return replace(self, reading=reading, partitions=self.partitions[file : file + 1])

    def only(self, names: Sequence[str]) -> "Source":
        """The same rows with these columns alone, in the source's own order."""
        inside = [name for name in self.reading.schema.names if name in names]
        kinds = {name: kind for name, kind in self.kinds.items() if name in names}
        return replace(self, reading=self.reading.only(inside), kinds=kinds) if inside else self

    def parts(self, file: int, rows: int, begin: int = 0) -> Generator[pa.Table, None, None]:
        """The rows of a file from one on (counted from 0), in tables of so many; the last may have less."""
        held: list[pa.RecordBatch] = []
        count = 0
        for batch in self.reading.rows_of(file, begin):
            rest = batch
            while count + len(rest) >= rows:
                held.append(rest.slice(0, rows - count))
                rest = rest.slice(rows - count)
                yield self._whole(held, file)
                held, count = [], 0
            if len(rest):
                held.append(rest)
                count += len(rest)
        if held:
            yield self._whole(held, file)

    def _whole(self, batches: Sequence[pa.RecordBatch], file: int) -> pa.Table:
        table = pa.Table.from_batches(batches, self.reading.schema)
        for name, kind in self.kinds.items():
            value = self.partitions[file].get(name)
            known = int(value) if value is not None and pa.types.is_integer(kind) else value
            table = table.append_column(name, pa.repeat(pa.scalar(known, kind), len(table)))
        return table


def open_source(name: str, signature: Signature, *, damaged: Literal["stop", "skip"] = "stop") -> Source:
    """Open what is to be scored: a file, list, glob, URL or folder, also one with folders named COLUMN=VALUE inside.

    In CSV and JSON a category is text, however it looks, and a number that is none leaves its column text: such rows
    are told one by one. `damaged` as in `ReadOptions`. UnreadableData says what cannot be read.
    """
    files, partitions = partitioned(name)
    reading, types = _read(files, signature, damaged)
    if any(each.format in _TEXTS for each in reading.facts):
        told = types | _told_types(reading, signature)
        reading = open_data(files, ReadOptions(types=told, damaged=damaged)) if told != types else reading
    kinds = _kinds(partitions)
    if twice := [each for each in kinds if each in reading.schema.names]:
        raise UnreadableData(
            f"The folders of {name} name a column '{twice[0]}', and so do the files in them.",
            remedy="Rename the column in the files, or the folders.",
        )
    return Source(reading, _written(reading, signature), partitions if kinds else (), kinds)


def _read(
    files: list[str], signature: Signature, damaged: Literal["stop", "skip"]
) -> tuple[Reading, dict[str, pa.DataType]]:
    """The files, opened, and the types that this took: fields of which JSON has numbers and texts are read as text."""
    fields = {each.name for each in signature.fields if each.kind in ("number", "category")}
    types: dict[str, pa.DataType] = {}
    while True:
        try:
            return open_data(files, ReadOptions(types=types, damaged=damaged)), types
        except UnreadableData as error:
            mixed = error.context.get("column")
            if not isinstance(mixed, str) or mixed not in fields - types.keys():
                raise
            types[mixed] = pa.string()


def numbers_read(source: Source, table: pa.Table) -> tuple[pa.Table, dict[int, str]]:
    """The table with numbers where they stand as text, and the reason by row where one is none."""
    refused: dict[int, str] = {}
    for name in source.written:
        if name not in table.column_names:
            continue
        texts = single(table.column(name))
        numbers, bad = numbers_of_text(texts)
        for index in pa.compute.indices_nonzero(bad).to_pylist():
            refused.setdefault(index, f"Field '{name}' is {texts[index].as_py()!r:.60}; expected a number or null.")
        table = table.set_column(table.column_names.index(name), name, numbers)
    return table, refused


def partitioned(name: str) -> tuple[list[str], list[Mapping[str, str | None]]]:
    """The files of a source as names, and what the folders of each say; a folder is looked through to its leaves."""
    leaves = _leaves(name)
    if leaves is None:
        return [name], []
    return leaves, [_said(each, name) for each in leaves]


def _leaves(name: str) -> list[str] | None:
    """All files below a folder that has folders inside; None when it is anything else."""
    if "://" not in name and "::" not in name:
        folder = Path(name)
        if not (folder.is_dir() and any(each.is_dir() for each in folder.iterdir())):
            return None
        found = [each for each in folder.rglob("*") if each.is_file() and not _hidden(each.relative_to(folder).parts)]
        return sorted(map(str, found)) or None
    if "::" in name or name.startswith(("http://", "https://", "file://")):
        return None
    system, path = fsspec.core.url_to_fs(name)
    if not system.isdir(path) or not any(each["type"] == "directory" for each in system.ls(path, detail=True)):
        return None
    base = path.rstrip("/") + "/"
    inside = [each for each in system.find(path) if not _hidden(each.removeprefix(base).split("/"))]
    return [system.unstrip_protocol(each) for each in sorted(inside)] or None


def _rows_of(facts: FileFacts) -> int | None:
    """The rows of a file; of text that is here and not compressed about so many."""
    path = Path(facts.path)
    if facts.rows is not None or facts.bytes is None or facts.compression is not None or not path.is_file():
        return facts.rows
    if facts.format not in ("csv", "tsv", "jsonl"):
        return None
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    return max(1, head.count(b"\n")) * facts.bytes // max(1, len(head)) - bool(facts.header)


def _hidden(parts: Sequence[str]) -> bool:
    return any(each.startswith((".", "_")) for each in parts)


def _said(file: str, root: str) -> Mapping[str, str | None]:
    """COLUMN=VALUE of the folders between the root and a file."""
    folders = file[len(root) :].split("/")[:-1] if file.startswith(root) else file.split("/")[:-1]
    pairs = [each.partition("=") for each in folders if "=" in each]
    return {unquote(name): None if value == _NO_VALUE else unquote(value) for name, _, value in pairs}


def _kinds(partitions: Sequence[Mapping[str, str | None]]) -> dict[str, pa.DataType]:
    """The type of each column that folders name: whole numbers where all are written as such, else text."""
    names = dict.fromkeys(name for each in partitions for name in each)
    values = {name: [each.get(name) for each in partitions] for name in names}
    return {name: pa.int64() if all(map(_is_whole, held)) else pa.string() for name, held in values.items()}


def _is_whole(value: str | None) -> bool:
    return value is None or (value.lstrip("-").isdecimal() and str(int(value)) == value and abs(int(value)) < 2**63)


def _told_types(reading: Reading, signature: Signature) -> dict[str, pa.DataType]:
    """Columns of text files that are to be read as text: categories, and numbers that do not look like it."""
    found = {}
    for each in signature.fields:
        if each.name in reading.schema.names and _reads_as_text(reading.schema.field(each.name).type, each):
            found[each.name] = pa.string()
    return found


def _reads_as_text(kind: pa.DataType, spec: Field) -> bool:
    if spec.kind == "category":
        return not (pa.types.is_string(kind) or pa.types.is_null(kind))
    plain = (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind) or pa.types.is_nested(kind)
    )
    return spec.kind == "number" and not plain


def _written(reading: Reading, signature: Signature) -> tuple[str, ...]:
    """The number fields whose columns are text, in files where numbers can stand as text."""
    if not all(each.format in _TEXTS for each in reading.facts):
        return ()
    columns = {each.name: each.type for each in reading.schema}
    numbers = [each.name for each in signature.fields if each.kind == "number" and each.name in columns]
    return tuple(name for name in numbers if pa.types.is_string(columns[name]))
