"""Reading the log as it is at one moment, sealed or not, as much of it at a time as is asked for."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from logging import WARNING
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import log_event, to_micros
from modelyard.journal import FAMILIES, Family, NotASegment, Segment, quarantined, read_segment, segments

from .catalog import Catalogs, Entry
from .features import Kind, column_name, fitted, placed, unified
from .files import DAMAGE
from .partitions import Part, by_version
from .small import SmallFiles
from .tables import INSTANT, SCHEMAS, TIMES
from .unsealed import Unsealed

OnDamage = Callable[[Entry, Exception], None]
ReadFile = Callable[[Entry, Sequence[str], str, Any, Any], Iterator[pa.Table]]
"""Reads columns of a file: what may hold values of one column between two bounds, and perhaps more."""

FIXED: dict[Family, tuple[str, ...]] = {
    family: tuple(name for name in schema.names if name != "features") for family, schema in SCHEMAS.items()
}
"""The columns of every record of a family; predictions have `has_features`, `redacted` and `feature_…` beside."""

INTERNAL = ("request", "segment", "position")
"""Columns that are shown to nobody who does not ask for them: fields of requests are MessagePack."""

MARKS = {"has_features": pa.bool_(), "redacted": pa.list_(pa.int16())}
"""What is kept of a prediction's features beside their values."""


