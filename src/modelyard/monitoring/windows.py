"""Windows: what was seen of a deployment, judged when the window closes, and again as labels arrive."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import numpy as np

from modelyard.core import Clock, Digest, InvalidInput, ModelyardError, Verdict
from modelyard.history import PredictionLog
from modelyard.inference import Bundle, ReferenceProfile, SampledRows
from modelyard.storage import RecordStore, Transaction

from .alerts import AlertBook
from .concept import concept_drift
from .direct import estimated_directly, labelled, second_opinion
from .estimated import Calibration, calibration_of, contradicted, estimated
from .fairness import group_rates
from .generated import THUMBS, chat_window, judge_chats, read_chats, with_drift
from .judging import drift_score, drifts, is_binary, verdict_of
from .measured import SPEAKS_FOR, measured
from .outliers import outliers_of
from .performance import realised
from .quality import quality_of
from .records import Estimated, FeatureDrift, SecondOpinion, Window
from .references import KEPT, Kept, Reference, References, kept_of
from .report import Watched
from .sample import told_losses
from .seen import Answers, Seen, gather, live_version
from .segments import segments_of
from .settings import First, MonitorSettings
from .spans import Span, aligned, closed_spans, first_start
from .together import drift_together
from .topics import TopicReferences, weights

KIND = "window"
CURSOR = "window-cursor"

BundleOf = Callable[[str, str], Bundle | None]
"""The bundle of a deployment's version; None for one that predicts nothing: an application of a language model."""


@dataclass(frozen=True)
class _Judged:
    """A window, and what is kept of it."""

    window: Window
    kept: Kept


