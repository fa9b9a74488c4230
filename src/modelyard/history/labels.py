"""Labels that come in tables: matched with their predictions, and put on record once however often they come."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Clock, Micros, Scalar, did_you_mean, from_micros, to_micros
from modelyard.journal import Journal, TruthRecord

from .errors import InvalidLabels
from .log import PredictionLog
from .reading import Selection
from .truths import Truths


@dataclass(frozen=True)
class LabelColumns:
    """Which columns hold what.

    With `prediction_id` a label belongs to that prediction, whether it is on record yet or not: it is known from
    `available_at` on, else from `at`, else from now. Without it a label belongs to the last answer to `entity` at or
    before `at`, and no longer before than `tolerance`; it is known from `available_at` on, else from now.
    """

    label: str = "label"
    prediction_id: str | None = "prediction_id"
    entity: str | None = "entity"
    at: str | None = "at"
    available_at: str | None = "available_at"
    tolerance: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Added:
    """What became of the rows of a table of labels.

    `added` were put on record, `known` were on record already, `unlabelled` have no label yet. Of the added `early`
    have no prediction yet: they count when it comes. `unmatched` found no answer to their entity at their time, and are
    not on record.
    """

    rows: int = 0
    added: int = 0
    known: int = 0
    unlabelled: int = 0
    early: int = 0
    unmatched: int = 0
    newest: datetime | None = None

    def __add__(self, other: "Added") -> "Added":
        newest = max(filter(None, (self.newest, other.newest)), default=None)
        counts = ("rows", "added", "known", "unlabelled", "early", "unmatched")
        return Added(**{name: getattr(self, name) + getattr(other, name) for name in counts}, newest=newest)


@dataclass(frozen=True)
class _Label:
    """One row: `prediction_id` is found for it when it names an entity; `available` is None when nobody said."""

    prediction_id: str
    entity: str
    label: Scalar
    at: int | None
    available: int | None


def add_labels(
    log: PredictionLog,
    deployment: str,
    batches: Iterable[pa.RecordBatch],
    columns: LabelColumns,
    clock: Clock,
    *,
    since: datetime | None = None,
) -> Added:
    """Put the labels of a table on record, a batch at a time; with `since` only those available from then on.

    A label that is on record with the same value, available at the same time (or, if the table tells no time, as the
    one that counts), is not put there again: adding a table twice, or after a crash in between, adds what is new. What
    is counted as added survives a power cut. InvalidLabels names the row and the column that cannot be used, and then
    the rows of its batch are not added.
    """
    journal = Journal(log.journal, "labels", clock, durability="power")
    total, first = Added(), 1
    try:
        for batch in batches:
            total += _add(log, deployment, batch, fitting(batch.schema.names, columns), journal, clock, since, first)
            first += len(batch)
    finally:
        journal.close()
    return total


def fitting(names: Sequence[str], columns: LabelColumns) -> LabelColumns:
    """The columns that a table has of those that are wanted; InvalidLabels when it lacks one that is needed."""
    by_id = columns.prediction_id if columns.prediction_id in names else None
    found = replace(
        columns,
        prediction_id=by_id,
        entity=None if by_id else columns.entity,
        at=columns.at if columns.at in names else None,
        available_at=columns.available_at if columns.available_at in names else None,
    )
    needed = {"label": columns.label}
    if by_id is None:
        needed |= {"prediction_id or entity": columns.entity or "prediction_id", "at": columns.at or "at"}
    for what, name in needed.items():
        if name not in names:
            raise InvalidLabels(
                f"The labels have no column '{name[:80]}' for the {what}.",
                context={"column": name[:80]},
                remedy=f"{did_you_mean(name[:80], [each[:80] for each in names])} Say which column it is.",
            )
    return found


def _add(
    log: PredictionLog,
    deployment: str,
    batch: pa.RecordBatch,
    columns: LabelColumns,
    journal: Journal,
    clock: Clock,
    since: datetime | None,
    first: int,
) -> Added:
    rows = [each for each in _rows(batch, columns, first) if each is not None]
    if since is not None:
        rows = [each for each in rows if each.available is None or each.available >= to_micros(since)]
    matched = rows if columns.prediction_id else _matched(log, deployment, rows, columns.tolerance)
    fresh = _fresh(log, deployment, matched)
    now = clock.micros()
    journal.append([_record(each, deployment, now) for each in fresh])
    return Added(
        rows=len(batch),
        added=len(fresh),
        known=len(matched) - len(fresh),
        unlabelled=batch.column(columns.label).null_count,
        early=_early(log, deployment, fresh) if columns.prediction_id else 0,
        unmatched=len(rows) - len(matched),
        newest=max((from_micros(Micros(each.available)) for each in rows if each.available is not None), default=None),
    )


def _rows(batch: pa.RecordBatch, columns: LabelColumns, first: int) -> Iterator[_Label | None]:
    """The rows of a batch; None for those without a label."""
    wanted = (columns.prediction_id or columns.entity, columns.label, columns.at, columns.available_at)
    values = [[None] * len(batch) if each is None else batch.column(each).to_pylist() for each in wanted]
    for number, (whose, label, at, available) in enumerate(zip(*values, strict=True), first):
        if label is None:
            yield None
            continue
        if whose is None or whose == "":
            raise _unusable(number, wanted[0], "it is empty")
        known = _micros(available, number, columns.available_at)
        instant = _micros(at, number, columns.at)
        if columns.prediction_id is not None:
            yield _Label(str(whose), "", _label(label, number, columns), instant, instant if known is None else known)
        elif instant is None:
            raise _unusable(number, columns.at, "it is empty")
        else:
            yield _Label("", str(whose), _label(label, number, columns), instant, known)


def _label(value: Any, number: int, columns: LabelColumns) -> Scalar:
    """A label as it is kept; whole floats are whole numbers, as a model's classes are written."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int(value)
    if isinstance(value, float) and not np.isfinite(value):
        raise _unusable(number, columns.label, f"{value} is no label")
    if not isinstance(value, str | int | float | bool):
        raise _unusable(number, columns.label, f"{str(value)[:40]!r} is no label")
    return value


