"""What language models made of a window: one pass over its records, by arm, and as a window tells it."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import numpy as np
import pyarrow as pa

from modelyard.core import Verdict
from modelyard.history import PredictionLog
from modelyard.journal import Generated
from modelyard.stats import wilson

from .records import FeatureDrift, GeneratedArm, GeneratedSeen, Rate, Window
from .settings import MonitorSettings

UP, DOWN = "up", "down"
"""Labels of an answer that a person liked, and of one that he did not."""

THUMBS = "thumbs"
"""The share of `up` among these labels, as a metric of a window."""

_READ = ("arm", "role", "answered", "latency_us", "error", "generated", "label")
_COLUMNS = (
    "prediction_id", "event_us", "arm", "role", "answered", "latency_us", "error", "generated",
)  # fmt: skip
_QUANTILES = (0.5, 0.95, 0.99)
_decode = msgspec.json.Decoder(Generated).decode


@dataclass
class _Arm:
    """Sums over the records of one arm. `spread`: squares and products of (unsupported, sentences) by answer."""

    version: str = ""
    tries: int = 0
    answers: int = 0
    errors: int = 0
    refused: int = 0
    retrieved: int = 0
    abstained: int = 0
    sentences: int = 0
    unsupported: int = 0
    spread: list[int] = field(default_factory=lambda: [0, 0, 0])
    looked_up: int = 0
    hits: int = 0
    up: int = 0
    down: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    unpriced: int = 0
    first_us: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, answered: bool, error: str | None, made: Generated, label: str | None) -> None:  # noqa: FBT001 - a column of the log
        """Count one record."""
        self.tries += 1
        self.errors += error is not None
        self.refused += any(side is not None and side.refused for side in (made.guarded_input, made.guarded_output))
        self.input_tokens += made.input_tokens
        self.cached_tokens += made.cached_tokens
        self.output_tokens += made.output_tokens
        self.cost_micros += made.cost_micros or 0
        self.unpriced += made.cost_micros is None and bool(made.upstream)
        self.looked_up += bool(made.cache)
        self.hits += made.cache == "hit"
        if error is None:
            self._answer(made)
        if answered:
            self.answers += 1
            self.up += label == UP
            self.down += label == DOWN

    def _answer(self, made: Generated) -> None:
        self.retrieved += bool(made.index)
        self.abstained += made.abstained
        bad, said = made.unsupported, made.sentences
        self.sentences += said
        self.unsupported += bad
        self.spread = [
            one + other for one, other in zip(self.spread, (bad * bad, bad * said, said * said), strict=True)
        ]
        if made.first_us is not None:
            self.first_us.append(made.first_us)

    def told(self, name: str) -> GeneratedArm:
        """As a window tells it."""
        firsts = np.frombuffer(self.first_us, np.int64) / 1000 if self.first_us else np.empty(0)
        found = np.quantile(firsts, _QUANTILES, method="inverted_cdf") if len(firsts) else ()
        return GeneratedArm(
            arm=name,
            version=self.version,
            tries=self.tries,
            answers=self.answers,
            errors=rate(self.errors, self.tries),
            refused=rate(self.refused, self.tries),
            abstained=rate(self.abstained, self.retrieved),
            unsupported=rate(self.unsupported, self.sentences, self._alike()),
            cache_hits=rate(self.hits, self.looked_up),
            thumbs=rate(self.up, self.up + self.down),
            input_tokens=self.input_tokens,
            cached_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            cost_micros=self.cost_micros,
            unpriced=self.unpriced,
            first_ms={f"p{share * 100:g}": float(value) for share, value in zip(_QUANTILES, found, strict=False)},
        )

    def _alike(self) -> float:
        """How many sentences count as one because those of an answer are alike: Kish's design effect, at least 1."""
        if not 0 < self.unsupported < self.sentences:
            return max(1.0, self.spread[2] / self.sentences) if self.sentences else 1.0
        share = self.unsupported / self.sentences
        bad, both, said = self.spread
        between = bad - 2 * share * both + share * share * said
        return max(1.0, between / (self.sentences * share * (1 - share)))


def rate(count: int, of: int, alike: float = 1.0) -> Rate:
    """A share with Wilson's 95% interval; `alike` so many rows count as one. Nothing is known of no rows."""
    ends = wilson(count / alike, of / alike)
    if ends is None:
        return Rate(count, of)
    return Rate(count, of, count / of, *ends)


@dataclass(frozen=True)
class Chats:
    """What one pass over a window's records found: what a window tells, and what it is made of.

    `labels` are thumbs, `foreign` are other labels.
    """

    seen: GeneratedSeen
    errors: Mapping[str, int]
    latency_p99_ms: float
    labels: int
    foreign: int


