"""What the log has said of a rollout so far: a few numbers, to which each look adds what is new.

`count` is pure: the same tally, records and entities give the same. What it counts, and what it does not:

- Records that a tester forced, and shadows' copies, count for neither arm.
- A row that the candidate's signature refuses is its fault only when the live arm takes it; one that both refuse, or
  the live arm alone, is the caller's.
- The live arm's second try of what the candidate failed is charged to nobody.
- Under sticky assignment each entity counts once: for rollback its first bad event of each guardrail, for promotion and
  shares its first request. One that moves to the candidate later counts there once more, in the candidate's own count
  alone: it tells nothing of how bad events are shared (ADR 26).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.stats import PromotionEvidence, RollbackEvidence, share_sequence
from modelyard.stats.experiments import ShareEvidence

from .entities import BAD, ON_CANDIDATE, SEEN, Entities
from .generated import GeneratedGuardrail

Guardrail = Literal["errors", "timeouts", "invalid_outputs", "latency", "quality"] | GeneratedGuardrail
GUARDRAILS: tuple[Guardrail, ...] = ("errors", "timeouts", "invalid_outputs", "latency")
"""Watched in every rollout, `latency` unless requests are replayed; `quality` beside them where labels come, and those
of language models where they are declared. Each gets its part of alpha.
"""

_KINDS: Mapping[str, Guardrail] = {
    "model": "errors", "features": "errors", "input": "errors",
    "timeout": "timeouts", "invalid_output": "invalid_outputs",
}  # fmt: skip
_OPEN = 1_000
"""So many of the candidate's failures may wait for the live arm's answer; the oldest are forgotten beyond."""


class Failure(msgspec.Struct, frozen=True):
    """A row that the candidate did not answer, until the live arm has; whether it is charged to the candidate yet."""

    share: float
    entity: str | None
    charged: bool


class Tally(msgspec.Struct, frozen=True):
    """Everything counted since a rollout began. `requests` and `bad` are the candidate's, by unit: see above.

    `rows` and `live_rows` are answered requests, whoever sent them. `step_rows`: the candidate's of this step.
    """

    promotion: PromotionEvidence = PromotionEvidence()
    guardrails: dict[str, RollbackEvidence] = {}
    shares: ShareEvidence = ShareEvidence()
    rows: int = 0
    rows_bad: int = 0
    live_rows: int = 0
    live_rows_bad: int = 0
    step_rows: int = 0
    open: dict[str, Failure] = {}

    @classmethod
    def begin(cls, acceptable: float, *, quality: bool, timed: bool = True, also: Sequence[str] = ()) -> "Tally":
        """Before the first record. `quality`: whether labels count; `timed`: whether the time of answers does; `also`:
        further guardrails, which `with_bad` tells of their events.
        """
        watched = [each for each in GUARDRAILS if timed or each != "latency"]
        guardrails = [*watched, *(["quality"] if quality else []), *also]
        return cls(PromotionEvidence(acceptable=acceptable), {each: RollbackEvidence() for each in guardrails})

    @property
    def requests(self) -> int:
        """The candidate's units: requests, or entities where they are sticky."""
        return self.promotion.requests

    @property
    def bad(self) -> int:
        """Those of them that went wrong."""
        return self.promotion.bad

    @property
    def worst(self) -> str:
        """The guardrail that speaks loudest against the candidate."""
        return max(self.guardrails, key=lambda each: self.guardrails[each].value)

    def breached(self, alpha: float) -> str:
        """The guardrail by which the candidate goes back, or nothing: e-value of guardrails / alpha or more."""
        worst = self.worst
        return worst if self.guardrails[worst].value >= len(self.guardrails) / alpha else ""

    def worse_by_count(self, alpha: float) -> bool:
        """Whether the candidate's rows go wrong more often than the margin allows, whoever sent how many to which arm.

        The intervals of both arms' bad shares, which hold at all looks together, lie apart by more than the margin. It
        asks for more bad rows than a guardrail does, which knows the arms' shares of the traffic.
        """
        if not self.rows_bad or not self.live_rows:
            return False
        low, _ = share_sequence(self.rows_bad, self.rows, alpha=alpha / 2)
        _, high = share_sequence(self.live_rows_bad, self.live_rows, alpha=alpha / 2)
        return low > RollbackEvidence().margin * high

    def told(self, arm: str) -> str:
        """What speaks for the candidate, in a few words."""
        value = min(self.promotion.value, 1e12)
        return f"{self.rows_bad} bad of {self.rows} {arm} answers (e-value {value:.3g})"

    def counts(self) -> dict[str, Any]:
        """The rows of both arms for the record."""
        return {
            "canary_requests": self.rows,
            "canary_bad": self.rows_bad,
            "live_requests": self.live_rows,
            "live_bad": self.live_rows_bad,
        }

    def evidence(self) -> dict[str, Any]:
        """The numbers for the record; e-values capped to what JSON and people can read."""
        return {
            **self.counts(),
            "canary_units": self.requests,
            "canary_units_bad": self.bad,
            "rollback_e_value": min(self.guardrails[self.worst].value, 1e12) if self.guardrails else 1.0,
            "guardrails": {name: min(each.value, 1e12) for name, each in self.guardrails.items()},
            "promotion_e_value": min(self.promotion.value, 1e12),
            "shares_e_value": min(self.shares.value, 1e12),
        }


