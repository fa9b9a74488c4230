"""What the point-in-time join means, spelled out in plain Python: every candidate is looked at, one row at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Row:
    """A row of a source: its key's parts, when it was true, when it was known, and its values."""

    key: tuple[Any, ...]
    event: datetime | None
    available: datetime | None
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Asked:
    """A row of entities: its key's parts, and when it asks."""

    key: tuple[Any, ...]
    time: datetime | None


def oracle(
    rows: Sequence[Row], asked: Sequence[Asked], ttl: timedelta | None, *, as_known: bool, width: int
) -> list[tuple[Any, ...]]:
    """The values for each asking row; as many nulls where nothing matches."""
    return [_answer(rows, each, ttl, as_known=as_known) or (None,) * width for each in asked]


def _answer(rows: Sequence[Row], asked: Asked, ttl: timedelta | None, *, as_known: bool) -> tuple[Any, ...] | None:
    best: Row | None = None
    for row in rows:
        if _matches(row, asked, ttl, as_known=as_known) and (best is None or not _older(row, best)):
            best = row
    return None if best is None else best.values


def _matches(row: Row, asked: Asked, ttl: timedelta | None, *, as_known: bool) -> bool:
    if row.event is None or asked.time is None or None in row.key or None in asked.key:
        return False
    if row.key != asked.key or row.event > asked.time:
        return False
    if ttl and asked.time - row.event > ttl:
        return False
    return not (as_known and row.available is not None and row.available > asked.time)


def _older(row: Row, best: Row) -> bool:
    """Whether `row` loses against one before it; of equals the last wins."""
    assert row.event is not None
    assert best.event is not None
    if row.event != best.event:
        return row.event < best.event
    if row.available is None or best.available is None:
        return row.available is None and best.available is not None
    return row.available < best.available