@dataclass(frozen=True)
class Selection:
    """Which records: of one deployment (None: of all), start <= event time < end, and so on; None is any."""

    family: Family
    deployment: str | None
    start: datetime | None = None
    end: datetime | None = None
    version: str | None = None
    arm: str | None = None
    answered: bool | None = None
    entity: str | None = None
    metric: str | None = None
    first_id: str | None = None
    last_id: str | None = None

    def may_be_in(self, entry: Entry) -> bool:
        """Whether a file may hold some of them."""
        return (
            entry.family == self.family
            and self.deployment in (None, entry.deployment)
            and (self.version is None or self.version == entry.version)
            and (self.start is None or entry.last_us >= to_micros(self.start))
            and (self.end is None or entry.first_us < to_micros(self.end))
            and (self.first_id is None or entry.last_id >= self.first_id)
            and (self.last_id is None or entry.first_id <= self.last_id)
        )

    def beyond(self, entry: Entry) -> "Selection":
        """What is left to ask of each record of a file: without what holds for all of them by its bounds."""
        timed = self.start is None or entry.first_us >= to_micros(self.start)
        ended = self.end is None or entry.last_us < to_micros(self.end)
        first = self.first_id is None or entry.first_id >= self.first_id
        last = self.last_id is None or entry.last_id <= self.last_id
        return replace(
            self,
            deployment=None,
            version=None,
            start=None if timed else self.start,
            end=None if ended else self.end,
            first_id=None if first else self.first_id,
            last_id=None if last else self.last_id,
        )

    @property
    def is_everything(self) -> bool:
        """Whether every record of the family is one of them."""
        asked = (self.start, self.end, self.first_id, self.last_id)
        return not self.equal and all(each is None for each in asked)

    @cached_property
    def mask(self) -> pc.Expression:
        """What holds for them."""
        mask, time = pc.scalar(True), TIMES[self.family]  # noqa: FBT003 - an expression that holds for every row
        if self.start is not None:
            mask &= pc.field(time) >= pa.scalar(self.start, INSTANT)
        if self.end is not None:
            mask &= pc.field(time) < pa.scalar(self.end, INSTANT)
        for name, value in self.equal.items():
            mask &= pc.field(name) == value
        if self.first_id is not None:
            mask &= pc.field("prediction_id") >= self.first_id
        if self.last_id is not None:
            mask &= pc.field("prediction_id") <= self.last_id
        return mask

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `mask` looks at."""
        ids = () if self.first_id is None and self.last_id is None else ("prediction_id",)
        times = () if self.start is None and self.end is None else (TIMES[self.family],)
        return (*times, *self.equal, *ids)

    @property
    def time(self) -> str:
        """The column with the instant that windows go by."""
        return TIMES[self.family]

    @cached_property
    def equal(self) -> dict[str, object]:
        """The values that columns must have."""
        asked = {
            "deployment": self.deployment,
            "model_version": self.version,
            "arm": self.arm,
            "answered": self.answered,
            "entity": self.entity,
            "metric": self.metric,
        }
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True)
class Snapshot:
    """One family as it was at one moment: the files of the catalog, and what was not sealed then."""

    folder: Path
    family: Family
    entries: Sequence[Entry]
    loose: pa.Table
    read: ReadFile
    on_damage: OnDamage
    _loose_parts: dict[Selection, list[Part]] = field(default_factory=dict, init=False)
    _kinds: dict[Selection, dict[str, tuple[Kind, ...]]] = field(default_factory=dict, init=False)

    def files(self, selection: Selection) -> list[Entry]:
        """The files that may hold records of a selection, by when their oldest record was written."""
        return sorted(filter(selection.may_be_in, self.entries), key=lambda each: (each.first_segment, each.name))

    def loose_parts(self, selection: Selection) -> list[Part]:
        """Records of a selection that are not sealed; predictions by version."""
        if selection not in self._loose_parts:
            self._loose_parts[selection] = self._split(self.loose.filter(selection.mask))
        return self._loose_parts[selection]

    def kinds(self, selection: Selection) -> dict[str, tuple[Kind, ...]]:
        """By version the kinds of its features in which all its records of a selection fit together."""
        if selection not in self._kinds:
            found: dict[str, list[tuple[Kind, ...]]] = {}
            for each in self._parts(selection):
                found.setdefault(each.version, []).append(each.kinds)
            self._kinds[selection] = {version: unified(kinds) for version, kinds in found.items()}
        return self._kinds[selection]

    def redacted(self, selection: Selection, version: str) -> set[int]:
        """The places of a version's features that are redacted in some record of its files."""
        parts = self._parts(selection)
        return {place for each in parts if each.version == version for place in each.redacted}

    def tables(
        self, selection: Selection, columns: Sequence[str], *, features: bool = False
    ) -> Iterator[tuple[pa.Table, str]]:
        """Records of a selection with their version, a row group at a time: those files first that are oldest.

        With `features` all of them, in the version's `kinds`. A file that is not what was written hides no other:
        `on_damage` is told.
        """
        names = (*columns, *MARKS) if features else tuple(columns)
        for table, have, version in self._read(selection, names, features=features):
            want = self.kinds(selection)[version] if features else ()
            chosen = {name: table.column(name) for name in names}
            chosen |= {column_name(at): placed(table, at, have, kind) for at, kind in enumerate(want)}
            yield pa.table(chosen), version

    def _parts(self, selection: Selection) -> list[Entry | Part]:
        """Where records of a selection may be."""
        return [*self.files(selection), *self.loose_parts(selection)]

    def _read(
        self, selection: Selection, columns: Sequence[str], *, features: bool
    ) -> Iterator[tuple[pa.Table, tuple[Kind, ...], str]]:
        """Records with these columns, features as they are kept, and more."""
        for entry in self.files(selection):
            own = [column_name(place) for place in range(len(entry.kinds))] if features else []
            for table in self._sealed(entry, selection.beyond(entry), (*columns, *own)):
                yield table, entry.kinds, entry.version
        for part in self.loose_parts(selection):
            if len(part.table):
                yield part.table, part.kinds, part.version

    def _sealed(self, entry: Entry, selection: Selection, columns: Sequence[str]) -> Iterator[pa.Table]:
        by_id = selection.start is None and selection.end is None
        key, lowest, highest = (
            ("prediction_id", selection.first_id, selection.last_id)
            if by_id and (selection.first_id is not None or selection.last_id is not None)
            else (TIMES[self.family], selection.start, selection.end)
        )
        wanted = list(dict.fromkeys((*columns, *selection.columns)))
        try:
            for table in self.read(entry, wanted, key, lowest, highest):
                chosen = table if selection.is_everything else table.filter(selection.mask)
                if len(chosen):
                    yield chosen
        except DAMAGE as error:
            self.on_damage(entry, error)

    def _split(self, raw: pa.Table) -> list[Part]:
        if self.family == "predictions":
            return list(by_version(raw))
        return [Part(self.family, "", "", "", raw)]