@dataclass(frozen=True)
class Unit:
    """One request that counts for an arm: at which share of the candidate, and which guardrail it broke, if any."""

    share: float
    candidate: bool
    entity: str | None
    bad: Guardrail | None


def count(
    tally: Tally,
    fresh: pa.Table,
    shares: Mapping[int, float],
    entities: Entities | None,
    *,
    arm: str,
    objective_ms: float | None,
) -> Tally:
    """The tally with new records, in the order in which they were written.

    `shares`: the candidate's share by route generation; records of other generations, and of those in which one arm
    has everything, do not count. `entities` remembers who was counted, and is changed; None: every request is a unit.
    Without `objective_ms` no answer is too slow.
    """
    units, still_open = _units(tally.open, _relevant(fresh, shares, arm), shares, arm, objective_ms)
    return msgspec.structs.replace(charged(tally, units, entities), open=still_open)


def with_bad(
    tally: Tally,
    wrong: pa.Table,
    shares: Mapping[int, float],
    entities: Entities | None,
    *,
    arm: str,
    guardrail: Guardrail = "quality",
) -> Tally:
    """The tally with bad events that only this guardrail hears of: at the share of their request."""
    rows = _relevant(wrong, shares, arm)
    units = [
        Unit(shares[generation], name == arm, entity, guardrail)
        for generation, name, entity in zip(*(rows.column(each).to_pylist() for each in _WRONG), strict=True)
    ]
    mark = BAD << list(tally.guardrails).index(guardrail)
    state = _with_events(tally.guardrails[guardrail], _first_events(units, guardrail, mark, entities))
    return msgspec.structs.replace(tally, guardrails={**tally.guardrails, guardrail: state})


def charged(tally: Tally, units: Sequence[Unit], entities: Entities | None) -> Tally:
    """The tally with so many more units."""
    rows = Counter((each.candidate, each.bad is not None) for each in units)
    canary = rows[True, False] + rows[True, True]
    new, moved = _first_requests(units, entities)
    guardrails = {
        name: _with_events(state, _first_events(units, name, BAD << place, entities))
        for place, (name, state) in enumerate(tally.guardrails.items())
    }
    return msgspec.structs.replace(
        tally,
        promotion=_with_requests(tally.promotion, new, moved),
        guardrails=guardrails,
        shares=_with_assigned(tally.shares, new),
        rows=tally.rows + canary,
        rows_bad=tally.rows_bad + rows[True, True],
        live_rows=tally.live_rows + len(units) - canary,
        live_rows_bad=tally.live_rows_bad + rows[False, True],
        step_rows=tally.step_rows + canary,
    )


_WRONG = ("generation", "arm", "entity")
_New = Counter[tuple[float, bool, bool]]
"""Units that count for the first time: by share, whether the candidate's, whether bad."""


