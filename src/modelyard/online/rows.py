"""Stored rows as bytes: fixed slots that many rows fill and give back at once.

A row is two instants (int64), the number of values (uint16), a byte a value that says its kind (null, float, int, bool,
text, or digits of a number beyond 64 bits), padding to a multiple of eight, eight bytes a value, and the texts.
Little-endian throughout; a text's slot holds where it starts and how long it is. Rows tell their own layout, so that a
table may hold values of several types; what stands in which place is the view's business.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Scalar

from .records import StoredRow

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

HEADER = 18
NULL, FLOAT, INT, BOOL, TEXT, DIGITS = range(6)
MOST_COLUMNS = 65_535
_SLOTS = {NULL: "8x", FLOAT: "d", INT: "q", BOOL: "?7x", TEXT: "II", DIGITS: "II"}
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Column:
    """Values of one feature, shape (n_rows,), ready to be packed.

    `kinds` says what each is, `slots` the eight bytes of those that are numbers or truths, `texts` the others' UTF-8
    (empty where there is none).
    """

    kinds: NDArray[np.uint8]
    slots: Ints
    texts: list[bytes] | None = None

    def taken(self, order: Ints) -> "Column":
        """The values at these places."""
        texts = None if self.texts is None else [self.texts[at] for at in order.tolist()]
        return Column(self.kinds[order], self.slots[order], texts)


def float_column(values: NDArray[np.float64], valid: Flags | None = None) -> Column:
    """Numbers; NaN is no value, and neither is what is not `valid`."""
    there = ~np.isnan(values) if valid is None else valid & ~np.isnan(values)
    return _column(values.view(np.int64), there, FLOAT)


def int_column(values: Ints, valid: Flags | None = None) -> Column:
    """Whole numbers; null where not `valid`."""
    return _column(values, np.ones(len(values), dtype=bool) if valid is None else valid, INT)


def bool_column(values: Flags, valid: Flags | None = None) -> Column:
    """Truths; null where not `valid`."""
    return _column(values.astype(np.int64), np.ones(len(values), dtype=bool) if valid is None else valid, BOOL)


def text_column(texts: Sequence[bytes | None]) -> Column:
    """Texts as UTF-8; null where None."""
    kinds = np.full(len(texts), TEXT, dtype=np.uint8)
    if None in texts:
        kinds[[at for at, text in enumerate(texts) if text is None]] = NULL
    return Column(kinds, np.zeros(len(texts), dtype=np.int64), [text or b"" for text in texts])


def column_of(values: Sequence[Scalar]) -> Column:
    """Values of any scalar types, mixed as they may be; NaN is null."""
    kinds = np.fromiter(map(_kind, values), np.uint8, len(values))
    slots = np.zeros(len(values), dtype=np.int64)
    for at, (kind, value) in enumerate(zip(kinds.tolist(), values, strict=True)):
        if kind == FLOAT:
            slots[at] = np.float64(value).view(np.int64)
        elif kind in (INT, BOOL):
            slots[at] = int(value or 0)
    if not (kinds >= TEXT).any():
        return Column(kinds, slots)
    texts = [str(value).encode() if kind >= TEXT else b"" for kind, value in zip(kinds, values, strict=True)]
    return Column(kinds, slots, texts)


def pack(events: Ints, available: Ints, columns: Sequence[Column]) -> list[bytes]:
    """Rows of columns; each column as long as the instants."""
    count, start = len(columns), _start(len(columns))
    block = np.zeros((len(events), start // 8 + count), dtype="<i8")
    block[:, 0], block[:, 1] = events, available
    small = block.view(np.uint8)
    small[:, 16:HEADER] = (count & 0xFF, count >> 8)
    for at, column in enumerate(columns):
        small[:, HEADER + at] = column.kinds
        block[:, start // 8 + at] = column.slots
    texts = _place_texts(block, columns, start // 8)
    whole, width = block.tobytes(), block.shape[1] * 8
    rows = [whole[at : at + width] for at in range(0, len(whole), width)]
    if not texts:
        return rows
    return [b"".join(parts) for parts in zip(rows, *texts, strict=True)]


def unpack(data: bytes) -> StoredRow:
    """One row."""
    layout = _layout(data[HEADER : HEADER + (data[16] | data[17] << 8)])
    if layout.plain:
        event, available, *values = layout.unpack(data)
        return StoredRow(event, available, tuple(values))
    return _unpack_mixed(data, layout)


@dataclass(frozen=True)
class Unpacked:
    """Rows by the column: event times and availabilities, shape (n_rows,), and of each asked column its values.

    `gaps` says of each column whether it has nulls.
    """

    events: Ints
    available: Ints
    columns: list[list[Scalar]]
    gaps: list[bool]


def unpack_columns(rows: Sequence[bytes], count: int, places: Sequence[int]) -> Unpacked:
    """What `unpack` gives for each row, for the values at `places` of the `count` that each row has.

    At least one row.
    """
    start, width = _start(count), _start(count) + 8 * count
    same = set(map(len, rows)) == {width}
    block = np.frombuffer(b"".join(rows if same else [row[:width] for row in rows]), dtype="<i8").reshape(len(rows), -1)
    kinds = block.view(np.uint8)[:, HEADER : HEADER + count][:, places]
    slots = block[:, start // 8 :].T[places]  # a copy, each column in one piece
    first = kinds[0].tolist()
    if (kinds == kinds[0]).all() and 0 not in first:
        if set(first) == {FLOAT}:
            columns: list[list[Scalar]] = slots.view(np.float64).tolist()
        else:
            columns = [_values(rows, slots[at], kind) for at, kind in enumerate(first)]
        return Unpacked(block[:, 0], block[:, 1], columns, [False] * len(places))
    return Unpacked(block[:, 0], block[:, 1], *_with_gaps(rows, kinds, slots, places))


def instants(rows: Sequence[bytes]) -> tuple[Ints, Ints]:
    """Event times and availabilities of packed rows."""
    both = np.frombuffer(b"".join([row[:16] for row in rows]), dtype="<i8").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _with_gaps(
    rows: Sequence[bytes], kinds: NDArray[np.uint8], slots: Ints, places: Sequence[int]
) -> tuple[list[list[Scalar]], list[bool]]:
    """The values of columns that may have nulls or several types, and which have nulls."""
    most, nulls = kinds.max(axis=0), kinds == NULL
    uniform = (nulls | (kinds == most)).all(axis=0).tolist()
    gaps: list[bool] = nulls.any(axis=0).tolist()
    columns = []
    for at, kind in enumerate(most.tolist()):
        if not uniform[at]:
            columns.append([unpack(row).values[places[at]] for row in rows])
            continue
        values = _values(rows, slots[at], kind)
        if gaps[at]:
            values = [None if null else value for null, value in zip(nulls[:, at].tolist(), values, strict=True)]
        columns.append(values)
    return columns, gaps


@dataclass(frozen=True)
class _Layout:
    """How to read rows whose values are of these kinds; `plain` when all are numbers or truths."""

    kinds: bytes
    plain: bool
    unpack: Callable[[bytes], tuple[Any, ...]]


@lru_cache(maxsize=4096)
def _layout(kinds: bytes) -> _Layout:
    start = _start(len(kinds))
    reading = struct.Struct(f"<qq{start - 16}x" + "".join(_SLOTS[kind] for kind in kinds))
    return _Layout(kinds, all(kind in (FLOAT, INT, BOOL) for kind in kinds), reading.unpack_from)


def _unpack_mixed(data: bytes, layout: _Layout) -> StoredRow:
    event, available, *found = layout.unpack(data)
    left = iter(found)
    values: list[Scalar] = []
    for kind in layout.kinds:
        if kind == NULL:
            values.append(None)
        elif kind in (TEXT, DIGITS):
            values.append(_text(data, next(left), next(left), kind))
        else:
            values.append(next(left))
    return StoredRow(event, available, tuple(values))


def _values(rows: Sequence[bytes], slots: Ints, kind: int) -> list[Any]:
    if kind == FLOAT:
        floats: list[Any] = slots.view(np.float64).tolist()
        return floats
    if kind in (TEXT, DIGITS):
        starts, lengths = slots.view("<u4").reshape(-1, 2).T.tolist()
        return [_text(row, at, size, kind) for row, at, size in zip(rows, starts, lengths, strict=True)]
    numbers: list[Any] = (slots != 0).tolist() if kind == BOOL else slots.tolist()
    return numbers


def _text(data: bytes, start: int, length: int, kind: int) -> Any:
    text = data[start : start + length].decode()
    return int(text) if kind == DIGITS and text else text


def _column(slots: Ints, there: Flags, kind: int) -> Column:
    return Column(np.where(there, np.uint8(kind), np.uint8(NULL)), slots)


def _kind(value: Scalar) -> int:
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT if _SMALLEST <= value <= _LARGEST else DIGITS
    return FLOAT if isinstance(value, float) else TEXT


def _place_texts(block: NDArray[Any], columns: Sequence[Column], first: int) -> list[list[bytes]]:
    """Write where each text will stand behind its row; the texts of each column that has some."""
    ends = np.full(len(block), block.shape[1] * 8, dtype=np.int64)
    placed = []
    for at, column in enumerate(columns):
        if column.texts is not None:
            lengths = np.fromiter(map(len, column.texts), np.int64, len(column.texts))
            spoken = column.kinds >= TEXT
            block[spoken, first + at] = (ends | lengths << 32)[spoken]
            ends += lengths
            placed.append(column.texts)
    return placed


def _start(count: int) -> int:
    """Where the slots begin: the header and the kinds, padded."""
    return (HEADER + count + 7) // 8 * 8
