"""From logged answers to a decision about a canary."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.stats import BadEvent, promotion_evidence, rollback_evidence

PROMOTE_AT = 20.0
GUARDRAILS = 2
"""Errors and latency: each may take a canary back, so that each gets half of alpha."""


@dataclass(frozen=True)
class Analysis:
    """What the log says of a canary since its rollout began.

    `rollback` and `promotion` are e-values; `worst` names the guardrail behind `rollback`.
    """

    requests: int
    bad: int
    live_requests: int
    live_bad: int
    rollback: float
    promotion: float
    worst: str

    def evidence(self) -> dict[str, Any]:
        """The numbers for the record; e-values capped to what JSON and people can read."""
        return {
            "canary_requests": self.requests,
            "canary_bad": self.bad,
            "live_requests": self.live_requests,
            "live_bad": self.live_bad,
            "rollback_e_value": min(self.rollback, 1e12),
            "promotion_e_value": min(self.promotion, 1e12),
        }


def analyse(
    predictions: pa.Table,
    shares: Mapping[int, float],
    *,
    canary: str,
    objective_ms: float,
    acceptable: float,
    sticky: bool,
) -> Analysis:
    """Analyse the prediction records of a rollout, oldest first.

    `shares`: the canary's share of traffic by route generation. A row that every arm refused is the caller's fault and
    no arm's. With `sticky` assignment only each entity's first bad event counts against an arm.
    """
    table = predictions.filter(pc.field("role") != "shadow").sort_by("logged_us")
    table = table.filter(pc.is_in(table.column("prediction_id"), value_set=_answered(table)))
    is_canary = pc.equal(table.column("arm"), canary)
    assigned = pc.or_(is_canary, table.column("answered"))
    fallback = pc.and_(pc.invert(is_canary), pc.is_in(table.column("prediction_id"), value_set=_of(table, is_canary)))
    table = table.filter(pc.and_(assigned, pc.invert(fallback)))
    is_canary = pc.equal(table.column("arm"), canary)
    failed = pc.is_valid(table.column("error"))
    slow = pc.greater(table.column("latency_us"), objective_ms * 1000)
    kinds = {"errors": failed, "latency": pc.and_(slow, pc.invert(failed))}
    bad = pc.or_(failed, slow)
    events = {kind: _events(table.filter(mask), shares, canary, sticky=sticky) for kind, mask in kinds.items()}
    evidences = {kind: rollback_evidence(found) for kind, found in events.items()}
    worst = max(evidences, key=lambda kind: evidences[kind])
    requests, canary_bad = _count(is_canary), _count(pc.and_(is_canary, bad))
    every = _events(table.filter(bad), shares, canary, sticky=sticky)
    return Analysis(
        requests=requests,
        bad=canary_bad,
        live_requests=len(table) - requests,
        live_bad=_count(bad) - canary_bad,
        rollback=evidences[worst],
        promotion=promotion_evidence(every, canary_bad, requests, acceptable=acceptable),
        worst=worst,
    )


def _events(bad: pa.Table, shares: Mapping[int, float], canary: str, *, sticky: bool) -> list[BadEvent]:
    events, seen = [], set()
    rows = zip(*(bad.column(name).to_pylist() for name in ("generation", "arm", "entity")), strict=True)
    for generation, arm, entity in rows:
        share = shares.get(generation, 0.0)
        if not 0 < share < 1:
            continue  # with one arm alone a bad event says nothing about the other
        if sticky and entity is not None:
            if entity in seen:
                continue
            seen.add(entity)
        events.append(BadEvent(share, arm == canary))
    return events


def _answered(table: pa.Table) -> pa.Array:
    return table.filter(pc.field("answered")).column("prediction_id").combine_chunks()


def _of(table: pa.Table, mask: pa.ChunkedArray) -> pa.Array:
    return table.filter(mask).column("prediction_id").combine_chunks()


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0
