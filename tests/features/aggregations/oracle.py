"""Aggregations over sliding windows as their definition says, event by event and boundary by boundary. Slow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from modelyard.features.aggregations import Aggregation


@dataclass(frozen=True)
class Event:
    """What happened to whom, when, and when that was known; microseconds."""

    key: object
    time: int
    known: int
    values: dict[str, Any]


def derived(events: Sequence[Event], aggregations: Sequence[Aggregation], slide_us: int) -> list[dict[str, Any]]:
    """The rows of an aggregation view, by key as they first come, then boundary."""
    rows: list[dict[str, Any]] = []
    longest = max(each.window // timedelta(microseconds=1) for each in aggregations)
    for key in dict.fromkeys(each.key for each in events if each.key is not None):
        mine = [each for each in events if each.key == key]
        first = min(min(each.time, each.known) for each in mine) // slide_us
        last = (max(max(each.time, each.known) for each in mine) + longest) // slide_us + 2
        before: dict[str, Any] | None = None
        for number in range(first - 1, last + 1):
            at = number * slide_us
            seen = [each for each in mine if each.time <= at and each.known <= at]
            now = {each.feature: _value(each, seen, at) for each in aggregations}
            began = any(each.time > at - longest for each in seen)
            if now != before and (before is not None or began):
                rows.append({"key": key, "at": at, **now})
                before = now
    return rows


def _value(each: Aggregation, seen: Sequence[Event], at: int) -> Any:
    window = each.window // timedelta(microseconds=1)
    inside = sorted(
        (event for event in seen if event.time > at - window), key=lambda event: (event.time, event.known)
    )  # stable: full ties stay in the order of the source
    values = [event.values[each.column] for event in inside]
    values = [value for value in values if value is not None and value == value]  # noqa: PLR0124 - NaN
    if each.function in ("count", "distinct"):
        return len(values if each.function == "count" else set(values))
    if each.function == "sum":
        return _sum(values)
    if not values:
        return None
    if each.function == "mean":
        return _sum(values) / len(values)
    if each.function == "last":
        return values[-1]
    return min(values) if each.function == "min" else max(values)


def _sum(values: Sequence[Any]) -> Any:
    return math.fsum(values) if any(isinstance(value, float) for value in values) else sum(values)