class Monitors:
    """Watches deployments window by window. Each closed window is judged, whatever is restarted, as if nothing was.

    A window is judged as known when it closes, and once more, as known then, with each of the next `revisions` windows
    that close: labels and records that came later count then. What is judged depends on the log alone, not on when it
    is run, but for records that reach the log after their window closed. Alerts, windows and the place up to which
    everything is judged: alerts first, then all else at once, so that a crash makes a window be judged again, to the
    same verdicts. Costs a pass over the window's own files, and one without features over those of a revision.
    """

    def __init__(
        self,
        records: RecordStore,
        log: PredictionLog,
        clock: Clock,
        bundle_of: BundleOf,
        monitors: Mapping[str, MonitorSettings],
        alerts: AlertBook,
    ) -> None:
        self._records = records
        self._log = log
        self._clock = clock
        self._bundle_of = bundle_of
        self._references = References(records, log)
        self._topics = TopicReferences(records, log)
        self.watched = monitors
        self.alerts = alerts

    def run(self, deployment: str, *, since: datetime | None = None) -> list[Window]:
        """Judge every window that has closed and was not judged yet, oldest first, and revise those before.

        `since` says where the first run begins; earlier than what was judged before, the windows in between are judged
        too. Windows of a count have no place before the first: InvalidInput.
        """
        settings, now = self.watched[deployment], self._clock.now()
        until = self.judged_until(deployment)
        judged = self._fill(deployment, settings, since, until) if until is not None and since is not None else []
        start = until or first_start(settings, now, since)
        for span in closed_spans(self._log, deployment, settings, start, now):
            found = self._judged(deployment, span, settings)
            if found is not None:
                self._tell(found.window, settings)  # first: a crash in between repeats it, and repeating is harmless
                judged.append(found.window)
            self._save(deployment, span, found, list(self._revised(deployment, span, settings)))
        return judged

    def judge(self, deployment: str, start: datetime, end: datetime) -> Window | None:
        """Look at any stretch as a window, as known when it closes; None when nothing was asked in it.

        Nothing is recorded. A deployment without a monitor is judged by the defaults.
        """
        settings = self.watched.get(deployment, MonitorSettings())
        found = self._judged(deployment, Span(start, end, end + settings.late), settings)
        return None if found is None else found.window

    def windows(self, deployment: str, *, last: int | None = None) -> list[Window]:
        """Every judged window as it was judged last, or the `last` so many of them, oldest first."""
        if last is not None:
            return self._newest(deployment, last)[::-1]
        with self._records.snapshot() as view:
            return [msgspec.convert(each.body, Window) for each in view.scan(KIND, prefix=f"{deployment}/")]

    def latest(self, deployment: str) -> Window | None:
        """The newest judged window."""
        found = self._newest(deployment, 1)
        return found[0] if found else None

    def kept(self, deployment: str, start: str) -> Kept | None:
        """The counts behind the verdicts of the window that starts then."""
        with self._records.snapshot() as view:
            document = view.get(KEPT, f"{deployment}/{start}")
        return None if document is None else msgspec.convert(document.body, Kept)

    def told(self, deployment: str, model: str) -> Watched:
        """Everything a page tells of a deployment; see `monitor_page`."""
        settings, windows = self.watched[deployment], self.windows(deployment)
        if not windows:
            return Watched(deployment, model, settings.metric, ())
        newest = windows[-1]
        bundle = self._bundle_of(deployment, newest.version)
        if bundle is None:
            return Watched(deployment, model, THUMBS, windows)
        before = datetime.fromisoformat(newest.start)
        reference, _ = self._references.of(deployment, bundle, settings, before)
        kept = self.kept(deployment, newest.start)
        return Watched(deployment, model, settings.metric, windows, kept, reference, bundle.profile)

    def beside(self, window: Window, digest: Digest, profile: ReferenceProfile) -> tuple[Kept | None, Reference | None]:
        """The counts of a window and those it was compared with, from the record store alone.

        `digest` and `profile` are those of the bundle of the window's version. None for what is not kept: windows of
        releases before, and a reference that is a period of the log which was not read yet.
        """
        settings = self.watched.get(window.deployment, MonitorSettings())
        before = datetime.fromisoformat(window.start)
        reference = self._references.known(window.deployment, digest, profile, settings, before)
        return self.kept(window.deployment, window.start), reference

    def told_importance(self, window: Window) -> Mapping[str, float]:
        """How much each feature weighs in the version of a window."""
        bundle = self._bundle_of(window.deployment, window.version)
        return {} if bundle is None else bundle.profile.importance

    def _newest(self, deployment: str, limit: int, before: str = "") -> list[Window]:
        prefix = f"{deployment}/"
        after = prefix + before if before else ""
        with self._records.snapshot() as view:
            found = view.scan(KIND, prefix=prefix, after=after, limit=limit, descending=True)
        return [msgspec.convert(each.body, Window) for each in found]

    def judged_until(self, deployment: str) -> datetime | None:
        """Up to when every window of a deployment is judged; None before the first."""
        with self._records.snapshot() as view:
            document = view.get(CURSOR, deployment)
        if document is not None:
            return datetime.fromisoformat(document.body["until"])
        latest = self.latest(deployment)  # windows of releases that kept no cursor
        return datetime.fromisoformat(latest.end) if latest is not None else None

    def _fill(self, deployment: str, settings: MonitorSettings, since: datetime, until: datetime) -> list[Window]:
        """Judge the windows from `since` on that are missing before the ones that were judged."""
        with self._records.snapshot() as view:
            first = view.scan(KIND, prefix=f"{deployment}/", limit=1)
        begun = datetime.fromisoformat(first[0].body["start"]) if first else until
        if since >= begun:
            return []
        if settings.count is not None:
            raise InvalidInput(
                f"Windows of '{deployment}' are of {settings.count} answers each, from {begun.isoformat()} on.",
                code="NO_EARLIER_WINDOWS",
                remedy="Look at earlier ones with: modelyard drift analyze.",
            )
        judged, start = [], aligned(since, settings.window)
        while start + settings.window <= begun:
            span = Span(start, start + settings.window, start + settings.window + settings.late)
            if (found := self._judged(deployment, span, settings)) is not None:
                judged.append(found.window)
                with self._records.transaction() as tx:
                    _put(tx, found)
            start += settings.window
        return judged

    def _judged(self, deployment: str, span: Span, settings: MonitorSettings) -> _Judged | None:
        version = live_version(self._log, deployment, span.start, span.end)
        if version is None:
            return None
        bundle = self._bundle_of(deployment, version)
        if bundle is None:
            return self._judged_chats(deployment, version, span, settings)
        if isinstance(settings.reference, First):
            raise InvalidInput(
                f"Windows of '{deployment}' cannot be compared with the first answers of a version: it predicts.",
                code="NO_SUCH_REFERENCE",
                remedy=f"monitoring.{deployment}.reference: bundle, previous, or {{from, to}}",
            )
        seen = self._gather(deployment, span, bundle, settings, features=True)
        reference, earlier = self._references.of(deployment, bundle, settings, span.start)
        features = drifts(seen.columns, reference.columns, settings)
        estimates, second = _estimated(bundle, seen, earlier, settings)
        window = Window(
            deployment=deployment,
            version=version,
            start=span.start.isoformat(),
            end=span.end.isoformat(),
            requests=len(seen.answers),
            errors=sum(seen.errors.values()),
            latency_p99_ms=_p99(seen.answers),
            labels=0,
            coverage=0.0,
            features=features,
            drift_score=drift_score(features, bundle.profile.importance),
            performance={},
            baseline=dict(bundle.profile.performance),
            verdict=Verdict.INCONCLUSIVE.value,
            reasons=(),
            errors_by=seen.errors,
            predictions=_predictions(seen, reference, settings),
            quality=quality_of(seen.columns, settings),
            reference=reference.name,
            estimated=estimates,
            second_opinion=second,
            together=drift_together(bundle.profile, reference.sample, _rows(seen)) if settings.multivariate else None,
            outliers=outliers_of(seen.outliers, bundle.profile, settings),
        )
        window = _with_labels(window, seen, bundle, reference, settings, span.closes, earlier)
        return _Judged(window, kept_of(seen, version, bundle.digest, _calibration(bundle, seen.answers)))

    def _judged_chats(self, deployment: str, version: str, span: Span, settings: MonitorSettings) -> _Judged:
        """The window of a language model's deployment. Its counts are not kept: a revision reads it anew."""
        chats = read_chats(self._log, deployment, span.start, span.end, span.closes)
        window = chat_window(chats, deployment, version, span.start, span.end, span.closes)
        topics = self._topics.compare(deployment, version, span.start, span.end, settings)
        features = drifts(topics.now, topics.before, settings)
        window = with_drift(window, features, drift_score(features, weights(topics.now)), topics.reference)
        return _Judged(judge_chats(window, settings, topics.unknown), Kept(version, ""))

    def _chats_again(self, older: Window, as_of: datetime, settings: MonitorSettings) -> _Judged | None:
        if older.as_of >= as_of.isoformat():
            return None
        span = Span(datetime.fromisoformat(older.start), datetime.fromisoformat(older.end), as_of)
        found = self._judged_chats(older.deployment, older.version, span, settings)
        late = found.window.requests + found.window.errors - older.requests - older.errors
        window = msgspec.structs.replace(found.window, revision=older.revision, late=older.late + max(0, late))
        if msgspec.structs.replace(window, as_of=older.as_of) == older:
            return None
        return _Judged(msgspec.structs.replace(window, revision=older.revision + 1), found.kept)

    def _gather(
        self, deployment: str, span: Span, bundle: Bundle, settings: MonitorSettings, *, features: bool
    ) -> Seen:
        grouped = tuple(dict.fromkeys((*settings.segments, *settings.groups)))
        return gather(
            self._log,
            deployment,
            span.start,
            span.end,
            bundle=bundle,
            as_of=span.closes,
            grouped=grouped if features else (),
            most=settings.most_segments,
            features=features,
        )

    def _revised(self, deployment: str, closing: Span, settings: MonitorSettings) -> Iterator[_Judged]:
        """The windows before, as known when this one closes; those for which nothing changed are left out."""
        if settings.revisions == 0:
            return
        oldest = closing.start - settings.revisions * (closing.end - closing.start)
        for older in self._newest(deployment, settings.revisions, before=closing.start.isoformat()):
            if settings.count is None and datetime.fromisoformat(older.start) < oldest:
                return
            again = self._again if older.generated is None else self._chats_again
            if (found := again(older, closing.closes, settings)) is not None:
                yield found

    def _again(self, older: Window, as_of: datetime, settings: MonitorSettings) -> _Judged | None:
        kept = self.kept(older.deployment, older.start)
        if kept is None or older.as_of >= as_of.isoformat():
            return None
        span = Span(datetime.fromisoformat(older.start), datetime.fromisoformat(older.end), as_of)
        try:
            bundle = self._bundle_of(older.deployment, older.version)
        except ModelyardError:  # a version whose bundle is gone keeps no newer window waiting: it stays as judged
            bundle = None
        if bundle is None:
            return None
        grouped = bool(settings.segments or settings.groups)
        seen = self._gather(older.deployment, span, bundle, settings, features=grouped)
        late = len(seen.answers) + sum(seen.errors.values()) - older.requests - older.errors
        if late:  # its features count too
            return self._with_late(older, late, span, settings)
        reference, earlier = self._references.of(older.deployment, bundle, settings, span.start)
        answers = seen.answers
        sample = told_losses(kept.sample, bundle.info.task, answers.times, answers.scores, answers.labels)
        seen = replace(seen, sample=sample)
        window = _with_labels(older, seen, bundle, reference, settings, as_of, earlier)
        if msgspec.structs.replace(window, as_of=older.as_of) == older:
            return None
        window = msgspec.structs.replace(window, revision=older.revision + 1)
        known = msgspec.structs.replace(kept, calibration=_calibration(bundle, seen.answers), sample=sample)
        return _Judged(window, known)

    def _with_late(self, older: Window, late: int, span: Span, settings: MonitorSettings) -> _Judged | None:
        found = self._judged(older.deployment, span, settings)
        if found is None:
            return None
        window = msgspec.structs.replace(found.window, revision=older.revision + 1, late=older.late + late)
        return _Judged(window, found.kept)

    def _tell(self, window: Window, settings: MonitorSettings) -> None:
        self.alerts.tell(
            "windows",
            window.deployment,
            measured(window, settings),
            at=datetime.fromisoformat(window.end),
            every=settings.window,
            speaks_for=SPEAKS_FOR,
        )

    def _save(self, deployment: str, span: Span, found: _Judged | None, revised: Sequence[_Judged]) -> None:
        """Everything that the close of a window changes, at once; nothing when another process was faster."""
        with self._records.transaction() as tx:
            cursor = tx.get(CURSOR, deployment)
            if cursor is not None and cursor.body["until"] >= span.end.isoformat():
                return
            for each in (*([found] if found is not None else []), *revised):
                _put(tx, each)
            tx.put(CURSOR, deployment, {"until": span.end.isoformat()})


