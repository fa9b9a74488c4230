"""Any stretch of time beside the reference or another stretch, from windows already judged where that will do."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from modelyard.core import Digest
from modelyard.history import PredictionLog
from modelyard.inference import Bundle, ReferenceProfile

from .counts import ColumnCounts
from .judging import drift_score, drifts
from .quality import quality_of
from .records import FeatureDrift, FeatureQuality, Window
from .references import Kept, Reference, References
from .seen import gather, live_version
from .settings import MonitorSettings
from .windows import Monitors

Interval = tuple[datetime, datetime]
"""From the first instant to the one after the last."""


class Stretch(msgspec.Struct, frozen=True):
    """What was asked of a deployment in [start, end), feature by feature, beside the `reference`.

    `told_by` says whether windows judged before were added up, so many of them, or the log was read. `version` is the
    one live at the end; features are counted in the bins of its bundle. Labels tell nothing here.
    """

    deployment: str
    version: str
    start: str
    end: str
    reference: str
    told_by: Literal["windows", "log"]
    windows: int
    requests: int
    features: tuple[FeatureDrift, ...]
    predictions: FeatureDrift | None
    quality: tuple[FeatureQuality, ...]
    drift_score: float
    verdict: Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Looked:
    """A stretch, with the counts that it rests on and those that it was compared with."""

    stretch: Stretch
    profile: ReferenceProfile
    columns: Mapping[str, ColumnCounts]
    predictions: ColumnCounts | None
    reference: Reference


@dataclass(frozen=True)
class _Counted:
    """Counts of a stretch, and how they were found."""

    columns: tuple[ColumnCounts, ...]
    predictions: ColumnCounts | None
    requests: int
    windows: int


class Stretches:
    """Looks at any stretch. Where judged windows of one bundle make it up their counts are added, which is quick.

    Otherwise the log is read, which takes as long as a window of that length does. Nothing is recorded.
    """

    def __init__(
        self,
        monitors: Monitors,
        references: References,
        log: PredictionLog,
        profile_of: Callable[[str, str], tuple[Digest | None, ReferenceProfile | None]],
        bundle_of: Callable[[str, str], Bundle],
    ) -> None:
        """`profile_of` and `bundle_of`: of a deployment's version; the first without loading its model."""
        self._monitors = monitors
        self._references = references
        self._log = log
        self._profile_of = profile_of
        self._bundle_of = bundle_of

    def look(self, deployment: str, start: datetime, end: datetime, against: Interval | None = None) -> Looked | None:
        """A stretch beside the deployment's reference, or beside the stretch `against`; None when nothing was asked.

        The other stretch has an empty name where nothing was asked in it: there is nothing to compare then.
        """
        settings = self._monitors.watched.get(deployment, MonitorSettings())
        windows = self._making_up(deployment, start, end)
        version = windows[-1].version if windows else live_version(self._log, deployment, start, end)
        if version is None:
            return None
        digest, profile = self._profile_of(deployment, version)
        counted = self._added(windows, digest) or self._read(deployment, version, start, end)
        if profile is None:
            profile = self._bundle_of(deployment, version).profile
        if against is None:
            reference = self._reference(deployment, version, digest, profile, settings, start)
        else:
            reference = self._other(deployment, version, digest, against)
        return _looked(deployment, version, (start, end), counted, profile, reference, settings)

    def _making_up(self, deployment: str, start: datetime, end: datetime) -> list[Window]:
        """The judged windows that the stretch consists of; none where a part of it is of no judged window."""
        known = self._monitors.windows(deployment)
        until = self._monitors.judged_until(deployment)
        if not known or until is None or end > until or start < datetime.fromisoformat(known[0].start):
            return []
        times = [(datetime.fromisoformat(each.start), datetime.fromisoformat(each.end), each) for each in known]
        touching = [(first, last, each) for first, last, each in times if first < end and last > start]
        whole = all(start <= first and last <= end for first, last, _ in touching)
        return [each for _, _, each in touching] if whole else []

    def _added(self, windows: Sequence[Window], digest: Digest | None) -> _Counted | None:
        """The counts of windows added up; None unless they are kept of all, over the bins of one bundle."""
        kept = [self._monitors.kept(each.deployment, each.start) for each in windows]
        known = [each for each in kept if each is not None and each.bundle == digest]
        if not known or len(known) < len(windows):
            return None
        return _Counted(_sum_of(known), _scores_of(known), sum(each.requests for each in windows), len(windows))

    def _read(self, deployment: str, version: str, start: datetime, end: datetime) -> _Counted:
        bundle = self._bundle_of(deployment, version)
        seen = gather(self._log, deployment, start, end, bundle=bundle, as_of=end)
        return _Counted(seen.columns, seen.predictions, len(seen.answers), 0)

    def _reference(
        self,
        deployment: str,
        version: str,
        digest: Digest | None,
        profile: ReferenceProfile,
        settings: MonitorSettings,
        start: datetime,
    ) -> Reference:
        """As the deployment's windows have it; a period that no window was compared with yet is read from the log."""
        known = self._references.known(deployment, digest, profile, settings, start) if digest is not None else None
        return known or self._references.of(deployment, self._bundle_of(deployment, version), settings, start)[0]

    def _other(self, deployment: str, version: str, digest: Digest | None, against: Interval) -> Reference:
        counted = self._added(self._making_up(deployment, *against), digest)
        counted = counted or self._read(deployment, version, *against)
        name = f"{against[0].isoformat()} to {against[1].isoformat()}" if counted.requests else ""
        return Reference(name, {each.name: each for each in counted.columns}, counted.predictions, {})