class LogFiles:
    """The files of one log, for reading. Safe for several threads.

    Every record is seen exactly once, also while another process changes the log. Damage hides no other record and is
    no error: it is logged and counted.
    """

    def __init__(self, journal: Path, folder: Path) -> None:
        self.journal = journal
        self.folder = folder
        self.catalogs = Catalogs(folder)
        self._lock = threading.Lock()
        self._unsealed = {family: Unsealed() for family in FAMILIES}
        self._small = SmallFiles(folder)
        self._quarantined: dict[Path, int] = {}
        self._damaged: dict[str, int] = {}

    @contextmanager
    def snapshot(self, family: Family) -> Iterator[Snapshot]:
        """One family as it is now; for the length of the block no file of it is deleted.

        Segments are listed first: one that is sealed meanwhile is in the catalog before it is deleted, and one that is
        gone without being in the catalog that was read makes both be read again.
        """
        loose = None
        while loose is None:
            listed = segments(self.journal, family)
            with self.catalogs.held() as catalog:
                loose = self._loose(family, [each for each in listed if each.path.name not in catalog.consumed])
                if loose is not None:
                    yield Snapshot(self.folder, family, catalog.of(family), loose, self._small.read, self.note)

    def damage(self) -> dict[str, int]:
        """The files with bytes that are no record, as far as is known, and how many bytes those are."""
        with self._lock:
            named = {each.name for each in self.catalogs.current().entries}
            lost = {name: size for name, size in self._damaged.items() if name in named}
            for family in FAMILIES:
                for segment in segments(self.journal, family):
                    self._unsealed[family].table(segment)
                    if size := self._unsealed[family].lost_bytes(segment):
                        lost[str(segment.path)] = size
                for segment in quarantined(self.journal, family):
                    if segment.path not in self._quarantined:
                        self._quarantined[segment.path] = _lost_bytes(segment)
                    lost[str(segment.path)] = self._quarantined[segment.path]
        return lost

    def _loose(self, family: Family, listed: Sequence[Segment]) -> pa.Table | None:
        """The records of segments that are not sealed; None when one of them is gone."""
        with self._lock:
            self._unsealed[family].keep(listed)
            tables = [self._unsealed[family].table(each) for each in listed]
        if any(each is None for each in tables):
            return None
        nothing = pa.Table.from_batches([], SCHEMAS[family])  # `empty_table` imports pandas
        return pa.concat_tables([nothing, *tables])

    def note(self, entry: Entry, error: Exception) -> None:
        """Remember that a file is not what was written, and say so once."""
        with self._lock:
            new = entry.name not in self._damaged
            self._damaged[entry.name] = entry.size
        if new:
            log_event("history", "sealed file damaged", level=WARNING, file=entry.name, damage=str(error)[:500])


def gathered(snapshot: Snapshot, selection: Selection, columns: Sequence[str], *, features: bool) -> pa.Table:
    """All records of a selection as one table; features of all versions by their places."""
    found = list(snapshot.tables(selection, columns, features=features))
    if not found:
        marks = list(MARKS.items()) if features else []
        return pa.schema([*(SCHEMAS[snapshot.family].field(name) for name in columns), *marks]).empty_table()
    if not features:
        return pa.concat_tables([table for table, _ in found])
    of = snapshot.kinds(selection)
    common = unified(of.values())
    return pa.concat_tables([fitted(table, of[version], common) for table, version in found])


def _lost_bytes(segment: Segment) -> int:
    """How many bytes of a quarantined segment are no record."""
    try:
        return read_segment(segment).lost_bytes
    except FileNotFoundError:
        return 0
    except (NotASegment, OSError):
        return segment.path.stat().st_size
