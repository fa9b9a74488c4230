"""Numbers that follow from a value alone: the same on every machine, in every version, whatever the rows around it."""

from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.core import InvalidInput, did_you_mean


def column_of(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column by name; InvalidInput says which there are."""
    if name not in table.column_names:
        raise InvalidInput(
            f"The table has no column '{name[:80]}'.",
            code="NO_SUCH_COLUMN",
            remedy=did_you_mean(name, table.column_names),
        )
    return table.column(name)


def coded(column: pa.ChunkedArray, name: str) -> tuple[NDArray[np.int64], list[str | None]]:
    """Each row's level as a code (n_rows,), and the levels as text, in the order of their text; null is a level, last.

    NaN is null. Equal numbers are one level whatever their integer type. InvalidInput for lists and other values that
    have no text.
    """
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        texts = column.cast(pa.string()).combine_chunks()
    except pa.ArrowNotImplementedError as error:
        raise InvalidInput(
            f"Column '{name}' is of type {column.type}, whose values cannot be told apart here.",
            code="NO_KEY",
            remedy="Name a column of strings, numbers or instants.",
        ) from error
    found = texts.dictionary_encode(null_encoding="encode")
    levels: list[str | None] = found.dictionary.to_pylist()
    order = sorted(range(len(levels)), key=lambda at: (levels[at] is None, levels[at] or ""))
    rank = np.empty(len(levels), np.int64)
    rank[order] = np.arange(len(levels))
    return rank[found.indices.to_numpy(zero_copy_only=False)], [levels[at] for at in order]


def drawn(levels: list[str | None], seed: int) -> NDArray[np.uint64]:
    """A number in [0, 2^64) for each level, as if drawn at random: BLAKE2b of the level's UTF-8, keyed by the seed."""
    key = str(seed).encode()
    digests = b"".join(blake2b(_bytes(level), digest_size=8, key=key).digest() for level in levels)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def _bytes(level: str | None) -> bytes:
    return b"\x00" if level is None else b"\x01" + level.encode()
