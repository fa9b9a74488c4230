"""The check for leaks: features whose value could not have been known when it was used."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Judgement, Verdict, to_micros
from modelyard.data import check_split

from .definitions import AVAILABLE, EVENT, FeatureView, PushSource
from .instants import instants_of
from .join import Entities, Flags, Ints, PreparedView, Wanted, entity_column, joined, prepare
from .pushed import PUSHED_AT
from .selection import Selection
from .tables import as_table

CORRELATION = 0.99
"""No honest feature of a real problem follows a numeric label so closely (Pearson's r, of either sign)."""

EXPLAINED = 0.99
"""A column was made by another rule when that rule gives so many of its values, and the right one fewer."""

_DAY = 86_400_000_000
_FEWEST = 30
"""Correlation of fewer rows proves nothing."""


@dataclass(frozen=True)
class LeakQuestion:
    """The entity rows' columns: when each prediction is made, what it is about, when that is known; and the rule."""

    event_time: str = "event_timestamp"
    label: str | None = None
    label_time: str | None = None
    as_known: bool = True


def check_feature_leaks(
    entities: object, selection: Selection, question: LeakQuestion, *, now: datetime | None = None
) -> Judgement:
    """Judge the features that are selected, for entity rows (Arrow, polars or pandas) with their labels.

    Fails for values that were not available at their row's time, where `as_known` is False; pushed rows that were used
    before they were pushed, in views without `available_at`; rows that are not before their `label_time`; columns
    of the entity rows that bear a feature's name and have its value of a later time instead of the row's; features
    that tell the label by themselves: of two classes by `check_leaks`, of numbers by correlation.
    Inconclusive, when nothing fails, for views without `available_at` whose rows are all stamped at midnight (a total
    of a day, known when it ends?) or lie in the future, and for what cannot be looked at. Evidence has the counts.
    """
    table = as_table(entities, "entity rows")
    asking = Entities.of(table, question.event_time)
    instant = to_micros(now or datetime.now(UTC))
    found = [_knowable(each, asking, question, instant) for each in selection.wanted]
    if question.label_time is not None:
        found.append(_before_the_label(asking, question.label_time))
    found += _made_otherwise(asking, selection, question)
    if question.label is not None:
        found.append(_telling(asking, selection, question))
    return Judgement.all_of(found)


def _knowable(wanted: Wanted, asking: Entities, question: LeakQuestion, now: int) -> Judgement:
    view = wanted.view
    if view.aggregates:
        return Judgement(Verdict.PASS)  # rows are stamped with the boundary at which their values stood
    if view.available_at is None:
        return Judgement.all_of([_stamps(view, now), *_pushed(wanted, asking)])
    rows = PreparedView(wanted, as_known=False).choose(asking)
    available, noted = instants_of(view.table([]).column(AVAILABLE), "availability")
    late = _count_late(rows, available, noted, asking)
    evidence = {f"{view.name}_known_later": late}
    if not late or question.as_known:
        return Judgement(Verdict.PASS, (), evidence)
    reason = (
        f"View '{view.name}': {late:,} of {len(rows):,} rows get values that became available only after their time. "
        f"Join with as_known=True."
    )
    return Judgement(Verdict.FAIL, (reason,), evidence)


def _count_late(rows: Ints, known: Ints, noted: Flags, asking: Entities) -> int:
    """How many entity rows were given a source row that was not known yet."""
    given = rows >= 0
    chosen = rows[given]
    return int(np.count_nonzero(noted[chosen] & (known[chosen] > asking.times[given])))


def _stamps(view: FeatureView, now: int) -> Judgement:
    """Whether event times can be when values were known, as a view without `available_at` says."""
    events, _ = instants_of(view.table([]).column(EVENT), "event time")
    ahead = int(np.count_nonzero(events > now))
    remedy = "Declare available_at: the column that says when a row was known, event_time's own if it was at once."
    reasons = []
    if ahead:
        reasons.append(f"View '{view.name}' has {ahead:,} rows whose event time is in the future. {remedy}")
    if len(np.unique(events)) > 1 and not np.any(events % _DAY):
        reasons.append(
            f"View '{view.name}' has all its rows stamped at midnight: totals of a day are known when it ends. {remedy}"
        )
    return Judgement(Verdict.INCONCLUSIVE if reasons else Verdict.PASS, tuple(reasons), {f"{view.name}_ahead": ahead})


def _pushed(wanted: Wanted, asking: Entities) -> Iterator[Judgement]:
    """Whether pushed rows were used before they came."""
    view = wanted.view
    if not isinstance(view.source, PushSource) or view.source.log is None:
        return
    pushed = [np.asarray(each.column(PUSHED_AT)) for each in _dated_pushes(view, view.source)]
    if not pushed:
        return
    count = len(view.table([]))
    known = np.concatenate([np.zeros(count - sum(map(len, pushed)), np.int64), *pushed])
    late = _count_late(PreparedView(wanted, as_known=False).choose(asking), known, known != 0, asking)
    evidence = {f"{view.name}_pushed_later": late}
    reason = (
        f"View '{view.name}': {late:,} rows get values that were pushed only after their time. "
        f"Declare available_at, and push when each row was known."
    )
    yield Judgement(Verdict.FAIL if late else Verdict.PASS, (reason,) if late else (), evidence)


def _dated_pushes(view: FeatureView, source: PushSource) -> Iterator[pa.RecordBatch]:
    """Pushed rows as the view has them: those without event time are left out."""
    if source.log is not None:
        for batch in source.log.rows([view.event_time, PUSHED_AT]):
            yield batch.filter(pc.is_valid(batch.column(view.event_time)))


def _before_the_label(asking: Entities, label_time: str) -> Judgement:
    known, dated = instants_of(entity_column(asking.table, label_time), f"column '{label_time}' of the entity rows")
    late = int(np.count_nonzero(asking.dated & dated & (asking.times >= known)))
    reason = (
        f"{late:,} of {len(known):,} rows are joined when their label was known already ('{label_time}'): "
        f"features are those of label time, not of prediction time. Name the column of the prediction's time."
    )
    return Judgement(Verdict.FAIL if late else Verdict.PASS, (reason,) if late else (), {"joined_at_label_time": late})


def _made_otherwise(asking: Entities, selection: Selection, question: LeakQuestion) -> Iterator[Judgement]:
    """Columns that are there already, against the values that the join gives now, and gave by wrong rules."""
    for wanted in selection.wanted:
        features = [each for each in wanted.features if each in asking.table.column_names]
        if features:
            part = replace(wanted, features=tuple(features), names=tuple(features))
            yield from (_explained(asking.table, each, dict(_rules(part, asking, question))) for each in features)


def _rules(wanted: Wanted, asking: Entities, question: LeakQuestion) -> Iterator[tuple[str, pa.Table]]:
    names = list(wanted.features)
    known, ever = PreparedView(wanted), PreparedView(wanted, as_known=False)
    yield "", pa.table(known.columns(asking), names=names)
    yield "as if all were known at once (as_known=False)", pa.table(ever.columns(asking), names=names)
    if question.label_time is not None:
        later = Entities.of(asking.table, question.label_time)
        yield f"at label time ('{question.label_time}')", pa.table(known.columns(later), names=names)
        yield f"at label time ('{question.label_time}'), as_known=False", pa.table(ever.columns(later), names=names)


def _explained(table: pa.Table, feature: str, rules: dict[str, pa.Table]) -> Judgement:
    stored = table.column(feature)
    shares = {rule: _share_equal(stored, made.column(feature)) for rule, made in rules.items()}
    right = shares.pop("")
    evidence: dict[str, object] = {f"{feature}_as_known": right}
    if right == 1.0:
        return Judgement(Verdict.PASS, (), evidence)
    best = max(shares, key=lambda each: shares[each])
    if shares[best] >= EXPLAINED and shares[best] > right:
        reason = (
            f"Column '{feature}' was joined {best}: {1 - right:.1%} of its values were not known at their row's time."
        )
        return Judgement(Verdict.FAIL, (reason,), evidence | {f"{feature}_{best}": shares[best]})
    reason = (
        f"Column '{feature}' has another value than the join gives in {1 - right:.1%} of the rows; nobody knows why."
    )
    return Judgement(Verdict.INCONCLUSIVE, (reason,), evidence)


def _share_equal(stored: pa.ChunkedArray, made: pa.ChunkedArray) -> float:
    if not len(stored):
        return 1.0
    one, other = (pc.if_else(pc.is_nan(each), None, each) if pa.types.is_floating(each.type) else each
                  for each in (stored, made))  # fmt: skip
    try:
        same = pc.fill_null(pc.equal(one, other), False)  # noqa: FBT003 - Arrow's signature
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        same = pc.fill_null(pc.equal(one.cast(pa.string()), other.cast(pa.string())), False)  # noqa: FBT003
    both_missing = pc.and_(one.is_null(), other.is_null())
    return float(pc.mean(pc.or_(same, both_missing).cast(pa.float64())).as_py())


def _telling(asking: Entities, selection: Selection, question: LeakQuestion) -> Judgement:
    label = entity_column(asking.table, str(question.label))
    features = list(selection.order)
    bare = Entities(asking.table.drop_columns([each for each in features if each in asking.table.column_names]),
                    asking.times, asking.dated)  # fmt: skip
    selection.check(bare.table.column_names)
    values = selection.complete([], joined(bare, list(prepare(selection.wanted, as_known=question.as_known))))
    if len(label.drop_null().unique()) > 2 and _is_number(label.type):
        return _correlated(values, label)
    return check_split({"rows": values.append_column("__label", label)}, label="__label")


def _correlated(values: pa.Table, label: pa.ChunkedArray) -> Judgement:
    target = _floats(label)
    found = {name: _correlation(_floats(values.column(name)), target)
             for name in values.column_names if _is_number(values.schema.field(name).type)}  # fmt: skip
    reasons = tuple(
        f"Feature '{name}' follows the label with correlation {each:.3f} (threshold {CORRELATION:g}): is it known at "
        f"prediction time? Remove it, or declare when it becomes available."
        for name, each in found.items()
        if each is not None and abs(each) >= CORRELATION
    )
    return Judgement(Verdict.FAIL if reasons else Verdict.PASS, reasons, {"correlation": found})


def _correlation(values: np.ndarray, target: np.ndarray) -> float | None:
    """Pearson's r of the rows that have both; None for too few, and where either never changes."""
    both = np.isfinite(values) & np.isfinite(target)
    one, other = values[both], target[both]
    if len(one) < _FEWEST or not one.std() or not other.std():
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")).to_numpy())


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
