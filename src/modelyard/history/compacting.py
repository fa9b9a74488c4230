"""Compaction: many small files of a partition become few large ones, so that a day is few files to read.

Files are joined eight of about one size at a time, each step up the sizes at most once a record (the tiers of
log-structured merge trees: O'Neil and others, "The log-structured merge-tree", 1996), so that a record is written
anew a handful of times however often the log is sealed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from logging import WARNING
from pathlib import Path

from modelyard.core import log_event, make_folder

from .catalog import Catalogs, Entry
from .changing import joined, replaced, rewritten
from .files import DAMAGE
from .sealing import alone

FULL = 1_000_000
"""Rows of a file that is large enough: with 20 features about 150 MB in memory while it is made."""

TOGETHER = 8
"""Files of about one size that are joined."""


@dataclass(frozen=True)
class Compacted:
    """So many files became so many, holding so many records; `swept` files were left behind by crashes."""

    before: int = 0
    after: int = 0
    records: int = 0
    swept: int = 0


def compact(folder: Path, *, everything: bool = False) -> Compacted:
    """Join small files, partition by partition; with `everything` however few they are, and sweep what crashes left.

    The new file is written, flushed and renamed, then the catalog names it in place of the old ones, and only then are
    those deleted that no reader uses. Safe while writers, readers and others are at work; safe to be killed at.
    """
    if not folder.exists():
        return Compacted()
    make_folder(folder)
    with alone(folder):
        catalogs = Catalogs(folder)
        done = [_join(group, catalogs, folder) for group in _groups(catalogs.current().entries, everything=everything)]
        swept = catalogs.sweep() if everything else 0
    joins = [each for each in done if each is not None]
    return Compacted(
        before=sum(each.before for each in joins),
        after=sum(each.after for each in joins),
        records=sum(each.records for each in joins),
        swept=swept,
    )


def _join(group: Sequence[Entry], catalogs: Catalogs, folder: Path) -> Compacted | None:
    try:
        table = joined(folder, group)
    except DAMAGE as error:  # nothing is thrown away of which something may yet be got
        log_event("history", "not compacted", level=WARNING, file=group[0].name, files=len(group), why=str(error)[:500])
        return None
    number = catalogs.current().number + 1
    replaced(catalogs, group, [rewritten(folder, number, 0, group, table)])
    return Compacted(len(group), 1, len(table))


def _groups(entries: Sequence[Entry], *, everything: bool) -> Iterator[list[Entry]]:
    """The files that are to become one, oldest partition first."""
    partitions: dict[tuple[str, str, str, str], list[Entry]] = {}
    for each in entries:
        if each.rows <= FULL // 2:
            partitions.setdefault(each.partition, []).append(each)
    for _, small in sorted(partitions.items()):
        if everything:
            yield from (group for group in _filled(small) if len(group) > 1)
            continue
        tiers: dict[int, list[Entry]] = {}
        for each in small:
            tiers.setdefault(each.rows.bit_length() // 3, []).append(each)
        for tier in tiers.values():
            if len(tier) >= TOGETHER:
                yield from (group for group in _filled(tier) if len(group) > 1)


def _filled(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The same files in groups that fill a file each."""
    group: list[Entry] = []
    rows = 0
    for each in sorted(entries, key=lambda entry: (entry.first_us, entry.name)):
        if group and rows + each.rows > FULL:
            yield group
            group, rows = [], 0
        group.append(each)
        rows += each.rows
    if group:
        yield group
