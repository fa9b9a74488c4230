"""Alerts, what they are about, and what becomes of them, as the record store keeps them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

import msgspec

from modelyard.core import InvalidInput, canonical_json, digest_of, shown

MOST_SERIES = 10_000
"""So many values one source may tell of a deployment at once."""

_MOST_LABELS = 10
_LONGEST = 200


class AlertSeverity(StrEnum):
    """How loud an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


LOUDNESS = {each: rank for rank, each in enumerate(AlertSeverity)}
"""Severities in order."""


class Alert(msgspec.Struct, frozen=True):
    """One rule that is broken."""

    name: str
    severity: AlertSeverity
    message: str
    model_name: str
    metric_value: float
    threshold: float


class AlertState(msgspec.Struct, frozen=True):
    """An alert over time: firing since `since`, or resolved at `until`.

    `fingerprint` is that of its rule, deployment and series; `episode` counts how often it fired. `why` it resolved,
    where a calm value is not the reason.
    """

    alert: Alert
    deployment: str
    since: str
    until: str | None = None
    fingerprint: str = ""
    episode: int = 1
    labels: dict[str, str] = {}
    runbook: str = ""
    why: str = ""


class Series(msgspec.Struct, frozen=True, order=True):
    """What a value is of: a metric's name, and labels in the order of their names."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def get(self, label: str) -> str:
        """The value of a label; nothing when it has none."""
        return next((value for name, value in self.labels if name == label), "")

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={shown(value)}" for name, value in self.labels)
        return f"{self.name}{{{inside}}}" if inside else self.name


def series(name: str, **labels: str) -> Series:
    """A series by its labels. A text beyond 200 characters is cut, and told from others by its digest."""
    if len(labels) > _MOST_LABELS:
        raise InvalidInput(f"The series {shown(name)} has {len(labels)} labels; {_MOST_LABELS} are the most.")
    return Series(name, tuple(sorted((key, bounded(value)) for key, value in labels.items() if value)))


def bounded(text: str) -> str:
    """A text itself, or its beginning and its digest."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 20]}…{digest_of(text.encode())[:12]}"


Values = Mapping[Series, float] | Mapping[str, float] | Mapping[Series | str, float]
"""Values by what they are of; a text stands for a series without labels."""


class Report(msgspec.Struct, frozen=True):
    """What one source told of a deployment last; it replaces all that the source told before.

    `speaks_for` are the metrics it would tell of if there were something to tell: what it leaves out of these has no
    data. The next report is expected `every` so long.
    """

    source: str
    deployment: str
    at: datetime
    every: timedelta
    speaks_for: tuple[str, ...]
    values: tuple[tuple[Series, float], ...]


class Standing(msgspec.Struct, frozen=True):
    """Where one alert stands. Idle when nothing is set.

    `active_since`: broken at every evaluation since. `fired_at`: firing since. `calm_since`: firing, but not broken any
    more. `silent_since`: firing, and nobody knows.
    """

    active_since: datetime | None = None
    fired_at: datetime | None = None
    calm_since: datetime | None = None
    silent_since: datetime | None = None

    @property
    def state(self) -> Literal["idle", "pending", "firing"]:
        """The state's name."""
        if self.fired_at is not None:
            return "firing"
        return "pending" if self.active_since is not None else "idle"


class Acknowledgement(msgspec.Struct, frozen=True):
    """Somebody is at it: until then it is not told again."""

    by: str
    at: datetime
    until: datetime
    note: str = ""


class Instance(msgspec.Struct, frozen=True):
    """One rule on one series of one deployment. `episode` counts its firings; what it says is of the present one."""

    fingerprint: str
    rule: str
    deployment: str
    series: Series
    standing: Standing
    alert: Alert
    labels: dict[str, str]
    runbook: str
    episode: int = 0
    resolved_at: datetime | None = None
    acknowledged: Acknowledgement | None = None


class Silence(msgspec.Struct, frozen=True):
    """Alerts that all `matchers` fit (patterns with `*`, by name of a field) are not told until then."""

    id: str
    matchers: dict[str, str]
    until: datetime
    reason: str
    by: str
    at: datetime


def fingerprint_of(rule: str, deployment: str, of: Series) -> str:
    """16 hexadecimal digits that are the same as long as rule, deployment and series are."""
    return digest_of(canonical_json([rule, deployment, of.name, [list(each) for each in of.labels]]))[:16]
