"""JSON and JSONL: records by Python's strict decoder, columns by their shapes, errors by row and line."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from modelyard.data.errors import UnreadableData

from .complaints import LOWER_ERRORS, MOST_DAMAGED, clip, damage_of, mapped, unreadable
from .facts import Damage, FileFacts
from .kinds import TEXT, Column
from .options import ReadOptions
from .recognise import Recognised
from .records import Record, Written, decoder, line_records, list_records
from .shapes import Mixed, Shape
from .streams import text_of
from .texts import values_of

_LOOKED_AT_ONCE = 1024
_NO_NULLS = pa.nulls(0, pa.string())


@dataclass(frozen=True)
class ObjectFile:
    """A JSON file; `names` are its fields in the order of their first appearance, known once it was looked at."""

    found: Recognised
    options: ReadOptions
    names: tuple[str, ...] = ()
    damage: tuple[Damage, ...] = ()

    @property
    def name(self) -> str:
        """As messages have it."""
        return self.found.file.name

    @property
    def facts(self) -> FileFacts:
        """What was detected."""
        found = self.found
        return FileFacts(
            found.file.name,
            found.format,
            found.compression,
            found.bytes,
            found.encoding or None,
            notes=found.notes,
            damage=self.damage,
        )

    def records(
        self, *, written: bool, damage: dict[int, tuple[str, str]] | None = None
    ) -> Generator[tuple[int, Record], None, None]:
        """The records with the line of each; lines that are left out come into `damage` with the reason and text."""

        def left_out(line: int, error: UnreadableData, text: bytes) -> None:
            if self.options.damaged == "stop":
                raise error
            if damage is not None and len(damage) <= MOST_DAMAGED:
                damage[line] = error.message, text.decode("utf-8", "replace").strip()

        with mapped(self.name), text_of(self.found.file, self.found.compression, self.found.encoding) as text:
            if self.found.format == "json":
                yield from list_records(text, decoder(written=written), self.name)
            else:
                yield from line_records(text, decoder(written=written), self.name, left_out)

    def batches(self, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
        """The records as values, columns in the order of the schema."""
        held: list[tuple[int, Record]] = []
        weight, row = 0, 0
        written = any(_needs_digits(each.type) for each in schema)
        with closing(self.records(written=written)) as records:
            for line, record in records:
                held.append((line, record))
                weight += len(record)
                if weight >= _CELLS or len(held) >= self.options.batch_rows:
                    yield self._batch(schema, held, row)
                    row += len(held)
                    held, weight = [], 0
        if held:
            yield self._batch(schema, held, row)

    def _batch(self, schema: pa.Schema, held: list[tuple[int, Record]], row: int) -> pa.RecordBatch:
        if strange := next((name for _, each in held for name in each if name not in self.names), None):
            raise unreadable("it changed while it was read.", self.name, column=strange)
        return pa.RecordBatch.from_arrays([self._column(each, held, row) for each in schema], schema=schema)

    def _column(self, wanted: pa.Field, held: list[tuple[int, Record]], row: int) -> pa.Array:
        values = [record.get(wanted.name) for _, record in held]
        try:
            return _array(values, wanted.type)
        except (*LOWER_ERRORS, InvalidOperation) as error:
            at = next((at for at, each in enumerate(values) if not _converts(each, wanted.type)), 0)
            what = f"{clip(values[at])} is no {clip(str(wanted.type))}."
            raise unreadable(
                what, self.name, row=row + at + 1, line=held[at][0], column=wanted.name, value=values[at]
            ) from error


_CELLS = 1 << 16
"""So many values are held as Python's objects at once."""


_AS_THEY_ARE: dict[str, set[type]] = {
    "int64": {int, type(None)},
    "double": {float, int, type(None)},
    "string": {str, type(None)},
    "bool": {bool, type(None)},
}
"""What Arrow takes without a change."""

_NEVER: set[type] = set()


def _needs_digits(kind: pa.DataType) -> bool:
    """Whether numbers of this type are made from their digits, not from floats."""
    if pa.types.is_nested(kind):
        return any(_needs_digits(kind.field(at).type) for at in range(kind.num_fields))
    return bool(pa.types.is_string(kind) or pa.types.is_decimal(kind) or pa.types.is_dictionary(kind))


def _converts(value: Any, kind: pa.DataType) -> bool:
    try:
        _array([value], kind)
    except (*LOWER_ERRORS, InvalidOperation):
        return False
    return True


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if {*map(type, values)} <= _AS_THEY_ARE.get(str(kind), _NEVER):
        return pa.array(values, kind)
    if pa.types.is_nested(kind):
        return pa.array([_plain(each, kind) for each in values], kind)
    if any(type(each) is str for each in values) and not pa.types.is_string(kind):
        return _from_texts(values, kind)
    return pa.array([_plain(each, kind) for each in values], kind)