def _looked(
    deployment: str,
    version: str,
    of: Interval,
    counted: _Counted,
    profile: ReferenceProfile,
    reference: Reference,
    settings: MonitorSettings,
) -> Looked:
    features = drifts(counted.columns, reference.columns, settings)
    predictions = None
    if counted.predictions is not None and reference.predictions is not None:
        (predictions,) = drifts([counted.predictions], {reference.predictions.name: reference.predictions}, settings)
    judged = [each.verdict for each in (*features, *([predictions] if predictions is not None else []))]
    stretch = Stretch(
        deployment=deployment,
        version=version,
        start=of[0].isoformat(),
        end=of[1].isoformat(),
        reference=reference.name,
        told_by="windows" if counted.windows else "log",
        windows=counted.windows,
        requests=counted.requests,
        features=features,
        predictions=predictions,
        quality=quality_of(counted.columns, settings),
        drift_score=drift_score(features, profile.importance),
        verdict="fail" if "fail" in judged else "pass" if "pass" in judged else "inconclusive",
    )
    return Looked(stretch, profile, {each.name: each for each in counted.columns}, counted.predictions, reference)


def _sum_of(kept: Sequence[Kept]) -> tuple[ColumnCounts, ...]:
    """Columns that every window has: one that was hidden in some of them says nothing of the others."""
    by_name = [{each.name: each for each in one.columns} for one in kept]
    return tuple(
        summed([one[each.name] for one in by_name])
        for each in kept[-1].columns
        if all(each.name in one for one in by_name)
    )


def _scores_of(kept: Sequence[Kept]) -> ColumnCounts | None:
    scores = [each.predictions for each in kept]
    known = [each for each in scores if each is not None]
    return summed(known) if known and len(known) == len(scores) else None


def summed(parts: Sequence[ColumnCounts]) -> ColumnCounts:
    """Counts of one column over the same bins, as if all their rows had been counted at once.

    Means and deviations follow from their sums; of the new levels those are told that any part told.
    """
    new: Counter[str] = Counter()
    for each in parts:
        new.update(each.new)
    first = parts[0]
    mean, deviation = _moments(parts)
    return ColumnCounts(
        first.name,
        first.kind,
        tuple(map(sum, zip(*(each.bins for each in parts), strict=True))),
        sum(each.missing for each in parts),
        sum(each.mistyped for each in parts),
        sum(each.outside for each in parts),
        dict(new.most_common(20)),
        mean,
        deviation,
    )


def _moments(parts: Sequence[ColumnCounts]) -> tuple[float | None, float | None]:
    """Mean and deviation of all rows; None where a part with rows does not know its own."""
    rows = [sum(each.bins) for each in parts]
    total, square = 0.0, 0.0
    for count, each in zip(rows, parts, strict=True):
        if count and (each.mean is None or each.deviation is None):
            return None, None
        if each.mean is not None and each.deviation is not None:
            total += count * each.mean
            square += count * (each.deviation**2 + each.mean**2)
    if not sum(rows):
        return None, None
    mean = total / sum(rows)
    return mean, math.sqrt(max(0.0, square / sum(rows) - mean**2))
