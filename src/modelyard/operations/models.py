"""Operations that look at model versions, or change what is said of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.bundling import BUILD_FILE
from modelyard.core import InvalidInput, did_you_mean, shown
from modelyard.inference import BundleInfo
from modelyard.registry import (
    ModelVersion,
    VersionState,
    alias_of,
    check_description,
    check_tags,
    in_force_at,
    obstacles,
)
from modelyard.storage import Snapshot
from modelyard.wiring import Project

from .contract import Call, Option, operation
from .permitting import python_of

_MODEL, _VERSION = "Model.", "Number, label or alias."


@dataclass(frozen=True)
class ListModels:
    """What to list."""

    name: Annotated[str | None, Option("Only versions of this model.")] = None
    stage: Annotated[str | None, Option("Only versions in this stage, such as production.")] = None


@dataclass(frozen=True)
class OneVersion:
    """One version, or a model's newest."""

    name: Annotated[str, Option(_MODEL, positional=True)]
    version: Annotated[str, Option(_VERSION, positional=True)] = "production"


@dataclass(frozen=True)
class History:
    """A model, and perhaps a moment."""

    name: Annotated[str, Option(_MODEL, positional=True)]
    at: Annotated[str | None, Option("Only what was in force at this time (ISO 8601).")] = None


@dataclass(frozen=True)
class Compare:
    """Versions side by side."""

    name: Annotated[str, Option(_MODEL)]
    versions: Annotated[tuple[str, ...], Option("Numbers, labels or aliases; all by default.")] = ()
    more: Annotated[tuple[str, ...], Option("More of them.", positional=True)] = ()
    metric: Annotated[str | None, Option("Sort by this metric, the highest first.")] = None


@dataclass(frozen=True)
class Tag:
    """Tags to set on a version."""

    name: Annotated[str, Option(_MODEL, positional=True)]
    version: Annotated[str, Option(_VERSION, positional=True)]
    tags: Annotated[tuple[str, ...], Option("KEY=VALUE; KEY= removes it.", positional=True)]


@dataclass(frozen=True)
class Describe:
    """What to say of a version."""

    name: Annotated[str, Option(_MODEL, positional=True)]
    version: Annotated[str, Option(_VERSION, positional=True)]
    text: Annotated[str, Option("The description.", positional=True)]


@operation("model", "list", Permission.READ)
def list_models(call: Call[ListModels]) -> Any:
    """List model versions."""
    project, name = call.project, call.input.name
    notice(project, name)
    found = project.models.versions(name, stage=call.input.stage)
    holders = project.models.holders()
    return [_told(each, holders.get(each.name, {})) for each in found]


@operation("model", "show", Permission.READ)
def show_model(call: Call[OneVersion]) -> Any:
    """Show a version: metrics, parameters, gates, bundle, approvals, and what it may not become."""
    project = call.project
    notice(project, call.input.name)
    version = project.models.get(call.input.name, call.input.version)
    told = _told(version, project.models.aliases(version.name))
    with project.records.snapshot() as view:
        deciding = project.promotions.deciding(version.name)
        counted = {each: project.approvals.counted(view, version, each) for each in deciding}
        why_not = {each: _why_not(project, view, version, each) for each in deciding if each not in told["aliases"]}
    approvals = [msgspec.to_builtins(each) for each in counted.values() if each.required]
    why_not = {each: why for each, why in why_not.items() if why}
    return {**told, "python": python_of(project, version), "approvals": approvals, "why_not": why_not}


@operation("model", "history", Permission.READ)
def model_history(call: Call[History]) -> Any:
    """Every move of an alias: when, from, to, by whom and why; or who held it at a time."""
    project, name = call.project, call.input.name
    with project.records.snapshot() as view:
        project.models.require_model(name, view)
    notice(project, name)
    moves = project.models.history(name)
    if call.input.at is not None:
        moves = in_force_at(moves, _moment(call.input.at))
    return [msgspec.to_builtins(each) for each in moves]


@operation("model", "compare", Permission.READ)
def compare_models(call: Call[Compare]) -> Any:
    """Versions side by side: metrics, parameters, inputs, data, size, and latency as measured when bundled."""
    project, name = call.project, call.input.name
    wanted = [*call.input.versions, *call.input.more]
    with project.records.snapshot() as view:
        project.models.require_model(name, view)
    found = [project.models.get(name, each) for each in wanted] if wanted else project.models.versions(name)
    aliases = project.models.aliases(name)
    rows = [_compared(project, each, aliases) for each in found]
    return _sorted(rows, call.input.metric)


