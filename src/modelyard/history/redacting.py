"""Redaction of records that are written already: who it was and what was known of them goes, the answer stays.

Of a prediction the entity becomes REDACTED and its features are as if they had not been logged, as are the texts that a
language model was asked and said; of an outcome the entity becomes REDACTED. Prediction, scores, version, label, tokens
and cost stay: counts and metrics do not change.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import log_event
from modelyard.journal import FAMILIES, REDACTED, Family, quarantined

from .catalog import Catalogs, Entry
from .changing import replaced, rewritten
from .features import TYPES, column_name
from .files import DAMAGE, part_batches, read_part
from .reading import LogFiles
from .sealing import alone


@dataclass(frozen=True)
class Redacted:
    """So many records in so many files were redacted.

    `waiting` records are in segments that a server still writes: redact again when it has begun new ones (at the
    latest when it stops). `damaged` files and segments could not be looked through: they may hold some too, and only a
    person can tell.
    """

    records: int
    files: int
    waiting: int
    damaged: int


@dataclass(frozen=True)
class _Wanted:
    entities: pa.Array
    ids: pa.Array
    deployment: str | None

    def rows(self, table: pa.Table, family: Family) -> pa.ChunkedArray:
        """Which records are to be redacted, and are not yet."""
        mask = pc.is_in(table.column("entity"), value_set=self.entities)
        if family == "predictions":
            mask = pc.or_(mask, pc.is_in(table.column("prediction_id"), value_set=self.ids))
            known = pc.not_equal(pc.fill_null(table.column("entity"), ""), REDACTED)
            mask = pc.and_(mask, pc.or_(known, table.column("has_features")))
        return mask if self.deployment is None else pc.and_(mask, pc.equal(table.column("deployment"), self.deployment))


_TEXTS = ("asked", "said", "question")
"""What a record of a language model's answer says of its texts: see `journal.Generated`."""

_LOOKED_AT: dict[Family, tuple[str, ...]] = {
    "predictions": ("entity", "prediction_id", "deployment", "has_features"),
    "outcomes": ("entity", "deployment"),
}


def redact(
    files: LogFiles, *, entities: Collection[str], prediction_ids: Collection[str], deployment: str | None
) -> Redacted:
    """Redact sealed records of these entities, and these predictions. Files that hold none are only looked through.

    A file at a time is written anew and takes the old one's place in one step: a crash leaves it redacted or not, and
    the next call goes on. Doing it twice does no harm. The old files are deleted; a reader that still reads by them
    keeps them until it ends, and the next change of the log deletes them then.
    """
    wanted = _Wanted(
        pa.array(sorted(set(entities) - {REDACTED}), pa.string()),
        pa.array(sorted(set(prediction_ids)), pa.string()),
        deployment,
    )
    done = list[int]()
    if files.folder.exists():
        with alone(files.folder):
            catalogs = Catalogs(files.folder)
            mine = [each for each in catalogs.current().entries if each.family in _LOOKED_AT]
            done = [_redact(files, catalogs, entry, wanted) for entry in mine]
            catalogs.sweep()
    changed = [each for each in done if each > 0]
    if changed:
        log_event("history", "redacted", records=sum(changed), files=len(changed))
    damaged = done.count(_DAMAGED) + sum(len(quarantined(files.journal, family)) for family in FAMILIES)
    waiting = sum(_waiting(files, family, wanted) for family in _LOOKED_AT)
    return Redacted(sum(changed), len(changed), waiting, damaged)


_DAMAGED = -1
"""In place of a count: the file could not be looked through."""


def _redact(files: LogFiles, catalogs: Catalogs, entry: Entry, wanted: _Wanted) -> int:
    """Redact one file; returns how many of its records were."""
    try:
        found = _count(files, entry, wanted)
        if found:
            _rewrite(files, catalogs, entry, wanted)
    except DAMAGE as error:
        files.note(entry, error)
        return _DAMAGED
    return found


def _count(files: LogFiles, entry: Entry, wanted: _Wanted) -> int:
    """How many records of a file are to be redacted."""
    if wanted.deployment not in (None, entry.deployment):
        return 0
    by_id = any(entry.first_id <= each.as_py() <= entry.last_id for each in wanted.ids)
    if not len(wanted.entities) and not by_id:
        return 0
    return sum(pc.sum(wanted.rows(table, entry.family)).as_py() or 0 for table in _looked_at(files, entry))


def _looked_at(files: LogFiles, entry: Entry) -> Iterator[pa.Table]:
    columns = _LOOKED_AT[entry.family]
    for batch in part_batches(files.folder, entry, columns, "deployment", None, None):
        yield pa.Table.from_batches([batch])


def _rewrite(files: LogFiles, catalogs: Catalogs, entry: Entry, wanted: _Wanted) -> None:
    table = read_part(files.folder, entry)
    mask = wanted.rows(table, entry.family)
    table = _with(table, "entity", pc.if_else(mask, REDACTED, table.column("entity")))
    if entry.family == "predictions":
        table = _without_texts(_without_features(table, entry, mask), mask)
    number = catalogs.current().number + 1
    replaced(catalogs, [entry], [rewritten(files.folder, number, 0, [entry], table)])


def _without_features(table: pa.Table, entry: Entry, mask: pa.ChunkedArray) -> pa.Table:
    table = _with(table, "has_features", pc.and_(table.column("has_features"), pc.invert(mask)))
    kept = {"request": pa.binary()} | {column_name(place): TYPES[kind] for place, kind in enumerate(entry.kinds)}
    for name, kept_as in kept.items():
        table = _with(table, name, pc.if_else(mask, pa.scalar(None, kept_as), table.column(name)))
    return table


def _without_texts(table: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
    """Without what was asked and said, and without the question's vector."""
    made = zip(table.column("generated").to_pylist(), mask.to_pylist(), strict=True)
    return _with(table, "generated", pa.array([_silent(each) if hit else each for each, hit in made], pa.string()))


def _silent(generated: str) -> str:
    if not generated:
        return generated
    told = msgspec.json.decode(generated)
    return msgspec.json.encode({name: each for name, each in told.items() if name not in _TEXTS}).decode()


def _with(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), table.schema.field(name), column)


def _waiting(files: LogFiles, family: Family, wanted: _Wanted) -> int:
    """How many records are in segments that are not sealed."""
    with files.snapshot(family) as snapshot:
        table = snapshot.loose
    if family == "predictions":
        table = table.append_column("has_features", pa.array([True] * len(table), pa.bool_()))
    return pc.sum(wanted.rows(table, family)).as_py() or 0
