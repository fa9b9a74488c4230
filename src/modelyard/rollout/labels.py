"""Wrong answers of both arms, by labels that all had the same time to come."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core import Micros, from_micros, to_micros
from modelyard.history import PredictionLog

from .generated import DOWN, THUMBS
from .reading import BEFORE_START, FORCED
from .records import Rollout


def wrong_answers(
    log: PredictionLog, rollout: Rollout, arm: str, *, after: int, now: datetime
) -> tuple[pa.Table, Micros]:
    """Wrong answers to requests from `after` (microseconds; 0: the beginning) until a label window ago, and until when.

    Of a language model with the guardrail `thumbs` those are the ones that a person labelled `down`.

    A label counts when it came within the window after its request, in both arms alike: counted as they come, labels
    that are quicker in one arm look like its failures (ADR 24). Answers of the live arm in the candidate's place are
    left out. Time that wall clocks go through twice is gone through once.
    """
    window = timedelta(seconds=rollout.plan.label_window_s or 0.0)
    start = from_micros(after) if after else datetime.fromisoformat(rollout.started_at) - BEFORE_START
    end = now - window
    if end <= start:
        return log.labelled(rollout.deployment, start=start, end=start), to_micros(start)
    told = log.labelled(rollout.deployment, start=start, end=end, answered=True)
    told = told.filter(pc.field("generation") >= rollout.first_generation)
    told = told.filter(pc.less_equal(pc.subtract(told.column("label_available_us"), told.column("event_us")), window))
    failed = _failed(log, rollout, arm, start, end)
    told = told.filter(pc.invert(pc.is_in(told.column("prediction_id"), value_set=failed)))
    if FORCED:
        told = told.filter(pc.invert(told.column(FORCED[0])))
    if THUMBS in rollout.plan.guardrails:
        return told.filter(pc.equal(told.column("label"), DOWN)), to_micros(end)
    return told.filter(_wrong(told, rollout.plan.label_tolerance)), to_micros(end)


def _failed(log: PredictionLog, rollout: Rollout, arm: str, start: datetime, end: datetime) -> pa.Array:
    """What the candidate did not answer itself."""
    found = log.predictions(rollout.deployment, start=start, end=end, arm=arm, columns=("prediction_id", "error"))
    return found.filter(pc.field("error").is_valid()).column("prediction_id").combine_chunks()


def _wrong(told: pa.Table, tolerance: float) -> pa.Array:
    """Which answers are not their label; with a tolerance, numbers that are further from it."""
    if tolerance == 0:
        return pc.not_equal(told.column("prediction"), told.column("label"))
    numbers = (pc.cast(told.column(name), pa.float64()) for name in ("prediction", "label"))
    return pc.greater(pc.abs(pc.subtract(*numbers)), tolerance)
