"""Counting records without reading them, as far as the catalog can."""

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Micros

from .catalog import Entry
from .reading import Selection, Snapshot
from .tables import TIMES


@dataclass(frozen=True)
class Counted:
    """So many records, of which so many were the answer, between two instants of event time."""

    records: int
    answered: int
    first: Micros
    last: Micros

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.records + other.records,
            self.answered + other.answered,
            min(self.first, other.first),
            max(self.last, other.last),
        )


def by_deployment(snapshot: Snapshot) -> dict[str, dict[str, Counted]]:
    """The records of a family by deployment and version. Opens no file: the catalog counts."""
    found: dict[str, dict[str, Counted]] = {}
    for entry in snapshot.entries:
        counted = Counted(entry.rows, entry.answered, Micros(entry.first_us), Micros(entry.last_us))
        _add(found, entry.deployment, entry.version, counted)
    for deployment, version, counted in _loose(snapshot):
        _add(found, deployment, version, counted)
    return found


def joined_truths(predictions: Snapshot, truths: Snapshot, deployment: str) -> tuple[int, int]:
    """How many predictions have a truth, and how many of those ids are of an answer, a day of truths at a time."""
    days = {each.day for each in truths.entries if each.deployment == deployment}
    if not days and not len(truths.loose):
        return 0, 0
    loose = truths.loose.filter(pc.field("deployment") == deployment).column("prediction_id")
    seen, told, joined = pc.unique(loose), 0, 0
    for day in sorted(days):
        own = [each for each in truths.entries if (each.deployment, each.day) == (deployment, day)]
        ids = _ids(truths, own, deployment)
        fresh = ids.filter(pc.invert(pc.is_in(ids, value_set=seen)))
        told, joined = told + len(fresh), joined + _answered(predictions, fresh, deployment)
    return told + len(seen), joined + _answered(predictions, seen, deployment)


def _ids(truths: Snapshot, entries: list[Entry], deployment: str) -> pa.Array:
    """The distinct prediction ids of the truths of some files."""
    only = replace(truths, entries=entries, loose=truths.loose.slice(0, 0))
    tables = only.tables(Selection("truths", deployment), ("prediction_id",))
    found = [table.column("prediction_id") for table, _ in tables]
    return pc.unique(pa.chunked_array([chunk for each in found for chunk in each.chunks], pa.string()))


def _answered(predictions: Snapshot, ids: pa.Array, deployment: str) -> int:
    """How many of these ids are of an answer."""
    if len(ids) == 0:
        return 0
    bounds = pc.min_max(ids).as_py()
    selection = Selection("predictions", deployment, answered=True, first_id=bounds["min"], last_id=bounds["max"])
    tables = predictions.tables(selection, ("prediction_id",))
    return sum(pc.sum(pc.is_in(table.column("prediction_id"), value_set=ids)).as_py() or 0 for table, _ in tables)


def _loose(snapshot: Snapshot) -> list[tuple[str, str, Counted]]:
    """What is not sealed, by deployment and version."""
    if not len(snapshot.loose):
        return []
    time = TIMES[snapshot.family]
    keys = ["deployment", "model_version"] if snapshot.family == "predictions" else ["deployment"]
    asked = [(time, "count"), (time, "min"), (time, "max")]
    table = snapshot.loose
    if snapshot.family == "predictions":
        table = table.append_column("answers", table.column("answered").cast(pa.int64()))
        asked.append(("answers", "sum"))
    rows = table.group_by(keys).aggregate(asked)
    return [_counted(row, time) for row in _as_micros(rows, time).to_pylist()]


def _as_micros(rows: pa.Table, time: str) -> pa.Table:
    for name in (f"{time}_min", f"{time}_max"):
        rows = rows.set_column(rows.column_names.index(name), name, rows.column(name).cast(pa.int64()))
    return rows


def _counted(row: dict[str, object], time: str) -> tuple[str, str, Counted]:
    first, last = Micros(int(str(row[f"{time}_min"]))), Micros(int(str(row[f"{time}_max"])))
    counted = Counted(int(str(row[f"{time}_count"])), int(str(row.get("answers_sum") or 0)), first, last)
    return str(row["deployment"]), str(row.get("model_version", "")), counted


def _add(found: dict[str, dict[str, Counted]], deployment: str, version: str, counted: Counted) -> None:
    versions = found.setdefault(deployment, {})
    versions[version] = versions[version] + counted if version in versions else counted
