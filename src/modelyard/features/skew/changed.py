"""Which features are defined otherwise now than when they were served."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from modelyard.core import Micros, to_micros
from modelyard.core.durations import format_duration
from modelyard.features.applied import HISTORY, Described, all_described
from modelyard.features.definitions import Definitions, FeatureView, OnDemandView
from modelyard.online import DerivedPlan, FeaturePlan, FunctionPlan, ViewPlan
from modelyard.storage import RecordStore

_OF_ROWS = ("entities", "source", "event_time", "available_at", "slide")
"""What decides which rows a view has. The rest of its meaning is in the plan of each bundle."""


class AppliedThen:
    """The definitions as they were applied at some instant, compared with those of now."""

    def __init__(self, records: RecordStore, definitions: Definitions) -> None:
        self._records = records
        self._definitions = definitions
        self._changes: dict[int, dict[str, str]] = {}

    def changes(self, at: Micros) -> Mapping[str, str]:
        """What is other now, by view or `view:feature`; nothing where nothing had been applied."""
        place = bisect_right(self._instants, at) - 1
        if place < 0:
            return {}
        if place not in self._changes:
            self._changes[place] = dict(_row_changes(self._history[place][1], self._now))
        return self._changes[place]

    @cached_property
    def _now(self) -> Described:
        return all_described(self._definitions)

    @cached_property
    def _history(self) -> list[tuple[int, Described]]:
        with self._records.snapshot() as view:
            bodies = [each.body for each in view.entries(HISTORY)]
        told = [(to_micros(datetime.fromisoformat(each["at"])), each["definitions"]) for each in bodies]
        return sorted(told, key=lambda each: each[0])

    @cached_property
    def _instants(self) -> list[int]:
        return [at for at, _ in self._history]


def _row_changes(before: Described, now: Described) -> Iterator[tuple[str, str]]:
    for key, body in now.items():
        was = before.get(key)
        if was is None or "event_time" not in body:
            continue
        for name in _OF_ROWS:
            if was.get(name) != body.get(name):
                yield body["name"], f"{name} was {was.get(name)}, and is {body.get(name)}"
        yield from _feature_changes(was, body)


def _feature_changes(was: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in ("features", "aggregations"):
        for feature, meaning in body.get(kind, {}).items():
            old = was.get(kind, {}).get(feature, meaning)
            if old != meaning:
                yield f"{body['name']}:{feature}", f"was {old}, and is {meaning}"


def plan_changes(plan: FeaturePlan, definitions: Definitions) -> dict[str, str]:
    """What is other in the definitions than in the plan of a bundle, by view or `view:feature`."""
    found: dict[str, str] = {}
    for view in plan.views:
        if view.name in definitions.views:
            found |= _of_view(view, definitions.view(view.name))
    for derived in plan.derived:
        if derived.name in definitions.on_demand:
            found |= _of_derived(derived, definitions.on_demand[derived.name])
    for function in plan.functions:
        if function.name in definitions.on_demand:
            found |= _of_function(function, definitions.on_demand[function.name])
    return found


def _of_view(plan: ViewPlan, view: FeatureView) -> dict[str, str]:
    ttl = timedelta(seconds=plan.ttl_s) if plan.ttl_s else None
    pairs: dict[str, tuple[object, object]] = {
        "ttl": (_told(ttl), _told(view.ttl)),
        "stale": (plan.stale, view.stale),
        "defaults": (plan.defaults, dict(view.defaults)),
        "keys": (", ".join(plan.entity_keys), ", ".join(view.keys)),
        "features": (", ".join(plan.stored), ", ".join(view.feature_names)),
    }
    told = [f"{name} was {was}, and is {now}" for name, (was, now) in pairs.items() if was != now]
    return {plan.name: "; ".join(told)} if told else {}


def _of_derived(plan: DerivedPlan, view: OnDemandView) -> dict[str, str]:
    now, before = view.formulas(), dict(plan.expressions)
    if view.function is not None:
        now = dict.fromkeys(view.features, _how(view))
    changed = {name for name, text in before.items() if now.get(name) != text}
    found = {}
    for feature in plan.features:
        if feature in view.features and changed & {feature, *view.formulas((feature,))}:
            found[f"{plan.name}:{feature}"] = f"was {before.get(feature, '')[:120]}, and is {now[feature][:120]}"
    return found


def kept_functions(plan: FeaturePlan, definitions: Definitions) -> list[str]:
    """What of a bundle's functions is other in the definitions, a sentence a view; the bundle keeps its own."""
    known = definitions.on_demand
    return [
        f"'{each.name}' was {_as_planned(each)}, and is {_how(known[each.name]) if each.name in known else 'gone'}"
        for each in plan.functions
        if each.name not in known or _how(known[each.name]) != _as_planned(each)
    ]


def _of_function(plan: FunctionPlan, view: OnDemandView) -> dict[str, str]:
    """Everything that a function gives is other when its code is."""
    was, now = _as_planned(plan), _how(view)
    return {f"{plan.name}:{name}": f"was {was}, and is {now}" for name in plan.features} if was != now else {}


def _as_planned(plan: FunctionPlan) -> str:
    return f"{plan.function} of {plan.code[:12]}, by {plan.mode}"


def _how(view: OnDemandView) -> str:
    if view.function is None:
        return "an expression"
    return f"{view.code.function} of {view.code.digest[:12]}, by {view.mode}"


def _told(ttl: timedelta | None) -> str:
    return format_duration(ttl) if ttl else "none"