def _first_requests(units: Sequence[Unit], entities: Entities | None) -> tuple[_New, Counter[bool]]:
    """First requests, and the first requests on the candidate of entities that had been on the live arm, by bad."""
    new: _New = Counter()
    moved: Counter[bool] = Counter()
    for unit in units:
        bad = unit.bad is not None
        first = _first(unit, SEEN, entities)
        own = unit.candidate and _first(unit, ON_CANDIDATE, entities)
        if first:
            new[unit.share, unit.candidate, bad] += 1
        elif own:
            moved[bad] += 1
    return new, moved


def _first(unit: Unit, mark: int, entities: Entities | None) -> bool:
    return entities is None or unit.entity is None or entities.first(unit.entity, mark)


def _first_events(
    units: Sequence[Unit], name: str, mark: int, entities: Entities | None
) -> Counter[tuple[float, bool]]:
    """Bad events of a guardrail, of each entity the first: by share, and whether the candidate's."""
    found = (each for each in units if each.bad == name and _first(each, mark, entities))
    return Counter((each.share, each.candidate) for each in found)


def _with_events(state: RollbackEvidence, events: Counter[tuple[float, bool]]) -> RollbackEvidence:
    for share in _shares(events):
        state = state.add(share, canary=events[share, True], live=events[share, False])
    return state


def _with_requests(state: PromotionEvidence, new: _New, moved: Counter[bool]) -> PromotionEvidence:
    for share in _shares(new):
        bad, good = new[share, True, True], new[share, True, False]
        state = state.add(share, requests=bad + good, bad=bad, live_bad=new[share, False, True])
    # Entities that moved are not shared by the weights of the moment: they tell of the candidate alone.
    return state.add(1.0, requests=moved.total(), bad=moved[True]) if moved else state


def _with_assigned(state: ShareEvidence, new: _New) -> ShareEvidence:
    for share in _shares(new):
        canary, live = (new[share, each, False] + new[share, each, True] for each in (True, False))
        state = state.add((share, 1 - share), (canary, live))
    return state


def _shares(counted: Mapping[Any, int]) -> list[float]:
    return sorted({key[0] for key in counted})


def _relevant(fresh: pa.Table, shares: Mapping[int, float], arm: str) -> pa.Table:
    """The records of both arms while they shared the traffic, in the order in which they were written."""
    shared = pa.array([each for each, share in shares.items() if 0 < share < 1], pa.int64())
    mask = pc.is_in(fresh.column("generation"), value_set=shared)
    both = pc.or_(pc.equal(fresh.column("arm"), arm), pc.equal(fresh.column("role"), "live"))
    return fresh.filter(pc.and_(mask, both))


def _units(
    waiting: Mapping[str, Failure], table: pa.Table, shares: Mapping[int, float], arm: str, objective_ms: float | None
) -> tuple[list[Unit], dict[str, Failure]]:
    """What counts of these records, and the candidate's failures whose second try has not been seen."""
    units: list[Unit] = []
    failures = dict(waiting)
    for identity, generation, name, answered, entity, latency_us, error in _rows(table):
        share = shares[generation]
        slow = objective_ms is not None and latency_us > objective_ms * 1000
        unit = Unit(share, name == arm, entity, _kind(error, slow))
        if unit.candidate and error is not None:
            failures[identity] = Failure(share, entity, charged=error != "input")
        if unit.candidate and error != "input":
            units.append(unit)
        elif not unit.candidate and (failed := failures.pop(identity, None)) is not None:
            if answered and not failed.charged:
                units.append(Unit(failed.share, candidate=True, entity=failed.entity, bad="errors"))
        elif not unit.candidate and error != "input":
            units.append(unit)
    return units, dict(list(failures.items())[-_OPEN:])


def _kind(error: str | None, slow: bool) -> Guardrail | None:  # noqa: FBT001 - the other half of what can be wrong
    """The guardrail that an answer breaks."""
    if error is not None:
        return _KINDS.get(error, "errors")
    return "latency" if slow else None


def _rows(table: pa.Table) -> Iterator[tuple[str, int, str, bool, str | None, int, str | None]]:
    columns = ("prediction_id", "generation", "arm", "answered", "entity", "latency_us", "error")
    return zip(*(table.column(name).to_pylist() for name in columns), strict=True)
