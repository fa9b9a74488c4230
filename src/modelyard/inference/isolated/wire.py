"""What goes between a worker process and the one that asks it: a header, then values. Little-endian, no pickles.

A model is asked `REQUEST` (rows, columns), then the matrix as float64 in C order; functions are asked `REQUEST` (rows,
bytes), then a `FunctionCall` as MessagePack. Answered: `ANSWER` (kind, rows, columns), then for `SCORES` a matrix, for
`VALUES` so many bytes as `columns` says of a `FunctionAnswer`, for `READY` nothing, and for a fault `rows` bytes of
UTF-8 that say what happened.
"""

import struct
from typing import TypeAlias

import msgspec

from modelyard.core import Scalar

REQUEST = struct.Struct("<II")
ANSWER = struct.Struct("<BII")

FUNCTIONS = "functions"
"""The kind of a worker that has functions of on-demand features in it."""

READY, SCORES, RAISED, NO_MEMORY, VALUES = range(5)
"""Kinds of answer. After `RAISED` to a request the worker goes on; after `NO_MEMORY` it has ended."""

LONGEST_TEXT = 2000
MOST_SCORES = 10_000
"""More columns than this are no scores, but a worker that has lost its way."""

MOST_BYTES = 1 << 28
"""More bytes than this are no values, either."""

Columns: TypeAlias = list[list[Scalar]]
"""Values by the column, all as long as there are rows."""


class FunctionCall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A function by its file and name, what it `takes` and `gives` as pairs of name and kind, and what it is given.

    Kinds: `number` (float64), `whole` (int64), `text`, `truth`, `instant` (microseconds since 1970, UTC).
    """

    file: str
    function: str
    mode: str
    takes: tuple[tuple[str, str], ...]
    gives: tuple[tuple[str, str], ...]
    columns: Columns
    rows: int


class FunctionAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What it gave, by the column of `gives`; and by row why there is nothing for it."""

    columns: Columns
    errors: dict[int, str]