class ChatCounter:
    """Takes records in, a table at a time, and has what was seen in the end."""

    def __init__(self) -> None:
        self._arms: dict[str, _Arm] = {}
        self._whole = _Arm()
        self._errors: dict[str, int] = {}
        self._latencies = array("q")
        self._foreign = 0

    def add(self, version: str, table: pa.Table) -> None:
        """Count records of one version, with their labels."""
        columns = (table.column(each).to_pylist() for each in _READ)
        for name, role, answered, latency, error, written, label in zip(*columns, strict=True):
            made = _decode(written) if written else Generated()
            arm = self._arms.setdefault(name, _Arm())
            arm.version = version
            arm.add(answered, error, made, label)
            if role == "shadow":
                continue
            self._whole.add(answered, error, made, label)
            if error is not None:
                self._errors[error] = self._errors.get(error, 0) + 1
            if answered:
                self._latencies.append(latency)
                self._foreign += label not in (None, UP, DOWN)

    def chats(self) -> Chats:
        """What the records add up to."""
        arms = tuple(each.told(name) for name, each in sorted(self._arms.items()))
        whole = self._whole.told("")
        seen = GeneratedSeen(whole, arms, sum(each.cost_micros for each in arms))
        latencies = np.frombuffer(self._latencies, np.int64) if self._latencies else np.empty(0)
        p99 = float(np.quantile(latencies, 0.99)) / 1000 if len(latencies) else 0.0
        return Chats(seen, self._errors, p99, whole.thumbs.of, self._foreign)


def read_chats(log: PredictionLog, deployment: str, start: datetime, end: datetime, as_of: datetime) -> Chats:
    """One pass over the records of [start, end), with the labels known at `as_of`. Memory holds a row group."""
    counter = ChatCounter()
    for version, table in log.by_place(
        deployment, start=start, end=end, answered=None, columns=_COLUMNS, features=False, labels=True, as_of=as_of
    ):
        counter.add(version, table)
    return counter.chats()


def chat_window(chats: Chats, deployment: str, version: str, start: datetime, end: datetime, as_of: datetime) -> Window:
    """The window of a language model's deployment, not judged yet: its only metric on labels is `thumbs`."""
    whole = chats.seen.whole
    thumbs = whole.thumbs
    known = thumbs.value is not None and thumbs.lower is not None and thumbs.upper is not None
    return Window(
        deployment=deployment,
        version=version,
        start=start.isoformat(),
        end=end.isoformat(),
        requests=whole.answers,
        errors=whole.errors.count,
        latency_p99_ms=chats.latency_p99_ms,
        labels=chats.labels,
        coverage=chats.labels / max(1, whole.answers),
        features=(),
        drift_score=0.0,
        performance={THUMBS: thumbs.value} if thumbs.value is not None else {},
        intervals={THUMBS: (thumbs.lower, thumbs.upper)} if known else {},  # type: ignore[dict-item]  # known: all three are there
        baseline={},
        verdict=Verdict.INCONCLUSIVE.value,
        reasons=(),
        as_of=as_of.isoformat(),
        errors_by=dict(chats.errors),
        foreign=chats.foreign,
        reference="",
        generated=chats.seen,
    )


def judge_chats(window: Window, settings: MonitorSettings, unknown: str) -> Window:
    """The window with its verdict: fails on drift, or where thumbs are below a floor; `unknown` says why nothing can be
    told of drift, where that is so.
    """
    reasons = [f"data drift in {each.name} ({each.reason})" for each in window.features if each.verdict == "fail"]
    reasons += _below_floor(window, settings)
    if reasons:
        return _judged(window, Verdict.FAIL, reasons)
    if unknown or all(each.verdict == "inconclusive" for each in window.features):
        return _judged(window, Verdict.INCONCLUSIVE, [unknown or f"{window.requests} answers cannot show drift"])
    return _judged(window, Verdict.PASS, [])


def _below_floor(window: Window, settings: MonitorSettings) -> Iterator[str]:
    """Thumbs of enough labels that are worse than their floor."""
    value, floor = window.performance.get(THUMBS), settings.floors.get(THUMBS)
    if value is not None and floor is not None and window.labels >= settings.min_labels and value < floor:
        yield f"{THUMBS} {value:.3f} is worse than its floor {floor:g}"


def _judged(window: Window, verdict: Verdict, reasons: Sequence[str]) -> Window:
    return msgspec.structs.replace(window, verdict=verdict.value, reasons=tuple(reasons))


def with_drift(window: Window, features: tuple[FeatureDrift, ...], score: float, reference: str) -> Window:
    """The window with what drifted against a reference."""
    return msgspec.structs.replace(window, features=features, drift_score=score, reference=reference)