@operation("model", "tag", Permission.DEVELOP)
def tag_model(call: Call[Tag]) -> Any:
    """Set tags of a version, or remove them."""
    version = call.project.models.get(call.input.name, call.input.version)
    given = tags_of(call.input.tags)
    check_tags({name: value for name, value in given.items() if value})
    tags = {name: value for name, value in {**version.tags, **given}.items() if value}
    check_tags(tags)

    def change(state: VersionState) -> VersionState:
        return msgspec.structs.replace(state, tags=tags)

    later = call.project.promotions.relabel(version, call.principal, "model.tag", change, {"tags": given})
    return _told(later, call.project.models.aliases(version.name))


@operation("model", "describe", Permission.DEVELOP)
def describe_model(call: Call[Describe]) -> Any:
    """Say what a version is."""
    version, text = call.project.models.get(call.input.name, call.input.version), check_description(call.input.text)

    def change(state: VersionState) -> VersionState:
        return msgspec.structs.replace(state, description=text)

    later = call.project.promotions.relabel(version, call.principal, "model.describe", change, {"description": text})
    return _told(later, call.project.models.aliases(version.name))


_NOTICED_ELSEWHERE: ContextVar[bool] = ContextVar("noticed_elsewhere", default=False)


@contextmanager
def noticed_elsewhere() -> Iterator[None]:
    """Inside the block nobody looks at MLflow: a control process does so by itself, every few seconds."""
    token = _NOTICED_ELSEWHERE.set(True)
    try:
        yield
    finally:
        _NOTICED_ELSEWHERE.reset(token)


def notice(project: Project, name: str | None) -> None:
    """Look at what plain MLflow clients changed, where the model is one of ours."""
    if _NOTICED_ELSEWHERE.get():
        return
    if name is None or project.models.versions(name):
        project.outside.notice(name)


def tags_of(written: Sequence[str]) -> dict[str, str]:
    """Tags from `KEY=VALUE`."""
    parts = [each.partition("=") for each in written]
    if wrong := [name for name, equals, _ in parts if not equals]:
        raise InvalidInput(
            f"{shown(wrong[0])} is no tag.", code="INVALID_TAGS", remedy="Write KEY=VALUE, such as team=risk."
        )
    return {name: value for name, _, value in parts}


def _why_not(project: Project, view: Snapshot, version: ModelVersion, alias: str) -> list[str]:
    return [each.why for each in obstacles(version, project.approvals.counted(view, version, alias))]


def _told(version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    held = sorted(alias for alias, number in aliases.items() if number == version.number)
    told: dict[str, Any] = msgspec.to_builtins(version)
    return {**told, "aliases": held, "servable": version.bundle is not None}


def _compared(project: Project, version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    document = project.models.bundle_file(version, "bundle.json")
    info = msgspec.json.decode(document, type=BundleInfo) if document is not None else None
    told = _told(version, aliases)
    chosen = ("number", "label", "aliases", "servable", "created_at", "metrics", "params")
    return {
        **{name: told[name] for name in chosen},
        "gate": "pass" if version.gate_passed else "none" if not version.gates else "fail",
        "signature": None if info is None else {each.name: each.kind for each in info.signature.fields},
        "data": None if info is None else info.datasets,
        "runtime": None if info is None else info.runtime,
        "size": project.models.bundle_size(version),
        "latency_us": _latency(project, version, None if info is None else info.runtime),
    }


def _latency(project: Project, version: ModelVersion, runtime: str | None) -> dict[str, float] | None:
    """Microseconds a row by rows at once, of the runtime that was chosen."""
    document = project.models.bundle_file(version, BUILD_FILE)
    if document is None:
        return None
    attempts = msgspec.json.decode(document)
    chosen = (each for each in attempts if each["runtime"] == runtime and each.get("rows_us"))
    fastest = min(chosen, key=lambda each: min(each["rows_us"].values()), default=None)
    return None if fastest is None else dict(fastest["rows_us"])


def _sorted(rows: list[dict[str, Any]], metric: str | None) -> list[dict[str, Any]]:
    if metric is None:
        return rows
    known = {name for row in rows for name in row["metrics"]}
    if metric not in known:
        raise InvalidInput(
            f"None of these versions has a metric {shown(metric)}.",
            code="NO_SUCH_METRIC",
            remedy=did_you_mean(metric[:128], known),
        )
    return sorted(rows, key=lambda row: row["metrics"].get(metric, float("-inf")), reverse=True)


def _moment(written: str) -> datetime:
    try:
        at = datetime.fromisoformat(written)
    except ValueError as error:
        raise InvalidInput(
            f"{shown(written)} is no time.", code="INVALID_TIME", remedy="Write it like 2026-01-05T12:00 (UTC)."
        ) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def require_stage(stage: str) -> str:
    """The alias that a stage means, for a question about approvals."""
    alias = alias_of(stage)
    if alias is None:
        raise InvalidInput(f"'{stage}' is no stage that a version is approved for.", remedy="Name production, say.")
    return alias
