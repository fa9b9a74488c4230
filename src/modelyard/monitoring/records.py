"""Windows as the record store keeps them."""

from typing import Literal

import msgspec

from .comparing import Joint

Judged = Literal["pass", "fail", "inconclusive"]
DetectorName = Literal["adwin", "ddm", "eddm", "hddm", "page_hinkley"]


class FeatureDrift(msgspec.Struct, frozen=True):
    """One feature, or the score, of a window against the reference.

    `effect` is KS for numbers and total variation for categories, in [0, 1]; `bound` the corrected null quantile of
    that effect at these sample sizes. `verdict`: fail means drifted. `shift`: current minus reference mean, in
    reference standard deviations, for numbers.
    """

    name: str
    kind: Literal["number", "category"]
    psi: float
    effect: float
    bound: float
    missing_reference: float
    missing_current: float
    verdict: Judged
    reason: str
    shift: float | None = None


class FeatureQuality(msgspec.Struct, frozen=True):
    """The values of one feature against the model's signature, as shares of the rows.

    `unknown`: levels that the model does not know, the commonest of which are `levels`. `outside`: numbers beyond the
    least and the greatest of training. `mistyped`: values that are no number.
    """

    name: str
    missing: float
    unknown: float
    outside: float
    mistyped: float
    levels: tuple[str, ...]
    verdict: Judged
    reason: str


class Estimated(msgspec.Struct, frozen=True):
    """A metric as it would be if nothing but the inputs had changed, and the interval of that.

    `contradicted`: the metric on known labels lies elsewhere, so that the estimate is wrong.
    """

    value: float
    lower: float
    upper: float
    method: Literal["CBPE", "DLE"]
    contradicted: bool = False


class SecondOpinion(msgspec.Struct, frozen=True):
    """An estimate's metric once more, from labelled rows weighted to look like the rows of now.

    `effective` rows carry it, of `rows`; without a `value` they are too few: hardly any labelled row looks like these,
    and no estimate is to be trusted. `disagrees`: its interval and the estimate's do not meet.
    """

    metric: str
    effective: float
    rows: int
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    disagrees: bool = False


class ConceptDrift(msgspec.Struct, frozen=True):
    """What a detector says of the losses of `rows` labelled answers in their order: their means around an instant."""

    detector: DetectorName
    verdict: Judged
    reason: str
    rows: int
    at: str | None = None
    before: float | None = None
    after: float | None = None


class FeatureOutliers(msgspec.Struct, frozen=True):
    """The values of one feature beyond Tukey's fences, `low` and `high`, of training.

    `share` of the `rows` with a value; `share_reference` of training, None where the bundle does not say. `furthest`:
    (prediction id, value), the furthest first. Fails when surely more of them came than the threshold allows.
    """

    name: str
    low: float
    high: float
    rows: int
    share: float
    share_reference: float | None
    furthest: tuple[tuple[str, float], ...]
    verdict: Judged
    reason: str


class SegmentSeen(msgspec.Struct, frozen=True):
    """The answers of a window that share a level of a feature. `drift_score` is None where nothing can be compared.

    `drift`: whether its features drifted against the same segment of the reference; `drift_reason` says what it knows
    nothing for, and what to do about it.
    """

    column: str
    level: str
    requests: int
    labels: int
    performance: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    drift_score: float | None
    drifted: tuple[str, ...]
    verdict: Judged
    reasons: tuple[str, ...]
    drift: Judged = "inconclusive"
    drift_reason: str = ""


RateName = Literal["selection", "recall", "false_alarms", "high_answers", "large_errors", "too_low"]


class GroupRate(msgspec.Struct, frozen=True):
    """A rate of a group beside that of all others: `difference`, and the interval that holds it.

    `metric`, of two classes: `selection`, the share of positive answers; with labels also `recall`, of the truly
    positive, and `false_alarms`, of the truly negative. Of several classes the same of each, `of` which it is. Of
    regression `high_answers`, the share above the median of everybody's answers; with labels also `large_errors`, above
    the median of everybody's errors, and `too_low`, the share of answers below the truth.
    """

    column: str
    level: str
    metric: RateName
    rows: int
    rate: float
    others: float
    difference: float
    lower: float
    upper: float
    verdict: Judged
    of: str = ""


