"""A schema from data: what holds of the rows that are there, said so that the next rows can break it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import InvalidInput
from modelyard.data.schema.round_numbers import widened
from modelyard.data.schema.settings import ColumnChecks, SchemaSettings
from modelyard.data.schema.types import check_type, type_name

from .keys import BUDGET, Keys
from .seen import Seen, seen_type

LEVELS = 20
"""A text column with more levels than this is not a closed set."""

_TIMES_SEEN = 5
"""A closed set is one whose levels were seen so often each, on average."""

_ROWS_FOR_UNIQUE = 20
"""Fewer rows than this prove nothing about repetition."""

_LONGEST_LEVEL = 100


@dataclass(frozen=True)
class Inferred:
    """A schema that the rows keep, and what was seen of each column, in words."""

    promised: SchemaSettings
    notes: dict[str, str]
    rows: int


def infer_schema(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Inferred:
    """What may be promised of data like this, in one pass; memory as in `check_batches`.

    Types are those that were read. A column without a missing value is promised none. Numbers are promised a range a
    little wider than was seen (`round_numbers.widened`); instants none, since time goes on. Texts of at most 20
    levels, seen 5 times each on average, are promised these levels. Whole numbers and texts that never repeat in 20
    rows or more are promised to be unique, and whole numbers then no maximum: such are ids. Nothing is promised of the
    number of rows. InvalidInput when two columns have one name.
    """
    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise InvalidInput(f"There are columns of the same name: {', '.join(twice[:8])}.", remedy="Rename them.")
    with TemporaryDirectory(prefix="modelyard-infer-") as folder:
        columns = [_Column(field, Path(folder) / f"keys-{at}", len(schema)) for at, field in enumerate(schema)]
        try:
            rows = 0
            for batch in batches:
                for column, array in zip(columns, batch.columns, strict=True):
                    column.take(rows, Seen(array))
                rows += len(batch)
            promised = {each.name: each.promises() for each in columns}
        finally:
            for each in columns:
                each.close()
    notes = {each.name: each.note() for each in columns}
    return Inferred(SchemaSettings(columns=promised), notes, rows)


class _Column:
    """What was seen of one column so far."""

    def __init__(self, field: pa.Field, folder: Path, columns: int) -> None:
        self.name = str(field.name)
        self._declared = type_name(field.type)
        self._kind = seen_type(field.type)
        self._rows = self._missing = 0
        self._low: Any = None
        self._high: Any = None
        self._levels: set[str] | None = set() if _is_text(self._kind) else None
        candidate = _is_text(self._kind) or pa.types.is_integer(self._kind)
        self._keys = Keys(1, folder, BUDGET // max(1, columns)) if candidate else None

    def take(self, first_row: int, seen: Seen) -> None:
        """Look at the column's part of a batch."""
        self._rows += len(seen)
        self._missing += seen.missing
        if _is_ordered(self._kind) and seen.missing < len(seen):
            self._widen(*seen.extremes)
        if self._levels is not None:
            self._see_levels(seen)
        self._see_keys(first_row, seen)

    def _widen(self, low: pa.Scalar, high: pa.Scalar) -> None:
        low, high = (each.value if _is_instant(self._kind) else each.as_py() for each in (low, high))
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)

    def _see_levels(self, seen: Seen) -> None:
        found = pc.unique(seen.array).drop_null()
        if self._levels is None or len(found) > LEVELS:
            self._levels = None
            return
        self._levels.update(found.to_pylist())
        if len(self._levels) > LEVELS or any(len(each) > _LONGEST_LEVEL for each in self._levels):
            self._levels = None

    def _see_keys(self, first_row: int, seen: Seen) -> None:
        if self._keys is None:
            return
        if pc.count_distinct(seen.array, mode="only_valid").as_py() < len(seen) - seen.missing:
            self.close()
            return
        self._keys.gather(first_row, [seen])

    def close(self) -> None:
        """Let go of the keys that were gathered."""
        if self._keys is not None:
            self._keys.close()
            self._keys = None

    def promises(self) -> ColumnChecks:
        """What may be promised."""
        given: dict[str, Any] = {"type": self._type()}
        if self._rows and not self._missing:
            given["not_null"] = True
        if unique := self._is_unique():
            given["unique"] = True
        given |= dict(self._range(unique=unique))
        levels = self._levels
        if levels and not unique and self._rows - self._missing >= _TIMES_SEEN * len(levels):
            given["allowed"] = tuple(sorted(levels))
        return ColumnChecks(**given)

    def _type(self) -> str | None:
        """The type, when it has a name and any value was seen to have it."""
        try:
            return None if self._declared == "null" else check_type(self._declared)
        except ValueError:
            return None

    def _is_unique(self) -> bool:
        if self._keys is None or self._rows - self._missing < _ROWS_FOR_UNIQUE:
            return False
        return self._keys.repeated(1)[0] == 0

    def _range(self, *, unique: bool) -> Iterator[tuple[str, int | float]]:
        if self._low is None or _is_instant(self._kind) or not (_finite(self._low) and _finite(self._high)):
            return
        with localcontext(prec=400):
            low, high = widened(Decimal(self._low), Decimal(self._high))
        yield "minimum", _number(low)
        if not (unique and pa.types.is_integer(self._kind)):
            yield "maximum", _number(high)

    def note(self) -> str:
        """What was seen, in words."""
        if not self._rows:
            return "no rows were seen"
        parts = [f"{self._missing} of {self._rows} missing"] if self._missing else []
        if self._low is not None:
            parts.append(f"seen from {self._shown(self._low)} to {self._shown(self._high)}")
        if self._type() is None:
            parts.append(f"of type {self._declared[:60]}, which is promised nothing")
        return "; ".join(parts) or "no value is missing"

    def _shown(self, end: Any) -> str:
        if not _is_instant(self._kind):
            return str(end)
        bits = pa.int32() if pa.types.is_date32(self._kind) else pa.int64()
        return str(pa.scalar(end, bits).cast(self._kind))


def _number(end: Decimal) -> int | float:
    """A bound as YAML writes it. It lies a tenth of the span outside, which no rounding to a double undoes."""
    if end == end.to_integral_value():
        return int(end)
    return float(end)


def _finite(value: Any) -> bool:
    return isfinite(value)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _is_ordered(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _is_instant(kind)
    )
