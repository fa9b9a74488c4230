"""Windows and alerts as the record store keeps them."""

from enum import StrEnum
from typing import Literal

import msgspec


class AlertSeverity(StrEnum):
    """How loud an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class FeatureDrift(msgspec.Struct, frozen=True):
    """One feature of a window against the reference.

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
    verdict: Literal["pass", "fail", "inconclusive"]
    reason: str
    shift: float | None = None


class Window(msgspec.Struct, frozen=True):
    """What was seen of one deployment in [start, end) of event time, judged once when it closed.

    `version` is the one live at the end; features are compared with its reference. `requests` were answered; `errors`
    are tries of arms that failed, also when another arm answered. `latency_p99_ms` is of the answers, 0 without any.
    `drift_score` is the importance-weighted mean effect of the features that are not inconclusive, 0 without any.
    `performance` is of the answers whose truth was known at the end.
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
    verdict: Literal["pass", "fail", "inconclusive"]
    reasons: tuple[str, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """The features that drifted."""
        return tuple(each.name for each in self.features if each.verdict == "fail")


class Alert(msgspec.Struct, frozen=True):
    """One rule that is broken."""

    name: str
    severity: AlertSeverity
    message: str
    model_name: str
    metric_value: float
    threshold: float


class AlertState(msgspec.Struct, frozen=True):
    """An alert over time: firing since `since`, or resolved at `until`."""

    alert: Alert
    deployment: str
    since: str
    until: str | None = None