def _from_texts(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Strings where another type was declared or found: read as CSV has them."""
    if odd := next((each for each in values if each is not None and not isinstance(each, str)), None):
        raise pa.ArrowInvalid(f"{odd} beside strings")
    return values_of(pa.array(values, pa.string()), kind, _NO_NULLS)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """A value as Arrow takes it for the type: digits become what it holds."""
    if value is None:
        return None
    if pa.types.is_boolean(kind) != isinstance(value, bool):
        raise pa.ArrowInvalid("no truth value, or one where none is expected")
    convert = next((each for fits, each in _CONVERSIONS if fits(kind)), None)
    if convert is not None:
        return convert(value)
    if pa.types.is_list(kind) and isinstance(value, list):
        return [_plain(each, kind.value_type) for each in value]
    if pa.types.is_struct(kind) and isinstance(value, dict):
        return {each.name: _plain(value.get(each.name), each.type) for each in kind}
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise pa.ArrowInvalid("no text")


def _float(value: Any) -> float:
    if isinstance(value, (int, float, Written)):
        return float(value)
    raise pa.ArrowInvalid("no number")


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]], ...] = (
    (lambda kind: pa.types.is_string(kind) or pa.types.is_dictionary(kind), _text),
    (pa.types.is_floating, _float),
    (pa.types.is_decimal, Decimal),
)


@dataclass
class _Places:
    """Rows counted through all files, and where they are."""

    begins: list[tuple[int, str]] = field(default_factory=list)

    def at(self, row: int) -> tuple[str, int]:
        """The file and the row (from 1) in it."""
        begin, name = next(each for each in reversed(self.begins) if each[0] < row)
        return name, row - begin

    def spell(self, row: int) -> str:
        """The same in words; the file only where there are several."""
        name, inside = self.at(row)
        return f"row {inside} of {name}" if len(self.begins) > 1 else f"row {inside}"


@dataclass
class _Field:
    """A top-level field while it is looked at."""

    shape: Shape = field(default_factory=Shape)
    texts: Column = field(default_factory=Column)
    held: list[tuple[int, str]] = field(default_factory=list)

    def look(self, value: Any, row: int, places: "_Places") -> None:
        self.shape.look(value, row)
        if type(value) is str and self.texts.kind != TEXT:
            self.held.append((row, value))
            if len(self.held) >= _LOOKED_AT_ONCE:
                self.settle(places)

    def settle(self, places: "_Places") -> None:
        """Look at the strings that wait."""
        held, self.held = self.held, []
        if held:
            self.texts.look(pa.array([text for _, text in held]), lambda at: places.spell(held[at][0]))


def tell_shapes(
    files: Sequence[ObjectFile], declared: Mapping[str, pa.DataType]
) -> tuple[list[ObjectFile], dict[str, tuple[pa.DataType, str]]]:
    """The files with their fields, and the type of each field with its reason, told from all values."""
    fields: dict[str, _Field] = {}
    told: list[ObjectFile] = []
    places, row = _Places(), 0
    for file in files:
        names: dict[str, None] = {}
        damage: dict[int, tuple[str, str]] = {}
        places.begins.append((row, file.name))
        with closing(file.records(written=False, damage=damage)) as records:
            for row, (_, record) in enumerate(records, row + 1):  # noqa: B020 - counts on through the files
                names |= dict.fromkeys(record)
                for name, value in record.items():
                    if name not in declared:
                        fields.setdefault(name, _Field()).look(value, row, places)
        if not names:
            what = "it holds no records." if row == places.begins[-1][0] else "its records have no fields."
            raise unreadable(what, file.name, remedy="Without a record there are no columns.")
        told.append(replace(file, names=tuple(names), damage=damage_of(file.name, damage)))
    return told, {name: _told(places, name, each) for name, each in fields.items()}


def _told(places: _Places, name: str, seen: _Field) -> tuple[pa.DataType, str]:
    with mapped(places.begins[0][1]):
        seen.settle(places)
        try:
            found = seen.shape.type(name, texts=seen.texts)
        except UnreadableData as error:
            mixed = error.context["mixed"]
            raise (_mixed(places, mixed) if isinstance(mixed, Mixed) else error) from error
        return found, seen.shape.why(found, seen.texts, places.spell)


def _mixed(places: _Places, mixed: Mixed) -> UnreadableData:
    (one, first), (other, second) = mixed.first
    file, row = places.at(second)
    what = f"it holds a value that is {one} ({places.spell(first)}) and one that is {other}: {mixed.shown}."
    remedy = "Declare its type; string reads numbers as they are written."
    error = unreadable(what, file, row=row, column=mixed.path, remedy=remedy)
    error.context["value"] = mixed.shown
    return error
