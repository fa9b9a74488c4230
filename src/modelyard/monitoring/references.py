"""What a window is compared with, as counts over the bundle's bins, and what is kept of each window for later ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from modelyard.core import Digest
from modelyard.history import PredictionLog
from modelyard.inference import Bundle, SampledRows
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
        profile = bundle.profile
        columns = {each.name: counts_of(each) for each in profile.columns}
        scores = counts_of(profile.scores) if profile.scores is not None else None
        by_level = sampled_segments(profile, settings.segments)
        return Reference("bundle", columns, scores, by_level, profile.sample), earlier

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
        grouped = ",".join(sorted(settings.segments))
        name = f"{period.start.isoformat()} to {period.end.isoformat()}"
        key = f"{deployment}/{bundle.digest}/{name}/{settings.most_segments}/{grouped}"
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


def _of_kept(name: str, kept: Kept | None) -> Reference:
    if kept is None:
        return Reference(name, {}, None, {})
    return Reference(name, {each.name: each for each in kept.columns}, kept.predictions, kept.by_level, _rows(kept))


def _rows(kept: Kept) -> SampledRows | None:
    return kept.sample.rows if kept.sample is not None else None
