"""One version's answers compared with what training would see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from modelyard.core import Micros, Scalar
from modelyard.features.definitions import Definitions
from modelyard.features.instants import INSTANT, instants_of
from modelyard.features.join import Ints
from modelyard.journal import REDACTED
from modelyard.storage import RecordStore

from .causes import BroughtUp, Told, cause_of
from .changed import AppliedThen, plan_changes
from .past import ViewPast
from .recomputed import AT, Comparable, Recomputation, Sources, recomputation, upstream
from .served import ServedRows, VersionPlan
from .values import alike, as_served

_NOWHERE = Told("unknown", None, None)
_STEPS = 8
"""So many older rows are tried for a computed feature."""


@dataclass(frozen=True)
class Difference:
    """One value that differs: the row's place, and both sides with the rows behind them."""

    row: int
    served: Scalar
    recomputed: Scalar
    told: Told
    change: str = ""


@dataclass(frozen=True)
class Compared:
    """One feature of some answers: the places of the rows that were compared, and those of them that differ."""

    feature: Comparable
    rows: Sequence[int]
    differences: Sequence[Difference]


@dataclass
class Pasts:
    """What is known of the past, found out when it is first asked for, and kept."""

    definitions: Definitions
    records: RecordStore
    sources: Sources = field(default_factory=Sources)
    _views: dict[tuple[str, tuple[str, ...]], ViewPast] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.brought = BroughtUp(self.records)
        self.applied = AppliedThen(self.records, self.definitions)

    def view(self, name: str, features: tuple[str, ...]) -> ViewPast:
        """The past of a view, of some of its features."""
        key = (name, features)
        if key not in self._views:
            self._views[key] = ViewPast(self.definitions.view(name), features)
        return self._views[key]


class VersionJudge:
    """Compares the answers of one version of a model."""

    def __init__(self, version: VersionPlan, pasts: Pasts, tolerance: float) -> None:
        self.how: Recomputation = recomputation(version, pasts.definitions)
        self._pasts = pasts
        self._tolerance = tolerance
        self._plans = {each.name: each for each in version.plan.views}
        self._changes = plan_changes(version.plan, pasts.definitions)

    def compare(self, rows: ServedRows) -> list[Compared]:
        """Each feature of some answers."""
        asked = _Asked(rows, self.how.entities(rows))
        found = self.how.run(asked.entities, self._pasts.sources)
        return [self._compared(each, asked, as_served(found.column(each.column))) for each in self.how.features]

    def _compared(self, feature: Comparable, asked: "_Asked", recomputed: Sequence[Scalar]) -> Compared:
        served = asked.rows.values[feature.input]
        places = _logged(asked.rows, feature)
        if len(places) == len(served) and served == recomputed:
            return Compared(feature, places, ())
        differing = [at for at in places if not alike(served[at], recomputed[at], self._tolerance)]
        found = [Difference(at, served[at], recomputed[at], *self._why(feature, asked, at)) for at in differing]
        return Compared(feature, places, self._as_before(feature, asked, found))

    def _why(self, feature: Comparable, asked: "_Asked", row: int) -> tuple[Told, str]:
        views = upstream(feature.reference, self._pasts.definitions)
        told = next(filter(None, (self._told(view, asked, row) for view in views)), _NOWHERE)
        change = self._change(feature.reference, views, asked.times[row])
        return (Told("definition", told.served, told.recomputed) if change else told), change

    def _told(self, view: str, asked: "_Asked", row: int) -> Told | None:
        """The cause by the values of a view that were logged; None where the model has none of it as its input."""
        features = tuple(each for each in self.how.features if each.view == view)
        if view not in self._plans or not features:
            return None
        if (view, row) not in asked.told:
            past = self._pasts.view(view, tuple(each.input for each in features))
            served = {each.input: asked.rows.values[each.input][row] for each in features}
            logged = {name: value for name, value in served.items() if value != REDACTED}
            code = int(asked.codes(view, past, self._pasts.definitions.view(view).keys)[row])
            asked.told[view, row] = cause_of(
                self._plans[view], past, code, asked.times[row], logged, self._pasts.brought, self._tolerance
            )
        return asked.told[view, row]

    def _change(self, reference: str, views: Sequence[str], at: int) -> str:
        """What is other in the definition of a feature than when it was served; empty when nothing is."""
        for changes in (self._changes, self._pasts.applied.changes(Micros(at))):
            for name in (reference, *views):
                if name in changes:
                    return changes[name]
        return ""

    def _as_before(self, feature: Comparable, asked: "_Asked", found: list[Difference]) -> list[Difference]:
        """The differences of a computed feature whose inputs were not logged, told by what it was of older rows."""
        views = upstream(feature.reference, self._pasts.definitions)
        if feature.view in self._plans or len(views) != 1 or self._told_by_inputs(views[0]):
            return found
        left = {each.row: at for at, each in enumerate(found) if not each.change}
        past = self._pasts.view(views[0], ())
        codes = asked.codes(views[0], past, self._pasts.definitions.view(views[0]).keys)
        times = {row: asked.times[row] for row in left}
        for _ in range(_STEPS):
            before = {row: past.known(int(codes[row]), times[row]) for row in left}
            times = {row: known.usable - 1 for row, known in before.items() if known is not None}
            left = {row: left[row] for row in times}
            if not left:
                break
            tried = self._tried(feature, asked, times)
            for row, value in tried.items():
                if alike(found[left[row]].served, value, self._tolerance):
                    found[left[row]] = self._late(found[left[row]], past, int(codes[row]), asked.times[row], times[row])
                    del left[row]
        return found

    def _told_by_inputs(self, view: str) -> bool:
        return any(each.view == view for each in self.how.features)

    def _tried(self, feature: Comparable, asked: "_Asked", times: Mapping[int, int]) -> dict[int, Scalar]:
        """A feature of some rows as it was at other instants."""
        some = asked.entities.take(list(times)).set_column(0, AT, pa.array(list(times.values()), INSTANT))
        values = as_served(self.how.run(some, self._pasts.sources).column(feature.column))
        return dict(zip(times, values, strict=True))

    def _late(self, each: Difference, past: ViewPast, code: int, at: int, before: int) -> Difference:
        known = past.known(code, at)
        until = None if known is None else self._pasts.brought.until(past.name, at)
        stale = until is not None and known is not None and until >= known.usable
        return replace(each, told=Told("stale" if stale else "late", past.known(code, before), known))


class _Asked:
    """Some answers, and what was found out about them."""

    def __init__(self, rows: ServedRows, entities: pa.Table) -> None:
        self.rows, self.entities = rows, entities
        self.times: list[int] = instants_of(entities.column(AT), "event time")[0].tolist()
        self.told: dict[tuple[str, int], Told] = {}
        self._codes: dict[str, Ints] = {}

    def codes(self, view: str, past: ViewPast, keys: Sequence[str]) -> Ints:
        """The number of each row's key in the past of a view."""
        if view not in self._codes:
            self._codes[view] = past.codes([self.entities.column(key) for key in keys])
        return self._codes[view]


def _logged(rows: ServedRows, feature: Comparable) -> Sequence[int]:
    """The places of the rows of which a feature, and the fields that it depends on, were logged."""
    hidden = [rows.values[name] for name in (feature.input, *feature.fields) if REDACTED in rows.values[name]]
    if not hidden:
        return range(len(rows))
    return [at for at in range(len(rows)) if all(column[at] != REDACTED for column in hidden)]
