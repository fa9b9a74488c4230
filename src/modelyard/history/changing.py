"""Replacing files of the log: new ones written, then the catalog, then the old ones deleted."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from .catalog import Catalog, Catalogs, Entry
from .features import fitted, unified
from .files import read_part, write_part
from .sealing import file_name


def replaced(catalogs: Catalogs, old: Iterable[Entry], new: Sequence[Entry]) -> Catalog:
    """Make a catalog hold that has `new` in place of `old`. Called by whoever is `alone`."""
    before, gone = catalogs.current(), {each.name for each in old}
    kept = tuple(each for each in before.entries if each.name not in gone)
    return catalogs.commit(msgspec.structs.replace(before, number=before.number + 1, entries=(*kept, *new)))


def joined(folder: Path, entries: Sequence[Entry]) -> pa.Table:
    """All records of files of one partition, their features in kinds that fit together."""
    kinds = unified(each.kinds for each in entries)
    return pa.concat_tables([fitted(read_part(folder, each), each.kinds, kinds) for each in entries])


def rewritten(folder: Path, number: int, index: int, like: Sequence[Entry], table: pa.Table) -> Entry:
    """Records of one partition as a new file, in place of files `like` these."""
    first = like[0]
    return write_part(
        folder,
        file_name(number, index),
        table,
        family=first.family,
        kinds=unified(each.kinds for each in like),
        redacted=sorted({place for each in like for place in each.redacted}),
        day=first.day,
    )
