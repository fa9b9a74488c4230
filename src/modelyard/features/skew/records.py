"""What a check of training-serving skew finds."""

from typing import Literal

import msgspec

from modelyard.core import Scalar

Cause = Literal["late", "stale", "definition", "unknown"]
"""Why a value that was served is not the one that training would see.

late: a newer value was known, and had not reached the online store. stale: an expired value was served, or an older one
although the view had been materialized beyond the newer. definition: the view or expression is another now than the one
that served. unknown: none of these; the value is nowhere in the source.
"""

CAUSES: tuple[Cause, ...] = ("late", "stale", "definition", "unknown")
"""The causes, in the order in which reports count them."""


class SkewColumn(msgspec.Struct, frozen=True):
    """One feature (`view:feature`): how many served values were compared, how many differ, and why.

    `rate` is differing / compared, 0 without any. `largest` is the greatest difference between numbers, None without
    one. Inconclusive when nothing could be compared; `reason` says why, or what changed of the definition.
    """

    feature: str
    compared: int
    differing: int
    rate: float
    causes: dict[Cause, int]
    largest: float | None
    verdict: Literal["pass", "fail", "inconclusive"]
    reason: str


class SkewExample(msgspec.Struct, frozen=True):
    """One value that differs: `served` to prediction `prediction_id` at event time `at`, and what it should have been.

    `key` are the fields that name the entity. `served_from` and `recomputed_from` are the event times of the rows that
    the values come from; None where there is no such row. Instants are ISO 8601, UTC.
    """

    prediction_id: str
    at: str
    version: str
    feature: str
    key: dict[str, Scalar]
    served: Scalar
    recomputed: Scalar
    cause: Cause
    served_from: str | None
    recomputed_from: str | None


class SkewReport(msgspec.Struct, frozen=True):
    """The training-serving skew of a deployment's answers with start <= event time < end (ISO 8601, UTC).

    `predictions` were answered, `compared` are those of which at least one value was, `differing` those with at least
    one that differs; `rate` is differing / compared, 0 without any. With a `sample`, no more than so many were looked
    at. Passes when values were compared and no more than `max_rate` of the predictions differ; no data never passes.
    """

    deployment: str
    start: str
    end: str
    sample: int | None
    tolerance: float
    max_rate: float
    versions: tuple[str, ...]
    predictions: int
    compared: int
    differing: int
    rate: float
    causes: dict[Cause, int]
    columns: tuple[SkewColumn, ...]
    examples: tuple[SkewExample, ...]
    verdict: Literal["pass", "fail", "inconclusive"]
    reasons: tuple[str, ...]