class Rate(msgspec.Struct, frozen=True):
    """`count` of so many, `of`: the share, and its 95% interval (Wilson); None where there were none.

    Of sentences the interval knows that those of one answer are alike.
    """

    count: int
    of: int
    value: float | None = None
    lower: float | None = None
    upper: float | None = None


class GeneratedArm(msgspec.Struct, frozen=True):
    """What one arm of a language model's deployment made of its requests.

    `tries` are its records; `answers` those whose text the caller got. `errors` and `refused` (by guards) are of tries,
    `abstained` of answers that rest on an index, `unsupported` of sentences that say something, `cache_hits` of
    requests for which a kept answer was looked for, `thumbs` the share of `up` among labels `up` and `down`.
    `cost_micros` is of those that had a price; `unpriced` had none. `first_ms`: quantiles of the time to the first
    text.
    """

    arm: str
    version: str
    tries: int
    answers: int
    errors: Rate
    refused: Rate
    abstained: Rate
    unsupported: Rate
    cache_hits: Rate
    thumbs: Rate
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micros: int
    unpriced: int
    first_ms: dict[str, float] = {}


class GeneratedSeen(msgspec.Struct, frozen=True):
    """What language models made of a window: all arms that callers hear together, and each arm by itself.

    `cost_micros` is of every arm, shadows included: they are paid for as well.
    """

    whole: GeneratedArm
    arms: tuple[GeneratedArm, ...]
    cost_micros: int


class Window(msgspec.Struct, frozen=True):
    """What was seen of one deployment in [start, end) of event time, judged when it closed, and perhaps again.

    `version` is the one live at the end; features are compared with its reference. `requests` were answered; `errors`
    are tries of arms that failed, also when another arm answered; `errors_by` says of what. `latency_p99_ms` is of the
    answers, 0 without any. `drift_score` is the importance-weighted mean effect of the features that are not
    inconclusive, 0 without any. `performance` is of the answers whose truth was known at `as_of`, with the 95% interval
    of each metric; `foreign` labels are none of the model's classes and count for nothing.

    `together`: all features at once, on a sample. `concept`: what detectors say of the losses of labelled answers.
    `outliers` are a report of their own, which does not decide on the verdict.

    `generated`: of a language model's deployment, which has no scores; `performance` then has `thumbs` alone.

    `revision` 0 is the first judgement; a later one counts `late` records that came after that. `told_by`: whether
    labels tell the performance, only an estimate does, or nothing.
    """

    deployment: str
    version: str
    start: str
    end: str
    requests: int
    errors: int
    latency_p99_ms: float
    labels: int
    coverage: float
    features: tuple[FeatureDrift, ...]
    drift_score: float
    performance: dict[str, float]
    baseline: dict[str, float]
    verdict: Judged
    reasons: tuple[str, ...]
    as_of: str = ""
    revision: int = 0
    late: int = 0
    errors_by: dict[str, int] = {}
    label_delay: dict[str, float] = {}
    foreign: int = 0
    intervals: dict[str, tuple[float, float]] = {}
    estimated: dict[str, Estimated] = {}
    told_by: Literal["labels", "estimate", "nothing"] = "nothing"
    predictions: FeatureDrift | None = None
    quality: tuple[FeatureQuality, ...] = ()
    segments: tuple[SegmentSeen, ...] = ()
    groups: tuple[GroupRate, ...] = ()
    reference: str = "bundle"
    source: Literal["rows", "sketches"] = "rows"
    together: Joint | None = None
    second_opinion: SecondOpinion | None = None
    concept: tuple[ConceptDrift, ...] = ()
    outliers: tuple[FeatureOutliers, ...] = ()
    generated: GeneratedSeen | None = None

    @property
    def drifted(self) -> tuple[str, ...]:
        """The features that drifted."""
        return tuple(each.name for each in self.features if each.verdict == "fail")
