"""Operations that tell how deployments do, from the records of every room; none of them reads the prediction log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import NotFound, SystemClock, did_you_mean, from_micros, to_micros
from modelyard.inference import ColumnProfile, ReferenceProfile
from modelyard.monitoring import THUMBS, ColumnCounts, MonitorSettings, Reference, Window, bins_of, ranked
from modelyard.routing import Route, ServerStatus
from modelyard.wiring import Project

from .contract import Call, Option, operation

_TOP = 6
"""So many features are told of in an overview."""


@dataclass(frozen=True)
class Overlook:
    """Which deployments."""

    deployment: Annotated[str | None, Option("Deployment; by default every one.", positional=True)] = None
    windows: Annotated[int, Option("The newest so many windows.")] = 26
    brief: Annotated[bool, Option("Without features and distributions.")] = False
    skip: Annotated[int, Option("Leave out so many deployments.")] = 0
    limit: Annotated[int | None, Option("At most so many deployments.")] = None


@dataclass(frozen=True)
class OneWindow:
    """A window of a deployment."""

    deployment: Annotated[str, Option("Deployment.", positional=True)]
    start: Annotated[str | None, Option("The window that starts then, as `monitor status` shows it; the newest.")] = (
        None
    )


@operation("monitor", "overview", Permission.READ)
def overview(call: Call[Overlook]) -> Any:
    """How deployments do: what is live since when, latency and errors, quality, drift, alerts; from records alone."""
    project, given = call.project, call.input
    names = list(project.settings.deployments) if given.deployment is None else [given.deployment]
    last = None if given.limit is None else given.skip + given.limit
    statuses = project.feed.statuses(to_micros(SystemClock().now()))
    firing: dict[str, list[dict[str, Any]]] = {}
    for each in project.alerts.firing(given.deployment):
        firing.setdefault(each.deployment, []).append(msgspec.to_builtins(each))
    return [_told(project, name, statuses, firing.get(name, []), given) for name in names[given.skip : last]]


@operation("monitor", "show", Permission.READ)
def show_window(call: Call[OneWindow]) -> Any:
    """A window: each feature's drift and quality, and its values beside those it was compared with."""
    project, given = call.project, call.input
    project.rollouts.settings(given.deployment)
    window = _window(project, given)
    digest, profile = project.profile(window.deployment, window.version)
    starts = [each.start for each in project.monitors.windows(given.deployment, last=60)]
    told: dict[str, Any] = {"window": msgspec.to_builtins(window), "starts": starts[::-1], "importance": {}, "bins": {}}
    if profile is None or digest is None:
        return told
    importance = dict(profile.importance)
    told["window"]["features"] = [msgspec.to_builtins(each) for each in ranked(window.features, importance)]
    kept, reference = project.monitors.beside(window, digest, profile)
    if kept is None or reference is None:
        return told | {"importance": importance}
    columns = {each.name: each for each in kept.columns}
    return told | {"importance": importance, "bins": shares_of(profile, columns, kept.predictions, reference)}


def _told(
    project: Project,
    name: str,
    statuses: Sequence[ServerStatus],
    firing: list[dict[str, Any]],
    given: Overlook,
) -> dict[str, Any]:
    settings = project.rollouts.settings(name)
    route, rollout = project.rollouts.route(name), project.rollouts.state(name)
    windows = project.monitors.windows(name, last=max(1, given.windows))
    monitor = project.monitors.watched.get(name)
    active = rollout is not None and rollout.state == "active"
    servers = [_server(each) for each in statuses if name in each.generations]
    return {
        "deployment": name,
        "model": settings.model_name,
        "alias": settings.alias,
        "state": _state(route, servers, firing, active=active),
        "live": _live(project, name, route, brief=given.brief),
        "arms": [] if route is None else [msgspec.to_builtins(each) for each in route.arms],
        "rollout": None if rollout is None or not active else {"version": rollout.version, "step": rollout.step + 1},
        "servers": servers,
        "requests": {of.name: value for of, value in project.alerts.values(name).items() if not of.labels},
        "objectives_ms": {
            "latency_p50": project.settings.alerts.latency_p50,
            "latency_p95": project.settings.alerts.latency_p95,
            "latency_p99": settings.latency_objective_ms,
        },
        "monitored": monitor is not None,
        "metric": _metric(monitor, windows),
        "drift_threshold": _drift_threshold(project),
        "window": _newest(project, windows, brief=given.brief),
        "history": [_point(each) for each in windows],
        "predictions": None if given.brief else _predictions(project, windows),
        "alerts": firing,
    }


def _state(route: Route | None, servers: list[dict[str, Any]], firing: list[dict[str, Any]], *, active: bool) -> str:
    """The first of what there is to say: empty, critical, warning, unserved, rolling out, healthy."""
    if route is None:
        return "empty"
    if any(each["alert"]["severity"] == "critical" for each in firing):
        return "critical"
    if firing:
        return "warning"
    if not servers:
        return "unserved"
    return "rolling out" if active else "healthy"