def _micros(value: Any, number: int, column: str | None) -> int | None:
    """An instant in microseconds: a timestamp, a date, or ISO 8601; in UTC where it does not say otherwise."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if not isinstance(value, datetime):
            raise TypeError
        return to_micros(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
    except (ValueError, TypeError, OverflowError) as error:
        raise _unusable(number, column, f"{str(value)[:40]!r} is no instant; write 2026-01-31T12:00:00Z") from error


def _matched(log: PredictionLog, deployment: str, rows: Sequence[_Label], tolerance: timedelta) -> list[_Label]:
    """The rows with the prediction of each: the last answer to its entity at or before its time."""
    if not rows:
        return []
    times = [each.at for each in rows if each.at is not None]
    start, end = from_micros(Micros(min(times))) - tolerance, from_micros(Micros(max(times) + 1))
    selection = Selection("predictions", deployment, start, end, answered=True)
    wanted = pa.array(sorted({each.entity for each in rows}))
    answers: dict[str, list[tuple[int, str]]] = {}
    with log.files.snapshot("predictions") as snapshot:
        for table, _ in snapshot.tables(selection, ("entity", "event_us", "prediction_id")):
            own = table.filter(pc.is_in(table.column("entity"), value_set=wanted))
            instants = own.column("event_us").cast(pa.int64())
            for entity, at, identity in zip(
                own.column("entity").to_pylist(),
                instants.to_pylist(),
                own.column("prediction_id").to_pylist(),
                strict=True,
            ):
                answers.setdefault(entity, []).append((at, identity))
    for each in answers.values():
        each.sort()
    earliest = int(tolerance / timedelta(microseconds=1))
    found = ((row, _last(answers.get(row.entity, []), row.at or 0, earliest)) for row in rows)
    return [replace(row, prediction_id=identity) for row, identity in found if identity is not None]


def _last(answers: Sequence[tuple[int, str]], at: int, tolerance: int) -> str | None:
    """The last answer at or before an instant, not longer before than the tolerance."""
    index = bisect_right(answers, (at, "\U0010ffff")) - 1
    return answers[index][1] if index >= 0 and at - answers[index][0] <= tolerance else None


def _fresh(log: PredictionLog, deployment: str, rows: Sequence[_Label]) -> list[_Label]:
    """Those that are not on record, each once."""
    ids = pa.array([each.prediction_id for each in rows], pa.string())
    with log.files.snapshot("truths") as snapshot:
        told = Truths(snapshot, deployment).told(ids)
    instants = told.column("available_us").cast(pa.int64()).to_pylist()
    known = set(zip(told.column("prediction_id").to_pylist(), told.column("label").to_pylist(), instants, strict=True))
    last = dict(zip(told.column("prediction_id").to_pylist(), told.column("label").to_pylist(), strict=True))
    fresh = []
    for each in rows:
        text = str(each.label)
        if each.available is None and last.get(each.prediction_id) == text:
            continue
        if each.available is not None and (each.prediction_id, text, each.available) in known:
            continue
        fresh.append(each)
        last[each.prediction_id] = text
        known.add((each.prediction_id, text, -1 if each.available is None else each.available))
    return fresh


def _record(row: _Label, deployment: str, now: Micros) -> TruthRecord:
    available = Micros(now if row.available is None else row.available)
    event = Micros(row.at if row.at is not None else available)
    return TruthRecord(row.prediction_id, deployment, row.label, event, available, now)


def _early(log: PredictionLog, deployment: str, rows: Sequence[_Label]) -> int:
    """How many labels are of predictions that are not on record."""
    wanted = {each.prediction_id for each in rows}
    if not wanted:
        return 0
    selection = Selection("predictions", deployment, first_id=min(wanted), last_id=max(wanted))
    with log.files.snapshot("predictions") as snapshot:
        for table, _ in snapshot.tables(selection, ("prediction_id",)):
            wanted -= set(table.column("prediction_id").to_pylist())
    return sum(each.prediction_id in wanted for each in rows)


def _unusable(number: int, column: str | None, why: str) -> InvalidLabels:
    return InvalidLabels(
        f"Row {number}, column '{str(column)[:80]}': {why}.",
        context={"row": number, "column": str(column)[:80]},
        remedy="Correct the row and add the file again: what was added is not added twice.",
    )
