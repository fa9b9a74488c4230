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
    ModelSummary,
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
_MOST = 2**31 + 1
"""More versions than these are not asked for at once."""


@dataclass(frozen=True)
class ListModels:
    """What to list."""

    name: Annotated[str | None, Option("Only versions of this model.")] = None
    stage: Annotated[str | None, Option("Only versions in this stage, such as production.")] = None
    limit: Annotated[int, Option("At most so many.")] = 50
    before: Annotated[str | None, Option("Only versions older than this one, such as fraud/12.")] = None


@dataclass(frozen=True)
class ListNames:
    """Which models."""

    limit: Annotated[int, Option("At most so many.")] = 50
    skip: Annotated[int, Option("Leave out so many first.")] = 0


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
    """List model versions, the newest first."""
    project, given = call.project, call.input
    if not 1 <= given.limit <= _MOST:
        told = f"--limit counts from 1 to {_MOST}."
        raise InvalidInput(told, context={"path": "limit"}, remedy="modelyard model list --limit 50")
    notice(project, given.name)
    before = None if given.before is None else _named(given.before, given.name)
    found = project.models.listed(given.name, stage=given.stage, before=before, limit=given.limit)
    holders = project.models.holders()
    return [_told(each, holders.get(each.name, {})) for each in found]


@operation("model", "names", Permission.READ)
def list_names(call: Call[ListNames]) -> Any:
    """List models by name: how many versions each has, the newest, and which holds which alias."""
    given = call.input
    if given.limit < 1 or given.skip < 0:
        raise InvalidInput("--limit counts from 1 and --skip from 0.", remedy="modelyard model names --limit 50")
    notice(call.project, None)
    found, total = call.project.models.summaries(skip=given.skip, limit=given.limit)
    return {"models": [_summary(each) for each in found], "total": total}


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
    if name is None or project.models.has(name):
        project.outside.notice(name)


def tags_of(written: Sequence[str]) -> dict[str, str]:
    """Tags from `KEY=VALUE`."""
    parts = [each.partition("=") for each in written]
    if wrong := [name for name, equals, _ in parts if not equals]:
        raise InvalidInput(
            f"{shown(wrong[0])} is no tag.", code="INVALID_TAGS", remedy="Write KEY=VALUE, such as team=risk."
        )
    return {name: value for name, _, value in parts}


def _named(written: str, name: str | None) -> tuple[str, str]:
    """Model and version of what `--before` says: MODEL/VERSION, or a version of the one model that is asked about."""
    model, slash, version = written.rpartition("/")
    if slash and name in (None, model):
        return model, version
    if not slash and name is not None:
        return name, written
    raise InvalidInput(
        f"{shown(written)} is no version {'of ' + shown(name) if name is not None else 'with its model'}.",
        code="INVALID_CURSOR",
        context={"path": "before"},
        remedy="Write MODEL/NUMBER, as the last line of the page before says.",
    )


def _summary(model: ModelSummary) -> dict[str, Any]:
    newest = model.newest
    return {
        "name": model.name,
        "versions": model.versions,
        "newest": {
            "number": newest.number,
            "label": newest.label,
            "created_at": newest.created_at,
            "gate": _gate(newest),
        },
        "aliases": {
            alias: {"number": each.number, "label": each.label} for alias, each in sorted(model.holders.items())
        },
    }


def _gate(version: ModelVersion) -> str | None:
    """What the last of its gates said."""
    return version.gates[-1]["verdict"] if version.gates else None


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
