"""Why a value that was served is not the one that training would see."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from modelyard.core import Scalar
from modelyard.features.materialize import materializations
from modelyard.online import ViewPlan
from modelyard.storage import RecordStore

from .past import PastRow, ViewPast
from .records import Cause


@dataclass(frozen=True)
class Told:
    """The cause of the differences in one view's values of one prediction, and the rows behind both sides."""

    cause: Cause
    served: PastRow | None
    recomputed: PastRow | None


class BroughtUp:
    """Up to when each view had been materialized, at each instant."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records

    def until(self, view: str, at: int) -> int | None:
        """Up to when a view was known online before an instant (µs); None when nothing is on record."""
        instants, untils = self._done.get(view, ([], []))
        place = bisect_left(instants, at)
        return untils[place - 1] if place else None

    @cached_property
    def _done(self) -> Mapping[str, tuple[list[int], list[int]]]:
        """For each view the instants at which it was materialized, and the latest `until` by then."""
        done: dict[str, tuple[list[int], list[int]]] = {}
        for each in materializations(self._records):
            instants, untils = done.setdefault(each.view, ([], []))
            instants.append(each.at_us)
            untils.append(max(each.until_us, untils[-1]) if untils else each.until_us)
        return done


def cause_of(
    plan: ViewPlan,
    past: ViewPast,
    code: int,
    at: int,
    served: Mapping[str, Scalar],
    brought: BroughtUp,
    tolerance: float,
) -> Told:
    """The cause for one entity at an instant, given the values of the view that were served, of which one differs.

    It is told by looking for the row that had what was served: an older row is late or stale, none is unknown.
    """
    known, found = past.known(code, at), past.served(code, at, served, tolerance)
    if found is None:
        return Told("late" if known is not None and _is_nothing(plan, served) else "unknown", None, known)
    if past.expired(found, at):
        return Told("stale", found, known)
    if known is None or found.event >= known.event:
        return Told("unknown", found, known)
    until = brought.until(plan.name, at)
    return Told("stale" if until is not None and until >= known.usable else "late", found, known)


def _is_nothing(plan: ViewPlan, served: Mapping[str, Scalar]) -> bool:
    """Whether these are what the view's policy gives where there is no row."""
    falls_back = plan.stale in ("default", "serve")
    return all(value == (plan.defaults.get(name) if falls_back else None) for name, value in served.items())