def _put(tx: Transaction, found: _Judged) -> None:
    key = f"{found.window.deployment}/{found.window.start}"
    tx.put(KIND, key, msgspec.to_builtins(found.window))
    tx.put(KEPT, key, msgspec.to_builtins(found.kept))


def _with_labels(
    window: Window,
    seen: Seen,
    bundle: Bundle,
    reference: Reference,
    settings: MonitorSettings,
    as_of: datetime,
    earlier: Sequence[Kept],
) -> Window:
    """A window with what labels tell of its answers, and the verdicts that follow from it."""
    answers, info = seen.answers, bundle.info
    performance, intervals = realised(info.task, info.classes, answers.scores, answers.labels)
    labels = int(np.count_nonzero(~np.isnan(answers.labels)))
    enough = labels >= settings.min_labels and bool(performance)
    estimates = contradicted(window.estimated, intervals if enough else {})
    by_column = {each.column: each for each in seen.levels}
    window = msgspec.structs.replace(
        window,
        labels=labels,
        coverage=labels / max(1, len(answers)),
        performance=performance,
        intervals=intervals,
        as_of=as_of.isoformat(),
        foreign=seen.foreign,
        label_delay=_delays(answers),
        estimated=estimates,
        told_by="labels" if enough else "estimate" if estimates else "nothing",
        segments=tuple(
            segment
            for name in settings.segments
            if name in by_column
            for segment in segments_of(seen, by_column[name], bundle, reference.name, reference.by_level, settings)
        ),
        groups=tuple(
            rate
            for name in settings.groups
            if name in by_column
            for rate in group_rates(answers, by_column[name], info.task, info.classes, settings)
        ),
        concept=concept_drift(
            info.task, [each.sample for each in earlier if each.sample is not None], seen.sample, settings.concept
        ),
    )
    verdict, reasons = verdict_of(window, settings)
    return msgspec.structs.replace(window, verdict=verdict.value, reasons=reasons)


