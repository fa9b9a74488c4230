"""What a window is compared with, as counts over the bundle's bins, and what is kept of each window for later ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from modelyard.core import Digest
from modelyard.history import PredictionLog
from modelyard.inference import Bundle, ReferenceProfile, SampledRows
from modelyard.storage import RecordStore

from .counts import ColumnCounts, counts_of
from .estimated import Calibration
from .sample import WindowSample
from .seen import Seen, gather
from .segments import sampled_segments
from .settings import MonitorSettings, Period

KEPT = "window-counts"
PERIOD = "window-reference"


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a window beside its verdicts: counts, by column and by level, and what labels said of scores."""

    version: str
    bundle: str
    columns: tuple[ColumnCounts, ...] = ()
    predictions: ColumnCounts | None = None
    by_level: dict[str, dict[str, tuple[ColumnCounts, ...]]] = {}
    calibration: Calibration = ()
    sample: WindowSample | None = None


@dataclass(frozen=True)
class Reference:
    """Counts to compare with. `name`: `bundle`, `previous`, or the period; empty where there is nothing yet.

    `sample`: rows of it as they stood together, where some are kept.
    """

    name: str
    columns: Mapping[str, ColumnCounts]
    predictions: ColumnCounts | None
    by_level: Mapping[str, Mapping[str, Sequence[ColumnCounts]]]
    sample: SampledRows | None = None


def kept_of(seen: Seen, version: str, digest: Digest, calibration: Calibration) -> Kept:
    """What to keep of what was seen."""
    return Kept(version, digest, seen.columns, seen.predictions, seen.by_level, calibration, seen.sample)


class References:
    """Finds the reference of a window. Of a period the log is read once, and remembered in the record store."""

    def __init__(self, records: RecordStore, log: PredictionLog) -> None:
        self._records = records
        self._log = log

    def of(
        self, deployment: str, bundle: Bundle, settings: MonitorSettings, before: datetime
    ) -> tuple[Reference, list[Kept]]:
        """The reference of the window that starts at an instant, and what is kept of the windows before, newest first.

        Windows of another bundle have other bins: they are no reference.
        """
        earlier = [each for each in self._kept(deployment, before) if each.bundle == bundle.digest]
        if settings.reference == "previous":
            return _of_kept("previous", earlier[0] if earlier else None), earlier
        if isinstance(settings.reference, Period):
            return self._period(deployment, bundle, settings, settings.reference), earlier
        return _of_profile(bundle.profile, settings), earlier

    def known(
        self, deployment: str, digest: Digest, profile: ReferenceProfile, settings: MonitorSettings, before: datetime
    ) -> Reference | None:
        """The same reference, from the record store alone; None for a period of the log that was not read yet."""
        if settings.reference == "previous":
            earlier = (each for each in self._kept(deployment, before) if each.bundle == digest)
            return _of_kept("previous", next(earlier, None))
        if isinstance(settings.reference, Period):
            name, key = _period_key(deployment, digest, settings, settings.reference)
            with self._records.snapshot() as view:
                document = view.get(PERIOD, key)
            return None if document is None else _of_kept(name, msgspec.convert(document.body, Kept))
        return _of_profile(profile, settings)

    def _kept(self, deployment: str, before: datetime) -> list[Kept]:
        with self._records.snapshot() as view:
            found = view.scan(
                KEPT,
                prefix=f"{deployment}/",
                after=f"{deployment}/{before.isoformat()}",
                limit=_EARLIER,
                descending=True,
            )
        return [msgspec.convert(each.body, Kept) for each in found]

    def _period(self, deployment: str, bundle: Bundle, settings: MonitorSettings, period: Period) -> Reference:
        name, key = _period_key(deployment, bundle.digest, settings, period)
        with self._records.snapshot() as view:
            document = view.get(PERIOD, key)
        if document is not None:
            return _of_kept(name, msgspec.convert(document.body, Kept))
        seen = gather(
            self._log,
            deployment,
            period.start,
            period.end,
            bundle=bundle,
            as_of=period.end + timedelta(days=36500),
            grouped=settings.segments,
            most=settings.most_segments,
        )
        kept = kept_of(seen, bundle.info.version, bundle.digest, ())
        with self._records.transaction() as tx:
            tx.put(PERIOD, key, msgspec.to_builtins(kept))
        return _of_kept(name, kept)


_EARLIER = 4
"""So many windows before tell what scores are worth."""


def _period_key(deployment: str, digest: Digest, settings: MonitorSettings, period: Period) -> tuple[str, str]:
    """What a period is called, and the key of what is kept of it."""
    grouped = ",".join(sorted(settings.segments))
    name = f"{period.start.isoformat()} to {period.end.isoformat()}"
    return name, f"{deployment}/{digest}/{name}/{settings.most_segments}/{grouped}"


def _of_profile(profile: ReferenceProfile, settings: MonitorSettings) -> Reference:
    columns = {each.name: counts_of(each) for each in profile.columns}
    scores = counts_of(profile.scores) if profile.scores is not None else None
    return Reference("bundle", columns, scores, sampled_segments(profile, settings.segments), profile.sample)


def _of_kept(name: str, kept: Kept | None) -> Reference:
    if kept is None:
        return Reference(name, {}, None, {})
    return Reference(name, {each.name: each for each in kept.columns}, kept.predictions, kept.by_level, _rows(kept))


def _rows(kept: Kept) -> SampledRows | None:
    return kept.sample.rows if kept.sample is not None else None
