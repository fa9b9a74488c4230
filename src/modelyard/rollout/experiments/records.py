"""What is asked of an experiment, and what was found: plain values that a file of JSON holds."""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import msgspec
import pyarrow as pa

Kind = Literal["binary", "continuous", "ratio"]
Role = Literal["metric", "guardrail"]
State = Literal["better", "worse", "safe", "harmed", "open", "too few"]
Correction = Literal["holm", "benjamini-hochberg"]
FixedTest = Literal["z", "student", "welch", "mann-whitney", "chi-square", "g", "fisher"]


class Metric(msgspec.Struct, frozen=True):
    """A column that the arms are compared by. `kind` None: told from its values. `per`: a ratio's denominator."""

    name: str
    kind: Kind | None = None
    per: str | None = None
    role: Role = "metric"
    lower_is_better: bool = False


class Question(msgspec.Struct, frozen=True):
    """What is asked of a file of units, arms and metrics.

    `planned`: units of all arms when the plan ends. `fixed`: the test that decides once, at the end; None decides by
    confidence sequence, at any time. `margin`: the worsening that a guardrail may show, as a share of the control's.
    """

    unit: str
    arm: str
    metrics: tuple[Metric, ...]
    covariates: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    time: str | None = None
    control: str | None = None
    shares: dict[str, float] = {}
    planned: int | None = None
    alpha: float = 0.05
    correction: Correction = "holm"
    fixed: FixedTest | None = None
    margin: float = 0.05


class Rows(Protocol):
    """Rows with units, arms and metrics: a file's (`data.Reading`), or those of a live log."""

    @property
    def schema(self) -> pa.Schema:
        """Columns and types."""

    def only(self, names: Sequence[str]) -> "Rows":
        """The same rows with these columns alone, in this order."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, each time anew."""


class ArmUnits(msgspec.Struct, frozen=True):
    """Units of an arm, and the share of all that it should have."""

    arm: str
    units: int
    expected: float


class Shares(msgspec.Struct, frozen=True):
    """Whether the arms have the units that they should: the e-value, and its always-valid p-value."""

    e_value: float
    p_value: float
    mismatch: bool


class Look(msgspec.Struct, frozen=True):
    """A difference as it was known after some units: with its interval, and in standard errors beside what it takes."""

    units: int
    at: str
    difference: float
    low: float
    high: float
    z: float
    boundary: float


class Found(msgspec.Struct, frozen=True):
    """A metric of a treatment against the control. `lack`: units an arm lacks before it may be looked at.

    `needed`: how many more units, of all arms, would tell if all stays as it is; None: none would.
    `kept`: the share of the variance that covariates left.
    """

    treatment: str
    metric: str
    kind: Kind
    role: Role
    lower_is_better: bool
    units: int
    missing: int
    test: str
    control_value: float | None = None
    treatment_value: float | None = None
    difference: float | None = None
    relative: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    measure: str = "difference"
    effect: float | None = None
    kept: float = 1.0
    lack: int = 0
    needed: int | None = None
    state: State = "open"
    path: tuple[Look, ...] = ()


class Segment(msgspec.Struct, frozen=True):
    """The same within a segment. To look where an effect comes from: nothing is decided by it, and p-values are Holm's
    over all segments.
    """

    column: str
    level: str
    found: Found


class Judged(msgspec.Struct, frozen=True):
    """What is concluded of one treatment, and why."""

    treatment: str
    verdict: Literal["pass", "fail", "inconclusive"]
    reasons: tuple[str, ...]


class ExperimentReport(msgspec.Struct, frozen=True):
    """All that was found. `report` draws it again from here."""

    source: str
    rows: int
    units: int
    unassigned: int
    mixed: int
    control: str | None
    alpha: float
    planned: int
    fixed: FixedTest | None
    margin: float
    correction: Correction
    arms: tuple[ArmUnits, ...]
    shares: Shares | None
    found: tuple[Found, ...]
    segments: tuple[Segment, ...]
    judged: tuple[Judged, ...]
    verdict: Literal["pass", "fail", "inconclusive"]
    reasons: tuple[str, ...]
    format: int = 1
