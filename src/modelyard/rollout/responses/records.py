"""What a response diff says: plain values that a file of JSON holds."""

from typing import Any, Literal

import msgspec

State = Literal["within", "beyond", "open"]
Verdict = Literal["agrees", "differs", "inconclusive"]
Kind = Literal["classes", "values", "vectors", "texts"]


class PairCounts(msgspec.Struct, frozen=True):
    """Pairs: all of them, those that the shadow answered, of these the ones that disagree; copies that failed; pairs
    that missed the latency objective at the shadow alone. Counts of several looks add up.
    """

    pairs: int = 0
    compared: int = 0
    far: int = 0
    failed: int = 0
    slow: int = 0

    def __add__(self, other: "PairCounts") -> "PairCounts":
        """Of both together."""
        mine, others = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return PairCounts(*(one + two for one, two in zip(mine, others, strict=True)))


class Measured(msgspec.Struct, frozen=True):
    """A share of pairs against its bound. `low` to `high` holds the true one at every look.

    `needed`: how many more pairs would tell, if the share stays as it is; 0: it is told; None: no number would.
    """

    name: str
    count: int
    pairs: int
    share: float | None
    low: float
    high: float
    bound: float | None
    state: State
    needed: int | None = None


class Spread(msgspec.Struct, frozen=True):
    """Quantiles of a quantity, by nearest rank, and how many values there are."""

    count: int
    mean: float | None
    quantiles: dict[str, float] = {}


class Decile(msgspec.Struct, frozen=True):
    """Pairs by the live score, a tenth of them each: up to `upper`."""

    upper: float | None
    pairs: int
    disagreeing: int
    mean_delta: float | None


class Level(msgspec.Struct, frozen=True):
    """A segment's pairs. Nothing is decided by it: the interval holds for all levels of the column together."""

    column: str
    level: str
    pairs: int
    disagreeing: int
    failed: int
    share: float | None
    low: float
    high: float
    mean_delta: float | None
    state: State


class Example(msgspec.Struct, frozen=True):
    """A pair that is far apart, or that the shadow failed at."""

    prediction_id: str
    at: str
    entity: str | None
    live: str | None
    shadow: str | None
    live_score: float | None
    shadow_score: float | None
    delta: float | None
    error: str | None = None
    segments: dict[str, str | None] = {}


class Look(msgspec.Struct, frozen=True):
    """How the disagreement stood after so many pairs."""

    pairs: int
    at: str
    share: float
    low: float
    high: float


class ResponseDiff(msgspec.Struct, frozen=True):
    """All that was found. Scores are the live answer's: of its class where there are several. Vectors have
    1, and a shadow's the least cosine to those that were answered.

    `unpaired_live`: answers without a copy, since the shadow's first; it is copied a share, or copies were dropped.
    `left_out`: pairs of other versions than these two.
    """

    deployment: str
    arm: str
    since: str | None
    live_version: str | None
    shadow_version: str | None
    kind: Kind
    pairs: int
    unpaired_live: int
    unpaired_shadow: int
    left_out: int
    alpha: float
    measured: tuple[Measured, ...]
    deltas: Spread
    sizes: Spread
    deciles: tuple[Decile, ...]
    histogram: tuple[tuple[float, ...], tuple[int, ...]] | None
    latency_ms: dict[str, Spread]
    errors: dict[str, int]
    live_errors: dict[str, int]
    live_requests: int
    levels: tuple[Level, ...]
    examples: tuple[Example, ...]
    path: tuple[Look, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    format: int = 1

    def evidence(self) -> dict[str, Any]:
        """The numbers for the record of a rollout."""
        shares = {each.name: {"share": each.share, "low": each.low, "high": each.high} for each in self.measured}
        return {"pairs": self.pairs, "shadow_version": self.shadow_version, "verdict": self.verdict, **shares}