def _p99(answers: Answers) -> float:
    return float(np.quantile(answers.latencies, 0.99)) / 1000 if len(answers) else 0.0


def _delays(answers: Answers) -> dict[str, float]:
    """Quantiles of the seconds until a label was known, of those that are."""
    known = answers.delays[~np.isnan(answers.delays)]
    if not len(known):
        return {}
    shares = (0.5, 0.9, 0.99)
    found = np.quantile(known, shares)
    return {f"p{share * 100:g}": float(value) for share, value in zip(shares, found, strict=True)}


def _predictions(seen: Seen, reference: Reference, settings: MonitorSettings) -> FeatureDrift | None:
    if seen.predictions is None or reference.predictions is None:
        return None
    (found,) = drifts([seen.predictions], {reference.predictions.name: reference.predictions}, settings)
    return found


def _estimated(
    bundle: Bundle, seen: Seen, earlier: Sequence[Kept], settings: MonitorSettings
) -> tuple[dict[str, Estimated], SecondOpinion | None]:
    """What earlier labelled windows of this bundle, or the bundle itself, say of these answers; a second opinion."""
    task, profile, now = bundle.info.task, bundle.profile, _rows(seen)
    found = {}
    if is_binary(bundle.info):
        told = [each.calibration for each in earlier if each.calibration] or [profile.calibration]
        found = estimated(told, seen.answers.scores[:, 0])
    kept = [each.sample.rows for each in earlier if each.sample is not None]
    known = labelled(kept) or labelled([profile.sample] if profile.sample is not None else [])
    if known is None or now is None:
        return found, None
    if not is_binary(bundle.info):
        found = estimated_directly(task, known, now, {settings.metric, *settings.floors})
    return found, second_opinion(task, profile, known, now, found)


def _rows(seen: Seen) -> SampledRows | None:
    return seen.sample.rows if seen.sample is not None else None


def _calibration(bundle: Bundle, answers: Answers) -> Calibration:
    return calibration_of(answers.scores[:, 0], answers.labels) if is_binary(bundle.info) else ()
