"""The book of alerts: what is told goes in, and what fires, since when, comes out; whatever is restarted."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from modelyard.core import Clock
from modelyard.storage import RecordStore, Snapshot, Transaction

from .groups import wait
from .machine import IDLE, step
from .readings import current, keep, report_of, reports
from .records import AlertState, Instance, Series, Standing, Values, fingerprint_of
from .rules import Rule, rules_of
from .settings import AlertSettings

INSTANCE, CLOCK, STREAM = "alert-instance", "alert-clock", "alert-history"
_TIMED = ("latency_p50", "latency_p95", "latency_p99")
_GONE = "no rule watches it any more"


class AlertBook:
    """Which alerts are pending or firing. A rule that goes on being broken stays one alert.

    Everything that one evaluation changes (states, history, what waits to be told) is one transaction: a process that
    is killed has done all of it or nothing, and to do it again changes nothing. Of two processes that evaluate, each
    change is made by one. Time is event time, and never goes back for a deployment: what is told late counts at the
    instant of the last evaluation.
    """

    def __init__(
        self,
        records: RecordStore,
        clock: Clock,
        settings: AlertSettings,
        models: Mapping[str, str] = MappingProxyType({}),
        replayed: Collection[str] = (),
    ) -> None:
        """`models` by deployment; a deployment without one is called by its own name. Of `replayed` deployments no
        latency is judged: their requests do not come as fast as they did, so that it tells nothing.
        """
        self._records = records
        self._clock = clock
        self._models = models
        self._replayed = replayed
        self.settings = settings
        self.rules = rules_of(settings)

    def tell(
        self,
        source: str,
        deployment: str,
        values: Values,
        *,
        at: datetime,
        every: timedelta,
        speaks_for: Sequence[str] = (),
    ) -> list[AlertState]:
        """Take what a source measured of a deployment at an instant, and evaluate its rules; returns what changed.

        It replaces what the source told before; something older than that changes nothing. The source is expected to
        tell again after `every`. `speaks_for` names the metrics that it would tell of if there were data.
        """
        report = report_of(source, deployment, values, at=at, every=every, speaks_for=speaks_for)
        with self._records.transaction() as tx:
            return self._evaluate(tx, deployment, at) if keep(tx, report) else []

    def evaluate(self, at: datetime | None = None) -> list[AlertState]:
        """Evaluate every rule by what is known: durations that have passed, and sources that went silent."""
        at = at or self._clock.now()
        with self._records.transaction() as tx:
            known = {each.deployment for each in reports(tx)} | {each.deployment for each in opened(tx)}
            return [change for each in sorted(known) for change in self._evaluate(tx, each, at)]

    def firing(self, deployment: str | None = None) -> list[AlertState]:
        """The alerts that fire now."""
        return [state_of(each) for each in self.open(deployment) if each.standing.fired_at is not None]

    def open(self, deployment: str | None = None) -> list[Instance]:
        """The alerts that are pending or firing."""
        with self._records.snapshot() as view:
            return opened(view, deployment)

    def known(self) -> list[Instance]:
        """Every alert that ever fired, those that are resolved included."""
        with self._records.snapshot() as view:
            return [msgspec.convert(each.body, Instance) for each in view.scan(INSTANCE)]

    def values(self, deployment: str) -> Mapping[Series, float]:
        """What rules would judge of a deployment now."""
        with self._records.snapshot() as view:
            return current(reports(view, deployment), self._clock.now(), self.settings.stale_after)

    def told_at(self, source: str, deployment: str) -> datetime | None:
        """When a source last told of a deployment."""
        with self._records.snapshot() as view:
            return next((each.at for each in reports(view, deployment) if each.source == source), None)

    def model_of(self, deployment: str) -> str:
        """The model of a deployment."""
        return self._models.get(deployment, deployment)

    @property
    def last(self) -> int:
        """The number of the newest entry of the history."""
        with self._records.snapshot() as view:
            return max((each.seq for each in view.entries(STREAM, limit=1, descending=True)), default=0)

    def history(self, *, after: int = 0) -> list[AlertState]:
        """Every firing and resolving beyond number `after`, oldest first."""
        with self._records.snapshot() as view:
            return [msgspec.convert(each.body, AlertState) for each in view.entries(STREAM, after=after)]

    def _evaluate(self, tx: Transaction, deployment: str, at: datetime) -> list[AlertState]:
        at = _forward(tx, deployment, at)
        told = current(reports(tx, deployment), at, self.settings.stale_after)
        values = {of: value for of, value in told.items() if deployment not in self._replayed or of.name not in _TIMED}
        changed: list[AlertState] = []
        for rule, before in self._candidates(deployment, values, opened(tx, deployment)):
            after = self._stepped(rule, before, values.get(before.series), at)
            if after.standing != before.standing:
                changed += self._change(tx, before, after, at, "" if rule is not None else _GONE)
        wait(tx, changed, self._clock.now())
        return changed

    def _candidates(
        self, deployment: str, values: Mapping[Series, float], standing: Sequence[Instance]
    ) -> Iterator[tuple[Rule | None, Instance]]:
        """Every alert to look at, with its rule: None when that is gone."""
        watched = not deployment or not self._models or deployment in self._models
        rules = {each.name: each for each in self.rules if watched and each.applies_to(deployment)}
        before = {each.fingerprint: each for each in standing}
        for rule in rules.values():
            for of, value in values.items():
                if rule.condition.fits(of):
                    new = self._new(rule, deployment, of, value)
                    yield rule, before.pop(new.fingerprint, new)
        for left in before.values():
            rule_of = rules.get(left.rule)
            yield (rule_of if rule_of is not None and rule_of.condition.fits(left.series) else None), left

    def _new(self, rule: Rule, deployment: str, of: Series, value: float) -> Instance:
        fingerprint = fingerprint_of(rule.name, deployment, of)
        alert = rule.alert(of, value, self.model_of(deployment) if deployment else "", deployment)
        labels = {**dict(of.labels), **rule.labels}
        return Instance(fingerprint, rule.name, deployment, of, IDLE, alert, labels, rule.runbook)

    def _stepped(self, rule: Rule | None, before: Instance, value: float | None, at: datetime) -> Instance:
        standing = before.standing
        if rule is None:
            return replace(before, standing=IDLE)
        reading = rule.reading(value, firing=standing.fired_at is not None)
        later = step(standing, reading, at, hold=rule.hold, keep=rule.keep)
        if standing.fired_at is not None or value is None:
            return replace(before, standing=later)
        return replace(self._new(rule, before.deployment, before.series, value), standing=later)

    def _change(self, tx: Transaction, before: Instance, after: Instance, at: datetime, why: str) -> list[AlertState]:
        """Write a changed alert down; what fired or resolved goes into the history, and is returned."""
        fired, fires = before.standing.fired_at, after.standing.fired_at
        document = tx.get(INSTANCE, after.fingerprint)
        episode = msgspec.convert(document.body, Instance).episode if document is not None else 0
        after = replace(after, episode=episode + int(fired is None and fires is not None))
        if fired is not None and fires is None:
            after = replace(after, resolved_at=at, acknowledged=None)
        if after.standing == IDLE and not after.episode:
            tx.delete(INSTANCE, after.fingerprint)
            return []
        put(tx, after)
        if (fired is None) is (fires is None):
            return []
        state = state_of(after) if fires is not None else _resolved(before, after.episode, at, why)
        tx.append(STREAM, msgspec.to_builtins(state))
        return [state]


def opened(view: Snapshot, deployment: str | None = None) -> list[Instance]:
    """The alerts that are pending or firing."""
    label, value = ("open", "yes") if deployment is None else ("open_in", deployment)
    return [msgspec.convert(each.body, Instance) for each in view.find(INSTANCE, label, value)]


def put(tx: Transaction, instance: Instance) -> None:
    """Write an alert down, so that `opened` finds it while it is open."""
    is_open = instance.standing != Standing()
    labels = {"open": "yes", "open_in": instance.deployment} if is_open else {}
    tx.put(INSTANCE, instance.fingerprint, msgspec.to_builtins(instance), labels=labels)


def state_of(instance: Instance) -> AlertState:
    """An alert as others see it; one that never fired, from when it was first broken."""
    since = instance.standing.fired_at or instance.standing.active_since or instance.resolved_at
    return AlertState(
        instance.alert,
        instance.deployment,
        since.isoformat() if since is not None else "",
        None,
        instance.fingerprint,
        instance.episode,
        instance.labels,
        instance.runbook,
    )


def _resolved(before: Instance, episode: int, at: datetime, why: str) -> AlertState:
    return replace(state_of(before), until=at.isoformat(), episode=episode, why=why)


def _forward(tx: Transaction, deployment: str, at: datetime) -> datetime:
    """The instant of this evaluation: at the earliest that of the last one."""
    document = tx.get(CLOCK, deployment or "-")
    last = datetime.fromisoformat(document.body["at"]) if document is not None else at
    if document is None or at > last:
        tx.put(CLOCK, deployment or "-", {"at": at.isoformat()})
    return max(at, last)