def _live(project: Project, name: str, route: Route | None, *, brief: bool) -> dict[str, Any] | None:
    """The live version, and since when unless that is too much to ask."""
    if route is None:
        return None
    version = project.models.get(route.model, route.live.version)
    since = ""
    for each in () if brief else project.rollouts.weights(name)[::-1]:
        if each.versions.get("live") != route.live.version:
            break
        since = each.at
    return {"version": version.number, "label": version.label, "since": since, "generation": route.generation}


def _server(status: ServerStatus) -> dict[str, Any]:
    since = from_micros(status.started_us).isoformat()
    return {"server": status.server, "address": status.address, "since": since}


def _metric(monitor: MonitorSettings | None, windows: Sequence[Window]) -> str:
    """The metric on labels that is shown; of a language model it is what people thought of its answers."""
    if windows and windows[-1].generated is not None:
        return THUMBS
    return (monitor or MonitorSettings()).metric


def _drift_threshold(project: Project) -> float | None:
    rules = (each.condition for each in project.alerts.rules if each.name == "drift_score")
    return next((each.threshold for each in rules), None)


def _newest(project: Project, windows: list[Window], *, brief: bool) -> dict[str, Any] | None:
    """The newest window without what only its own page shows; features in the order in which they matter."""
    if not windows:
        return None
    newest = windows[-1]
    _, profile = (None, None) if brief else project.profile(newest.deployment, newest.version)
    features = ranked(newest.features, profile.importance if profile is not None else {})
    chosen = sorted(features, key=lambda each: each.verdict != "fail")[:_TOP]
    told: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(newest, features=tuple(chosen), segments=()))
    for inner in ("quality", "groups", "outliers", "together"):
        told.pop(inner)
    return told | {"drifted": len(newest.drifted), "of": len(newest.features)}


def _point(window: Window) -> dict[str, Any]:
    """What charts show of a window."""
    return {
        "start": window.start,
        "end": window.end,
        "version": window.version,
        "requests": window.requests,
        "errors": window.errors,
        "coverage": window.coverage,
        "latency_p99_ms": window.latency_p99_ms,
        "drift_score": window.drift_score,
        "prediction_drift": window.predictions.effect if window.predictions is not None else None,
        "verdict": window.verdict,
        "performance": window.performance,
        "intervals": window.intervals,
        "estimated": {name: each.value for name, each in window.estimated.items()},
        "baseline": window.baseline,
    }


def _predictions(project: Project, windows: list[Window]) -> dict[str, Any] | None:
    """How scores were distributed in each of the windows whose version is that of the newest, and in training."""
    if not windows:
        return None
    digest, profile = project.profile(windows[-1].deployment, windows[-1].version)
    if profile is None or digest is None or profile.scores is None:
        return None
    found: dict[str, Any] = {"windows": [], "shares": []}
    for window in windows:
        kept, reference = project.monitors.beside(window, digest, profile)
        if kept is None or kept.predictions is None or kept.bundle != digest or reference is None:
            continue
        against = reference.predictions or kept.predictions
        bins = bins_of(profile.scores, against, kept.predictions)
        found["bins"] = [name for name, _, _ in bins]
        found["reference"] = [before / max(1, against.rows) for _, before, _ in bins]
        found["windows"].append(window.end)
        found["shares"].append([now / max(1, kept.predictions.rows) for _, _, now in bins])
    return found if found["windows"] else None


def shares_of(
    profile: ReferenceProfile,
    columns: Mapping[str, ColumnCounts],
    predictions: ColumnCounts | None,
    reference: Reference,
) -> dict[str, list[dict[str, Any]]]:
    """By column, and `predictions`: shares of the rows by bin or level, of the reference and of now."""
    profiles: dict[str, ColumnProfile] = {each.name: each for each in profile.columns}
    pairs = {
        name: (reference.columns[name], columns[name])
        for name in profiles
        if name in columns and name in reference.columns
    }
    if profile.scores is not None and predictions is not None and reference.predictions is not None:
        profiles["predictions"] = profile.scores
        pairs["predictions"] = (reference.predictions, predictions)
    return {
        name: [
            {"bin": label, "reference": first / max(1, before.rows), "current": second / max(1, current.rows)}
            for label, first, second in bins_of(profiles[name], before, current)
        ]
        for name, (before, current) in pairs.items()
    }


def _window(project: Project, given: OneWindow) -> Window:
    windows = project.monitors.windows(given.deployment, last=1) if given.start is None else []
    if given.start is not None:
        windows = [each for each in project.monitors.windows(given.deployment) if each.start == given.start]
    if windows:
        return windows[0]
    known = [each.start for each in project.monitors.windows(given.deployment, last=20)]
    raise NotFound(
        f"No window of '{given.deployment}' was judged{f' that starts at {given.start[:40]}' if given.start else ''}.",
        code="NO_WINDOW",
        remedy=f"{did_you_mean((given.start or '')[:40], known)} Judge what has closed: modelyard monitor run",
    )
