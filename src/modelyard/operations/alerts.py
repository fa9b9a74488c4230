"""Operations on alerts: look at them, answer them, and say who is told."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, atomic_write, did_you_mean, shown
from modelyard.core.durations import format_duration, parse_duration
from modelyard.monitoring import (
    Alert,
    AlertSeverity,
    AlertState,
    Instance,
    NotDelivered,
    Notice,
    Outgoing,
    Rule,
    Silence,
    fits,
    rule_file,
    state_of,
)

from .contract import Call, Nothing, Option, operation

_UNTIL = "How long, such as 2h, or until when: 2026-01-31T12:00Z."


@dataclass(frozen=True)
class Which:
    """Which alerts."""

    deployment: Annotated[str | None, Option("Only of this deployment.")] = None
    all: Annotated[bool, Option("Also those that are pending, and those that are resolved.")] = False


@dataclass(frozen=True)
class One:
    """An alert."""

    fingerprint: Annotated[str, Option("Fingerprint, or its beginning, as `alert list` shows it.", positional=True)]


@dataclass(frozen=True)
class Acknowledge:
    """An alert that somebody is at."""

    fingerprint: Annotated[str, Option("Fingerprint, or its beginning, as `alert list` shows it.", positional=True)]
    until: Annotated[str, Option(_UNTIL, flag="--for")] = "4h"
    note: Annotated[str, Option("What is being done; it goes on record.")] = ""


@dataclass(frozen=True)
class Hold:
    """Alerts that are not to be told for a while."""

    matchers: Annotated[
        tuple[str, ...], Option("name=PATTERN, deployment=, severity=, model_name= or a label.", positional=True)
    ]
    reason: Annotated[str, Option("Why; it goes on record.")]
    until: Annotated[str, Option(_UNTIL, flag="--for")] = "2h"


@dataclass(frozen=True)
class Held:
    """A silence."""

    id: Annotated[str, Option("Id, as `alert silences` shows it.", positional=True)]


@dataclass(frozen=True)
class Told:
    """Who is told."""

    receiver: Annotated[str, Option("Name under alerts.notify.", positional=True)]


@dataclass(frozen=True)
class RulesAs:
    """How rules are shown."""

    prometheus: Annotated[bool, Option("As a rule file for Prometheus.")] = False
    output: Annotated[Path | None, Option("Write that file here.", flag="--output", short="-o")] = None


@operation("alert", "list", Permission.READ)
def list_alerts(call: Call[Which]) -> Any:
    """The alerts that fire now."""
    project, given = call.project, call.input
    if given.deployment is not None:
        project.rollouts.settings(given.deployment)
    known = project.alerts.known()
    wanted = [each for each in known if given.deployment in (None, each.deployment)]
    firing = [each for each in wanted if given.all or each.standing.fired_at is not None]
    silences = project.responses.silences()
    return [_told(each, silences, project.clock.now()) for each in sorted(firing, key=_order)]


@operation("alert", "show", Permission.READ)
def show_alert(call: Call[One]) -> Any:
    """An alert: what it is about, how it stands, its runbook and its history."""
    project = call.project
    found = project.responses.find(call.input.fingerprint)
    now = project.alerts.values(found.deployment).get(found.series)
    history = [each for each in project.alerts.history() if each.fingerprint == found.fingerprint]
    return {
        **_told(found, project.responses.silences(), project.clock.now()),
        "series": str(found.series),
        "value_now": now,
        "runbook": found.runbook or None,
        "acknowledged": msgspec.to_builtins(found.acknowledged),
        "history": [{"since": each.since, "until": each.until, "why": each.why or None} for each in history[-20:]],
    }


@operation("alert", "ack", Permission.DEVELOP)
def acknowledge(call: Call[Acknowledge]) -> Any:
    """Say that somebody is at a firing alert: it is not told again until then."""
    given = call.input
    until = _until(given.until, call.project.clock.now())
    found = call.project.responses.acknowledge(given.fingerprint, until, given.note, call.principal)
    return {"fingerprint": found.fingerprint, "name": found.rule, **msgspec.to_builtins(found.acknowledged)}


@operation("alert", "silence", Permission.OPERATE)
def silence(call: Call[Hold]) -> Any:
    """Let alerts that fit all matchers not be told for a while; they go on being watched."""
    project = call.project
    until = _until(call.input.until, project.clock.now())
    labels = tuple(label for rule in project.alerts.rules for label in rule.labels)
    made = project.responses.silence(
        dict(map(_matcher, call.input.matchers)), until, call.input.reason, call.principal, labels
    )
    held = [each for each in project.alerts.firing() if fits(made, each)]
    return {**msgspec.to_builtins(made), "firing_now": [each.alert.message for each in held]}


@operation("alert", "unsilence", Permission.OPERATE)
def unsilence(call: Call[Held]) -> Any:
    """End a silence now; what it held back and still fires is told."""
    return msgspec.to_builtins(call.project.responses.end(call.input.id, call.principal))


@operation("alert", "silences", Permission.READ)
def silences(call: Call[Nothing]) -> Any:
    """The silences that hold now."""
    return [msgspec.to_builtins(each) for each in call.project.responses.silences()]


@operation("alert", "notices", Permission.READ)
def notices(call: Call[Nothing]) -> Any:
    """Notifications that wait to be delivered, and those that nobody took within a day."""
    outbox = call.project.outbox
    return [_outgoing(each) for each in (*outbox.dead(), *outbox.waiting())]


@operation("alert", "test", Permission.OPERATE)
def test_receiver(call: Call[Told]) -> Any:
    """Tell a receiver something harmless, now."""
    project, name = call.project, call.input.receiver
    known = project.settings.alerts.notify
    if name not in known:
        raise NotFound(
            f"No receiver {shown(name)} is told anything.",
            code="NO_RECEIVER",
            remedy=f"{did_you_mean(name, known)} Name one under alerts.notify in modelyard.yaml.",
        )
    now = project.clock.now()
    alert = Alert("test", AlertSeverity.INFO, "This is a test: nothing is wrong.", "", 0.0, 0.0)
    state = AlertState(alert, "", now.isoformat())
    notice = Notice("", AlertSeverity.INFO, now, fired=(state,), project=project.settings.project)
    identity = f"test-{now.isoformat()}"
    try:
        project.receivers(name).take(notice, identity, now)
    except NotDelivered as error:
        remedy = f"Correct alerts.notify.{name} in modelyard.yaml, or what is wrong there, and try again."
        raise NotDelivered(error.message, remedy=remedy) from error
    return {"receiver": name, "id": identity, "delivered": True}


@operation("alert", "rules", Permission.READ, local=True)
def rules(call: Call[RulesAs]) -> Any:
    """The rules that alerts come from; for Prometheus too."""
    project, given = call.project, call.input
    if given.output is not None and not given.prometheus:
        raise InvalidInput("-o writes a rule file for Prometheus.", remedy="Add --prometheus.")
    models = {name: each.model_name for name, each in project.settings.deployments.items()}
    every = project.alerts.rules
    group = f"modelyard-{project.settings.project}"
    text = rule_file(every, project.settings.alerts, models, group) if given.prometheus else None
    if text is not None and given.output is not None:
        atomic_write(given.output, text.encode())
    file = str(given.output) if given.output is not None else None
    return {"rules": [_rule(each) for each in every], "prometheus": text, "file": file}


def _told(instance: Instance, active: list[Silence], now: datetime) -> dict[str, Any]:
    state, standing = state_of(instance), instance.standing
    resolved = standing.state == "idle"
    return {
        "fingerprint": instance.fingerprint,
        "name": instance.rule,
        "state": "resolved" if resolved else standing.state,
        "severity": state.alert.severity.value,
        "deployment": instance.deployment,
        "since": state.since,
        "until": instance.resolved_at.isoformat() if resolved and instance.resolved_at is not None else None,
        "no_data_since": standing.silent_since.isoformat() if standing.silent_since is not None else None,
        "held_back": _held_back(instance, state, active, now) or None,
        "labels": instance.labels,
        "message": state.alert.message + _stale(instance),
        "alert": msgspec.to_builtins(state.alert),
    }


def _stale(instance: Instance) -> str:
    silent = instance.standing.silent_since
    return f" No data since {silent.isoformat()}." if silent is not None else ""


def _held_back(instance: Instance, state: AlertState, active: list[Silence], now: datetime) -> str:
    """Why an alert is not told now."""
    for each in active:
        if fits(each, state):
            return f"silenced by {each.by} until {each.until.isoformat()}: {each.reason}"
    acknowledged = instance.acknowledged
    if acknowledged is not None and acknowledged.until > now:
        return f"acknowledged by {acknowledged.by} until {acknowledged.until.isoformat()}"
    return ""


def _order(instance: Instance) -> tuple[str, str]:
    return state_of(instance).since, instance.fingerprint


def _outgoing(outgoing: Outgoing) -> dict[str, Any]:
    return {"state": "dead" if outgoing.dead else "waiting", **msgspec.to_builtins(outgoing)}


def _rule(rule: Rule) -> dict[str, Any]:
    condition = rule.condition
    matchers = ", ".join(f'{each.label}{"!=" if each.negated else "="}"{each.value}"' for each in condition.matchers)
    return {
        "name": rule.name,
        "when": f"{condition.metric.name}{f'{{{matchers}}}' if matchers else ''} {condition.comparison} "
        f"{condition.threshold:g}",
        "unit": condition.metric.unit.what,
        "for": format_duration(rule.hold) if rule.hold else None,
        "resolve": rule.calm,
        "keep_firing_for": format_duration(rule.keep) if rule.keep else None,
        "severity": rule.severity.value,
        "labels": dict(rule.labels),
        "runbook": rule.runbook or None,
        "deployments": list(rule.deployments) or None,
    }


def _matcher(written: str) -> tuple[str, str]:
    name, sign, pattern = written.partition("=")
    if not sign:
        raise InvalidInput(f"{shown(written)} is no matcher.", remedy="Write name=latency_p99, or deployment=shop*.")
    return name, pattern


def _until(written: str, now: datetime) -> datetime:
    """A time to come, as people write it: ISO 8601, in UTC where it does not say otherwise, or how long from now."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        try:
            return now + parse_duration(written)
        except (InvalidInput, OverflowError) as error:
            raise InvalidInput(
                f"{shown(written)} is no time.", code="NOT_A_TIME", remedy="Write 2h, 3d, or 2026-01-31T12:00Z."
            ) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
