"""Segments not yet sealed, as tables: each byte is decoded once, however often they are asked for."""

from collections.abc import Collection
from dataclasses import dataclass
from logging import WARNING
from pathlib import Path

import pyarrow as pa

from modelyard.core import log_event
from modelyard.journal import NotASegment, Segment, SegmentRead, read_segment

from .tables import SCHEMAS, to_table

_MANY_CHUNKS = 16
"""More chunks than this make every filter slow; joining them costs a copy, and so is not done at each read."""


@dataclass(frozen=True)
class _Decoded:
    """What is known of a segment: its records up to `valid_bytes`, final damage before, and what is wrong after."""

    table: pa.Table
    valid_bytes: int = 0
    size: int = 0
    settled: int = 0
    tail: int = 0


class Unsealed:
    """Remembers what it decoded of segments that may still grow. Not safe for several threads."""

    def __init__(self) -> None:
        self._decoded: dict[Path, _Decoded] = {}
        self._reported: set[Path] = set()

    def table(self, segment: Segment) -> pa.Table | None:
        """All records of a segment, None when it is gone. Bytes that are no record are skipped, counted and logged."""
        try:
            now = self._now(segment)
        except FileNotFoundError:
            self._decoded.pop(segment.path, None)
            return None
        self._decoded[segment.path] = now
        if now.settled + now.tail and segment.path not in self._reported:
            self._reported.add(segment.path)
            log_event(
                "history", "segment damaged", level=WARNING, segment=segment.path.name, bytes=now.settled + now.tail
            )
        return now.table

    def keep(self, segments: Collection[Segment]) -> None:
        """Forget all other segments of these segments' folders."""
        paths = {each.path for each in segments}
        self._decoded = {path: known for path, known in self._decoded.items() if path in paths}

    def lost_bytes(self, segment: Segment) -> int:
        """How many bytes of a segment, as of its last `table`, are no record."""
        known = self._decoded.get(segment.path)
        return 0 if known is None else known.settled + known.tail

    def _now(self, segment: Segment) -> _Decoded:
        size = segment.path.stat().st_size
        known = self._decoded.get(segment.path)
        if known is None or size < known.valid_bytes:  # the writer took back what it never acknowledged
            known = _Decoded(SCHEMAS[segment.family].empty_table())
        elif size == known.size and known.tail == 0:
            return known
        try:
            found = read_segment(segment, after=known.valid_bytes)
        except FileNotFoundError:
            raise
        except (NotASegment, OSError):
            return _Decoded(known.table, known.valid_bytes, size, known.settled, tail=size - known.valid_bytes)
        return _extended(known, found, segment, size)


def _extended(known: _Decoded, found: SegmentRead, segment: Segment, size: int) -> _Decoded:
    table = known.table
    if found.records:
        table = pa.concat_tables([table, to_table(found.records, segment.family, segment.path.name, len(table))])
        if table.column(0).num_chunks > _MANY_CHUNKS:
            table = table.combine_chunks()
    settled = sum(each.size for each in found.damage if each.at < found.valid_bytes)
    return _Decoded(table, found.valid_bytes, size, settled=known.settled + settled, tail=found.lost_bytes - settled)
