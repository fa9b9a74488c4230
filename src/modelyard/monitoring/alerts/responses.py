"""What people say to alerts: silences, and acknowledgements; on record, with who and why."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

import msgspec
from msgspec.structs import replace

from modelyard.access import Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, InvalidInput, canonical_json, check_text, did_you_mean, digest_of, shown
from modelyard.storage import RecordStore, Snapshot

from .book import INSTANCE, opened, put
from .errors import NoSuchAlert
from .groups import Asks
from .metrics import METRICS, SEGMENT
from .records import Acknowledgement, AlertState, Instance, Silence

SILENCE = "alert-silence"
LONGEST = timedelta(days=366)
"""A silence, or an acknowledgement, holds no longer."""

_FACTS = ("name", "deployment", "severity", "model_name")
_MOST = 1_000


class Responses:
    """Silences and acknowledgements of one project; each is written with its entry of the audit record."""

    def __init__(self, records: RecordStore, audit: AuditLog, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock

    def silence(
        self, matchers: Mapping[str, str], until: datetime, reason: str, by: Principal, labels: tuple[str, ...] = ()
    ) -> Silence:
        """Let alerts that fit all `matchers` not be told until then. `labels` are those that rules add."""
        now = self._clock.now()
        _check_until(until, now)
        check_text("reason", reason)
        _check_matchers(matchers, labels)
        kept = dict(sorted(matchers.items()))
        identity = digest_of(canonical_json([kept, until.isoformat(), now.isoformat(), by.name]))[:8]
        silence = Silence(identity, kept, until, reason, by.name, now)
        with self._records.transaction() as tx:
            over = [each for each in _silences(tx) if each.until <= now]
            if len(over) > _MOST:
                tx.delete(SILENCE, over[0].id)
            tx.put(SILENCE, identity, msgspec.to_builtins(silence))
            detail = {"matchers": kept, "until": until.isoformat(), "reason": reason}
            self._audit.record(tx, by, "alert.silence", identity, detail)
        return silence

    def end(self, identity: str, by: Principal) -> Silence:
        """End a silence now; what it held back and still fires is told."""
        now = self._clock.now()
        with self._records.transaction() as tx:
            known = {each.id: each for each in _silences(tx) if each.until > now}
            if identity not in known:
                raise NoSuchAlert(f"There is no silence {shown(identity)} now.", remedy=did_you_mean(identity, known))
            ended = replace(known[identity], until=now)
            tx.put(SILENCE, identity, msgspec.to_builtins(ended))
            self._audit.record(tx, by, "alert.unsilence", identity, {})
        return ended

    def silences(self) -> list[Silence]:
        """The silences that hold now."""
        now = self._clock.now()
        with self._records.snapshot() as view:
            return [each for each in _silences(view) if each.until > now]

    def acknowledge(self, fingerprint: str, until: datetime, note: str, by: Principal) -> Instance:
        """Say that somebody is at a firing alert: until then, at the longest until it resolves, it is not repeated."""
        now = self._clock.now()
        _check_until(until, now)
        check_text("note", note)
        with self._records.transaction() as tx:
            firing = {each.fingerprint: each for each in opened(tx) if each.standing.fired_at is not None}
            fingerprint = _whole(fingerprint, firing)
            if fingerprint not in firing:
                raise NoSuchAlert(f"No alert {shown(fingerprint)} fires now.", remedy=did_you_mean(fingerprint, firing))
            acknowledged = replace(firing[fingerprint], acknowledged=Acknowledgement(by.name, now, until, note))
            put(tx, acknowledged)
            detail = {"alert": acknowledged.rule, "until": until.isoformat(), "note": note}
            self._audit.record(tx, by, "alert.ack", fingerprint, detail)
        return acknowledged

    def find(self, fingerprint: str) -> Instance:
        """An alert that is open, or ever fired, by its fingerprint or the beginning of it."""
        with self._records.snapshot() as view:
            if (document := view.get(INSTANCE, fingerprint)) is not None:
                return msgspec.convert(document.body, Instance)
            begun = view.scan(INSTANCE, prefix=fingerprint, limit=2) if fingerprint else []
            if len(begun) == 1:
                return msgspec.convert(begun[0].body, Instance)
            known = [each.key for each in view.scan(INSTANCE, limit=100)]
        raise NoSuchAlert(f"There is no alert {shown(fingerprint)}.", remedy=did_you_mean(fingerprint, known))


def silenced(view: Snapshot, now: datetime) -> Asks:
    """Whether a silence holds an alert back."""
    active = [each for each in _silences(view) if each.until > now]
    return lambda state: any(fits(each, state) for each in active)


def acknowledged(view: Snapshot, now: datetime) -> Asks:
    """Whether somebody is at an alert."""
    busy = {
        each.fingerprint for each in opened(view) if each.acknowledged is not None and each.acknowledged.until > now
    }
    return lambda state: state.fingerprint in busy


def fits(silence: Silence, state: AlertState) -> bool:
    """Whether a silence is about an alert."""
    facts = dict(_facts_of(state))
    return all(fnmatchcase(facts.get(name, ""), pattern) for name, pattern in silence.matchers.items())


def _facts_of(state: AlertState) -> Iterator[tuple[str, str]]:
    """What silences may match: labels, then the alert's own facts, which no label hides."""
    yield from state.labels.items()
    alert = state.alert
    yield from zip(_FACTS, (alert.name, state.deployment, alert.severity.value, alert.model_name), strict=True)


def _silences(view: Snapshot) -> list[Silence]:
    found = [msgspec.convert(each.body, Silence) for each in view.scan(SILENCE)]
    return sorted(found, key=lambda each: (each.until, each.id))


def _whole(fingerprint: str, known: Mapping[str, object]) -> str:
    """The one fingerprint that begins so; otherwise what was written."""
    found = [each for each in known if fingerprint and each.startswith(fingerprint)]
    return found[0] if len(found) == 1 else fingerprint


def _check_until(until: datetime, now: datetime) -> None:
    if not now < until <= now + LONGEST:
        raise InvalidInput(
            f"{until.isoformat()} is no end: it is {now.isoformat()} now.",
            code="NOT_A_TIME",
            remedy="Choose a time to come, within a year: 2h, or 2026-01-31T12:00Z.",
        )


def _check_matchers(matchers: Mapping[str, str], labels: tuple[str, ...]) -> None:
    if not matchers:
        raise InvalidInput(
            "A silence without matchers would hold back everything.",
            remedy="Say which alerts: name=latency_p99 deployment=shop. For all of them: name=*",
        )
    known = [*_FACTS, SEGMENT, *labels, *(each for metric in METRICS.values() for each in metric.labels)]
    for name, pattern in matchers.items():
        check_text("matcher", pattern, longest=200)
        if name not in known:
            raise InvalidInput(f"Alerts have no {shown(name)}.", remedy=did_you_mean(name, set(known), shown=20))
