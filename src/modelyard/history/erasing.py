"""Erasing a person's records: predictions, the truths of these, outcomes. Nothing of them stays, counts neither.

Where an answer may stay without the person, `redacting` is the gentler way.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import log_event
from modelyard.journal import FAMILIES, Family, quarantined

from .catalog import Catalogs, Entry
from .changing import replaced, rewritten
from .files import DAMAGE, part_batches, read_part
from .reading import LogFiles, Selection
from .sealing import alone

_ORDER: tuple[Family, ...] = ("truths", "outcomes", "predictions")
"""Predictions come last: they alone tell whose truths these are, and what was cut off is begun again."""


@dataclass(frozen=True)
class Erased:
    """What was erased: records of each family, in so many files.

    `waiting` records are in segments that a server still writes; `damaged` files and segments could not be looked
    through: they may hold some too.
    """

    predictions: int
    truths: int
    outcomes: int
    files: int
    waiting: int
    damaged: int

    def __add__(self, later: "Erased") -> "Erased":
        """What two in a row did; what is left is as the later found it."""
        done = {name: getattr(self, name) + getattr(later, name) for name in ("predictions", "truths", "outcomes")}
        return Erased(**done, files=self.files + later.files, waiting=later.waiting, damaged=later.damaged)


@dataclass(frozen=True)
class _Wanted:
    entities: pa.Array
    ids: pa.Array

    def rows(self, table: pa.Table, family: Family) -> pa.ChunkedArray:
        """Which records go."""
        if family == "truths":
            return pc.is_in(table.column("prediction_id"), value_set=self.ids)
        return pc.is_in(table.column("entity"), value_set=self.entities)

    def may_be_in(self, entry: Entry) -> bool:
        """Whether a file may hold some: truths lie sorted by id."""
        if entry.family != "truths":
            return True
        return any(entry.first_id <= each <= entry.last_id for each in self.ids.to_pylist())


def erase(files: LogFiles, *, entities: Collection[str]) -> Erased:
    """Erase sealed records of these entities. Files that hold none are only looked through.

    A file at a time is written anew without them and takes the old one's place in one step, or goes when nothing is
    left: a crash leaves it as it was or done, and the next call does the rest. Doing it twice does no harm.
    """
    wanted = _wanted(files, entities)
    done, changed, damaged = dict.fromkeys(FAMILIES, 0), 0, 0
    if files.folder.exists():
        with alone(files.folder):
            catalogs = Catalogs(files.folder)
            for entry in _entries(catalogs):
                if not wanted.may_be_in(entry):
                    continue
                try:
                    gone = _erase(files, catalogs, entry, wanted)
                except DAMAGE as error:
                    files.note(entry, error)
                    damaged += 1
                    continue
                done[entry.family] += gone
                changed += gone > 0
            catalogs.sweep()
    if changed:
        log_event("history", "erased", files=changed, records=sum(done.values()))
    damaged += sum(len(quarantined(files.journal, family)) for family in FAMILIES)
    waiting = sum(_waiting(files, family, wanted) for family in _ORDER)
    return Erased(done["predictions"], done["truths"], done["outcomes"], changed, waiting, damaged)


def ids_of(files: LogFiles, entities: Collection[str]) -> set[str]:
    """The ids of the predictions for these entities, sealed or not; of files that can be read."""
    values, found = pa.array(sorted(entities), pa.string()), set[str]()
    with files.snapshot("predictions") as snapshot:
        tables = [snapshot.loose.select(["entity", "prediction_id"])]
        for entry in snapshot.files(Selection("predictions", None)):
            try:
                tables += _batches(files, entry, ("entity", "prediction_id"))
            except DAMAGE as error:
                files.note(entry, error)
        for table in tables:
            found |= set(
                table.filter(pc.is_in(table.column("entity"), value_set=values)).column("prediction_id").to_pylist()
            )
    return found


def _wanted(files: LogFiles, entities: Collection[str]) -> _Wanted:
    ids = pa.array(sorted(ids_of(files, entities)), pa.string())
    return _Wanted(pa.array(sorted(entities), pa.string()), ids)


def _entries(catalogs: Catalogs) -> list[Entry]:
    known = catalogs.current().entries
    return [each for family in _ORDER for each in known if each.family == family]


def _erase(files: LogFiles, catalogs: Catalogs, entry: Entry, wanted: _Wanted) -> int:
    """Erase from one file; how many records went."""
    columns = ("prediction_id",) if entry.family == "truths" else ("entity",)
    gone = sum(
        pc.sum(wanted.rows(table, entry.family)).as_py() or 0 for table in _batches(files, entry, (*columns, "segment"))
    )
    if gone:
        table = read_part(files.folder, entry)
        left = table.filter(pc.invert(pc.fill_null(wanted.rows(table, entry.family), False)))  # noqa: FBT003 - pyarrow's
        number = catalogs.current().number + 1
        replaced(catalogs, [entry], [rewritten(files.folder, number, 0, [entry], left)] if len(left) else [])
    return gone


def _batches(files: LogFiles, entry: Entry, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    for batch in part_batches(files.folder, entry, columns, "deployment", None, None):
        yield pa.Table.from_batches([batch])


def _waiting(files: LogFiles, family: Family, wanted: _Wanted) -> int:
    """How many records are in segments that are not sealed."""
    with files.snapshot(family) as snapshot:
        return pc.sum(wanted.rows(snapshot.loose, family)).as_py() or 0
