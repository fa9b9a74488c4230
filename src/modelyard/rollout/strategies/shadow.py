"""Shadow: a version that answers copies of all requests and is heard by nobody, until its answers can be judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..records import Plan
from ..responses import COLUMNS, Measured, PairCounts, ResponseBounds, count_pairs, judged, measure
from .canary import too_early
from .contract import Decision, Facts


@dataclass(frozen=True)
class Shadow:
    """Its answers are compared with those that were given, pair by pair.

    Over when they agree or differ, against the declared bounds, by intervals that hold at every look; until then it
    says how many more pairs it needs. When they agree, what is declared as `then` follows, with evidence of its own.
    """

    arm: str = "shadow"
    role: Literal["shadow"] = "shadow"
    columns: tuple[str, ...] = ("model_version", "prediction", "scores", "logged_us", "generated")
    by_server: bool = False

    def shares(self, plan: Plan) -> tuple[float, ...]:  # noqa: ARG002 - the same whatever the plan
        """Every request is copied."""
        return (1.0,)

    def judge(self, facts: Facts) -> Decision:
        """The verdict of all pairs so far; agreement also needs the step's time."""
        bounds = ResponseBounds.model_validate(facts.plan.response_diff)
        before = msgspec.convert(dict(facts.rollout.kept), PairCounts)
        counts = before + self._new(facts, bounds)
        kept = msgspec.to_builtins(counts)
        measured = measure(counts, bounds)
        verdict, reasons = judged(measured)
        evidence = {"pairs": counts.pairs, **{each.name: _told(each) for each in measured}}
        if verdict == "differs":
            return Decision("roll_back", f"its answers differ: {' '.join(reasons)}", evidence=evidence, kept=kept)
        missing = (*too_early(facts), *_lacking(measured))
        if verdict != "agrees" or missing:
            return Decision("hold", missing=missing or reasons, evidence=evidence, kept=kept)
        answer = f"its answers agree with those given in {counts.pairs} pairs"
        if bounds.then is not None:
            return Decision("hand_over", answer, evidence=evidence, to=bounds.then, kept={})
        return Decision("end", answer, evidence=evidence, kept=kept)

    def lacks(self, facts: Facts) -> tuple[str, ...]:  # noqa: ARG002 - whatever the facts
        """A shadow never takes over: nobody was answered by it."""
        return ("a strategy that answers somebody: a shadow alone is no evidence for that",)

    def _new(self, facts: Facts, bounds: ResponseBounds) -> PairCounts:
        """The pairs whose copies are fresh; their answers were written before them, and may be of an earlier look."""
        copies = _copies(facts, self.arm)
        if not len(copies):
            return PairCounts()
        records = pa.RecordBatchReader.from_batches(copies.schema, _with_answers(facts, copies))
        return count_pairs(records, bounds, arm=self.arm, objective_ms=facts.plan.latency_objective_ms)


def _copies(facts: Facts, arm: str) -> pa.Table:
    ours = (pc.field("role") == "shadow") & (pc.field("arm") == arm)
    return facts.fresh.filter(ours & (pc.field("model_version") == str(facts.rollout.version))).select(COLUMNS)


def _with_answers(facts: Facts, copies: pa.Table) -> Iterator[pa.RecordBatch]:
    """The copies, and the answers to their requests; only the time of the requests is read."""
    yield from copies.to_batches()
    ids, ends = copies.column("prediction_id").combine_chunks(), pc.min_max(copies.column("event_us")).as_py()
    until = ends["max"] + timedelta(microseconds=1)
    with facts.log.batches(
        facts.rollout.deployment, start=ends["min"], end=until, answered=True, columns=list(COLUMNS), features=()
    ) as answers:
        for batch in answers:
            chosen = batch.filter(pc.is_in(batch.column("prediction_id"), value_set=ids))
            yield chosen.cast(copies.schema) if chosen.schema != copies.schema else chosen


def _lacking(measured: list[Measured]) -> tuple[str, ...]:
    """How many more pairs each open bound needs."""
    found = []
    for each in measured:
        if each.bound is None or each.state != "open":
            continue
        more = "pairs that are clearer" if each.needed is None else f"about {each.needed} more pairs"
        found.append(
            f"{more} to tell whether {each.name} is within {each.bound:.3g} (now {each.count} of {each.pairs})"
        )
    return tuple(found)


def _told(each: Measured) -> dict[str, float | int | None]:
    return {"count": each.count, "share": each.share, "low": each.low, "high": each.high, "bound": each.bound}
