"""Segments: the answers that share a level of a feature, each judged by itself."""

from collections.abc import Mapping, Sequence

import numpy as np

from modelyard.inference import MISSING_CODE, Bundle, CategoryProfile, ColumnProfile, ReferenceProfile, codes_of

from .counts import ColumnCounts, counts_of
from .judging import drift_score, drifts, worse_than
from .performance import realised
from .records import FeatureDrift, Judged, SegmentSeen
from .seen import MISSING, Levels, Seen
from .settings import MonitorSettings

ByLevel = Mapping[str, Mapping[str, Sequence[ColumnCounts]]]


def sampled_segments(profile: ReferenceProfile, columns: Sequence[str]) -> dict[str, dict[str, list[ColumnCounts]]]:
    """What a bundle knows of the segments of these columns, by column and level: counts of its sample of rows.

    Of categories alone; a bundle without a sample knows none.
    """
    known = {each.name: each for each in profile.columns}
    if profile.sample is None:
        return {}
    names = [each for each in profile.sample.columns if each in known]
    codes = codes_of(profile.sample, names)
    found = {}
    for column in columns:
        whole = known.get(column)
        if column in names and isinstance(whole, CategoryProfile):
            own = codes[:, names.index(column)]
            places = [*enumerate(whole.levels[:MISSING_CODE]), (MISSING_CODE, MISSING)]
            found[column] = {
                level: [_counted(known[name], codes[own == place, at]) for at, name in enumerate(names)]
                for place, level in places
            }
    return found


def _counted(profile: ColumnProfile, codes: np.ndarray) -> ColumnCounts:
    whole = counts_of(profile)
    bins = np.bincount(codes[codes != MISSING_CODE], minlength=len(whole.bins))[: len(whole.bins)]
    missing = int(np.count_nonzero(codes == MISSING_CODE))
    return ColumnCounts(whole.name, whole.kind, tuple(bins.tolist()), missing)


def segments_of(
    seen: Seen, levels: Levels, bundle: Bundle, reference: str, by_level: ByLevel, settings: MonitorSettings
) -> tuple[SegmentSeen, ...]:
    """Each level judged by itself: compared with the same level of the `reference`, where that knows it."""
    together = max(1, len(seen.columns) * len(levels.judged))
    before = by_level.get(levels.column, {})
    return tuple(_segment(seen, levels, code, bundle, reference, before, settings, together) for code in levels.judged)


def _segment(
    seen: Seen,
    levels: Levels,
    code: int,
    bundle: Bundle,
    reference: str,
    before: Mapping[str, Sequence[ColumnCounts]],
    settings: MonitorSettings,
    together: int,
) -> SegmentSeen:
    name, rows = levels.names[code], levels.codes == code
    known = {each.name: each for each in before.get(name, ())}
    columns = [each for each in seen.by_level[levels.column][name] if each.name != levels.column]
    found = drifts(columns, known, settings, together=together)
    drift, why = _drift(found, levels.column, name, reference, bundle.profile, before)
    labels = seen.answers.labels[rows]
    metrics, intervals = realised(bundle.info.task, bundle.info.classes, seen.answers.scores[rows], labels)
    labelled = int(np.count_nonzero(~np.isnan(labels)))
    worse = worse_than(metrics, intervals, labelled, bundle.profile.performance, settings)
    reasons = [f"data drift in {each.name} ({each.reason})" for each in found if each.verdict == "fail"] + worse
    verdict: Judged = "fail" if reasons else "pass"
    if not reasons and (labelled < settings.min_labels or not metrics):
        verdict, reasons = "inconclusive", [f"only {labelled} labels are known"]
    elif not reasons and drift == "inconclusive":
        verdict, reasons = "inconclusive", [why]
    telling = [each for each in found if each.verdict != "inconclusive"]
    return SegmentSeen(
        column=levels.column,
        level=name,
        requests=int(rows.sum()),
        labels=labelled,
        performance=metrics,
        intervals=intervals,
        drift_score=drift_score(found, bundle.profile.importance) if telling else None,
        drifted=tuple(each.name for each in found if each.verdict == "fail"),
        verdict=verdict,
        reasons=tuple(reasons),
        drift=drift,
        drift_reason=why,
    )


def _drift(
    found: Sequence[FeatureDrift],
    column: str,
    level: str,
    reference: str,
    profile: ReferenceProfile,
    before: Mapping[str, Sequence[ColumnCounts]],
) -> tuple[Judged, str]:
    """The verdict on a segment's features, and why there is none."""
    failed = [each.name for each in found if each.verdict == "fail"]
    if failed:
        return "fail", f"data drift in {', '.join(failed[:5])}"
    if any(each.verdict == "pass" for each in found):
        return "pass", "no feature drifted"
    if not before:
        return "inconclusive", _unknown(column, reference, profile)
    if not found or level not in before:
        return "inconclusive", f"the reference has no rows of {column}={level}"
    return "inconclusive", found[0].reason


def _unknown(column: str, reference: str, profile: ReferenceProfile) -> str:
    """Why nothing is known of a column's segments, and what to do."""
    if reference != "bundle":
        return "there is no earlier window to compare with yet"
    if profile.sample is None:
        return "the bundle keeps no rows to compare segments with: build it again, or set reference: previous"
    return f"the bundle knows segments of categories alone, and {column} is a number: set reference: previous"
