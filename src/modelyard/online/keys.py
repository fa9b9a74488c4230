"""Entity keys as bytes: equal bytes for equal entities, whichever store keeps them.

Each part is a letter for its type and its value: `i` and eight bytes for whole numbers, `s`, UTF-8 and a zero for text
(`z`, a length and UTF-8 when it has a zero itself), `f` and a double for other numbers, `b` and a byte for truths, `n`
and digits for numbers beyond 64 bits. Whole numbers and text are in order.
"""

import struct
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Scalar

KeyColumn = Sequence[Scalar] | NDArray[np.int64]
"""One part of many keys; whole numbers without nulls may come as an array, which is much faster."""

LONGEST = 500
"""LMDB's keys end at 511 bytes; longer ones are kept by their digest."""

_SIGN = 1 << 63
_WHOLE = struct.Struct(">cQ").pack
_REAL = struct.Struct(">cd").pack
_LENGTH = struct.Struct(">cI").pack


class _NullPart(Exception):
    """A key has a part that is null."""


def encode_key(parts: Sequence[Scalar]) -> bytes | None:
    """One key; None when a part is null or NaN, which matches nothing.

    Whole numbers are one entity however they are written: JSON has 7 and 7.0, a column with nulls 7.0 only.
    """
    encoded = [_part(part) for part in parts]
    if None in encoded:
        return None
    return _short(b"".join(encoded))  # type: ignore[arg-type]  # no None is left


def encode_keys(columns: Sequence[KeyColumn]) -> list[bytes]:
    """Many keys without nulls, given by their columns; each as `encode_key` would make it."""
    encoded = [_column(column) for column in columns]
    keys = encoded[0] if len(encoded) == 1 else [b"".join(row) for row in zip(*encoded, strict=True)]
    return list(map(_short, keys)) if max(map(len, keys), default=0) > LONGEST else keys


def encode_rows(columns: Sequence[Sequence[Scalar]]) -> list[bytes | None]:
    """As `encode_keys`, for columns that may have nulls: None for a key with one."""
    try:
        return list(encode_keys(columns))
    except _NullPart:
        return [encode_key(row) for row in zip(*columns, strict=True)]


def _column(column: KeyColumn) -> list[bytes]:
    if isinstance(column, np.ndarray):
        return _whole_numbers(column)
    kinds = set(map(type, column))
    if kinds == {str}:
        texts = [b"s" + text.encode("utf-8", "surrogatepass") + b"\x00" for text in column]  # type: ignore[union-attr]  # all of them are
        if sum(text.count(0) for text in texts) == len(texts):
            return texts
    if kinds == {int} and min(column) >= -_SIGN and max(column) < _SIGN:  # type: ignore[operator, type-var]  # as above
        return [_WHOLE(b"i", number + _SIGN) for number in column]  # type: ignore[operator]
    return [_sure(_part(part)) for part in column]


def _whole_numbers(column: NDArray[np.int64]) -> list[bytes]:
    """Nine bytes each, cut from one block."""
    block = np.empty((len(column), 9), dtype=np.uint8)
    block[:, 0] = ord("i")
    block[:, 1:] = (column.astype(np.uint64) ^ np.uint64(_SIGN)).astype(">u8").view(np.uint8).reshape(-1, 8)
    whole = block.tobytes()
    return [whole[at : at + 9] for at in range(0, len(whole), 9)]


def _part(part: Scalar) -> bytes | None:
    return None if part is None else _PARTS[type(part)](part)


def _sure(part: bytes | None) -> bytes:
    if part is None:
        raise _NullPart
    return part


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return _LENGTH(b"z", len(encoded)) + encoded if b"\x00" in encoded else b"s" + encoded + b"\x00"


def _integer(number: int) -> bytes:
    if -_SIGN <= number < _SIGN:
        return _WHOLE(b"i", number + _SIGN)
    return b"n" + _text(str(number))


def _real(number: float) -> bytes | None:
    if number != number:  # noqa: PLR0124 - only NaN differs from itself
        return None
    return _integer(int(number)) if number.is_integer() else _REAL(b"f", number)


def _truth(truth: bool) -> bytes:  # noqa: FBT001 - a value, not a switch
    return b"b1" if truth else b"b0"


_PARTS: dict[type, Callable[[Any], bytes | None]] = {str: _text, int: _integer, float: _real, bool: _truth}


def _short(key: bytes) -> bytes:
    return key if len(key) <= LONGEST else b"h" + sha256(key).digest()
