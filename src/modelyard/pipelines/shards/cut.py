"""Rows cut into shards: an artifact each, in a folder, which every process maps instead of copying it."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import pyarrow as pa

from modelyard.core import InvalidInput
from modelyard.storage import ArtifactStore

from ..artifacts import Artifact, SharedNames, save

Rows: TypeAlias = pa.Table | Iterable[pa.RecordBatch]
"""A table, or a stream of its batches."""

SHARDS = 16
"""How many shards a table has when nobody says. Never the number of workers or processors: results would hang on it."""


def cut(
    rows: Rows, shards: int | None, shard_rows: int | None, store: ArtifactStore, names: SharedNames
) -> tuple[Artifact, ...]:
    """Neighbouring rows together, in their order: `shards` nearly equal shards, or `shard_rows` rows each.

    A stream has an unknown length and needs `shard_rows`; one shard of it is in memory at a time.
    """
    if shards is not None and shard_rows is not None:
        raise InvalidInput(f"Both shards={shards} and shard_rows={shard_rows} are given.", remedy="Give one.")
    for name, value in (("shards", shards), ("shard_rows", shard_rows)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InvalidInput(f"{name}={value!r:.40} is no whole number from 1.", remedy=f"Give {name}=16, say.")
    found = tuple(save(each, store, names) for each in _pieces(rows, shards, shard_rows))
    if not found:
        raise InvalidInput("There are no rows to cut into shards.", remedy="Look at what the step before gave.")
    return found


def _pieces(rows: Any, shards: int | None, shard_rows: int | None) -> Iterator[pa.Table]:
    if isinstance(rows, pa.Table):
        return _of_table(rows, shards, shard_rows)
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | dict):
        raise InvalidInput(
            f"A value of type {type(rows).__name__} cannot be cut into shards.",
            remedy="Give an Arrow table, or a stream of Arrow batches with shard_rows=. "
            "From pandas: pa.Table.from_pandas(frame).",
        )
    if shard_rows is None:
        raise InvalidInput(
            "A stream has no length that could be divided into shards.",
            remedy="Say how many rows a shard has: shard_rows=100_000; or read it all into a table.",
        )
    return _of_stream(rows, shard_rows)


def _of_table(rows: pa.Table, shards: int | None, shard_rows: int | None) -> Iterator[pa.Table]:
    count = -(-len(rows) // shard_rows) if shard_rows is not None else min(shards or SHARDS, len(rows))
    for at in range(count):
        start, end = len(rows) * at // count, len(rows) * (at + 1) // count
        if shard_rows is not None:
            start, end = at * shard_rows, min((at + 1) * shard_rows, len(rows))
        yield rows.slice(start, end - start).combine_chunks()


def _of_stream(batches: Iterable[Any], shard_rows: int) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        if not isinstance(batch, pa.RecordBatch):
            raise InvalidInput(
                f"The stream gives a {type(batch).__name__} where an Arrow batch was expected.",
                remedy="Give a stream of pyarrow.RecordBatch, such as table.to_batches().",
            )
        rest = batch
        while count + len(rest) >= shard_rows:
            held.append(rest.slice(0, shard_rows - count))
            yield pa.Table.from_batches(held).combine_chunks()
            rest, held, count = rest.slice(shard_rows - count), [], 0
        if len(rest):
            held.append(rest)
            count += len(rest)
    if held:
        yield pa.Table.from_batches(held).combine_chunks()
