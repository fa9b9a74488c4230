"""Operations on the prediction log."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from modelyard.access import Permission
from modelyard.core import InvalidInput, from_micros
from modelyard.history import VIEWS, Database, write_batches
from modelyard.wiring import Project

from .contract import Call, Nothing, Option, operation
from .persons import Person, export_person
from .times import instant_of

_MOST = 100_000
"""Rows that a query prints at most: they are one JSON document. More go to a file."""


@dataclass(frozen=True)
class LogOf:
    """Whose log."""

    deployment: Annotated[str, Option("Deployment.", positional=True)]


@dataclass(frozen=True)
class LogQuery:
    """Which records, or what of them."""

    sql: Annotated[str | None, Option("A SELECT over predictions, truths, labelled, outcomes.", positional=True)] = None
    view: Annotated[str, Option("Without SQL: predictions, truths, labelled or outcomes.")] = "predictions"
    deployment: Annotated[str | None, Option("Only this deployment.")] = None
    version: Annotated[str | None, Option("Only predictions of this version.")] = None
    arm: Annotated[str | None, Option("Only predictions of this arm.")] = None
    entity: Annotated[str | None, Option("Only predictions for this entity.")] = None
    prediction_id: Annotated[str | None, Option("Only this prediction.")] = None
    since: Annotated[str | None, Option("Only from this time on: ISO 8601, or how long ago, such as 7d.")] = None
    until: Annotated[str | None, Option("Only before this time: ISO 8601, or how long ago.")] = None
    limit: Annotated[int, Option("At most so many rows.")] = 100


@dataclass(frozen=True)
class LogExport:
    """What to write where."""

    output: Annotated[
        Path, Option("File to write, .parquet, .csv or .jsonl (.json with --entity); it must not exist.", flag="-o")
    ]
    deployment: Annotated[str | None, Option("Whose predictions.")] = None
    entity: Annotated[str | None, Option("Instead: all that is known of this entity, in every deployment.")] = None
    key: Annotated[
        tuple[str, ...], Option("With --entity: entity key of views that holds it; by default what is assigned by.")
    ] = ()
    since: Annotated[str | None, Option("Only from this time on: ISO 8601, or how long ago, such as 7d.")] = None
    until: Annotated[str | None, Option("Only before this time: ISO 8601, or how long ago.")] = None
    version: Annotated[str | None, Option("Only this version.")] = None
    arm: Annotated[str | None, Option("Only this arm.")] = None


@dataclass(frozen=True)
class LogRedact:
    """Whose records."""

    entity: Annotated[tuple[str, ...], Option("An entity. Repeatable.")] = ()
    prediction_id: Annotated[tuple[str, ...], Option("A prediction. Repeatable.")] = ()
    deployment: Annotated[str | None, Option("Only in this deployment's records.")] = None


@operation("log", "stats", Permission.READ)
def log_stats(call: Call[LogOf]) -> Any:
    """How many predictions, truths and outcomes are on record, how many met, how late labels come."""
    project, deployment = call.project, call.input.deployment
    _require_known(project, deployment)
    versions = {
        version: {
            "records": each.records,
            "answered": each.answered,
            "first": from_micros(each.first).isoformat(),
            "last": from_micros(each.last).isoformat(),
        }
        for version, each in sorted(project.log.versions(deployment).items())
    }
    coverage = asdict(project.log.coverage(deployment))
    return {**asdict(project.log.stats(deployment)), "coverage": coverage, "versions": versions}


@operation("log", "query", Permission.READ, local=True)
def log_query(call: Call[LogQuery]) -> Any:
    """Records of the log, or the rows of a SELECT over it; reads only, in bounded memory."""
    given = call.input
    if not 1 <= given.limit <= _MOST:
        raise InvalidInput(
            f"--limit is {given.limit}, and from 1 to {_MOST}.",
            code="LIMIT_OUT_OF_RANGE",
            remedy="For more write a file: modelyard log export",
        )
    if given.view not in VIEWS:
        raise InvalidInput(f"There is no view '{given.view[:40]}'.", remedy=f"Views: {', '.join(VIEWS)}.")
    order = "received_us" if given.view in ("truths", "outcomes") else "event_us"
    query = given.sql or f"SELECT * FROM {given.view} ORDER BY {order}"
    with _database(call.project, given) as opened:
        rows = opened.sql(query, limit=given.limit).read_all().to_pylist()
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


@operation("log", "export", Permission.READ, local=True)
def log_export(call: Call[LogExport]) -> Any:
    """Write predictions with features and labels, or all that is known of an entity, to a file."""
    project, given = call.project, call.input
    if (given.deployment is None) == (given.entity is None):
        raise InvalidInput("Nothing says whose records, or two things do.", remedy="Give --deployment or --entity.")
    if given.entity is not None:
        return export_person(project, call.principal, Person(given.entity, given.key), given.output)
    deployment = str(given.deployment)
    _require_known(project, deployment)
    project.log.seal()
    now = project.clock.now()
    batches = project.log.batches(
        deployment,
        start=instant_of(given.since, now),
        end=instant_of(given.until, now),
        version=given.version,
        arm=given.arm,
        labels=True,
    )
    return {"rows": write_batches(batches, given.output), "file": str(given.output)}


@operation("log", "verify", Permission.READ, local=True)
def log_verify(call: Call[Nothing]) -> Any:
    """Read every record; check digests of files, checksums of segments, and that none is there twice."""
    report = call.project.log.verify()
    return {"verdict": "pass" if report.sound else "fail", **asdict(report)}


@operation("log", "compact", Permission.OPERATE, local=True)
def log_compact(call: Call[Nothing]) -> Any:
    """Seal finished segments, join small files, delete what crashes left; the control process does it by itself."""
    sealed = call.project.log.seal()
    return {"sealed": sealed.records, **asdict(call.project.log.compact(everything=True))}


@operation("log", "retire", Permission.OPERATE, local=True)
def log_retire(call: Call[Nothing]) -> Any:
    """Delete the days that are older than `log.retention` keeps; the control process does it by itself."""
    return asdict(call.project.retire_log())


@operation("log", "redact", Permission.OPERATE, local=True)
def log_redact(call: Call[LogRedact]) -> Any:
    """Take entity and features out of records already written."""
    given = call.input
    if not given.entity and not given.prediction_id:
        raise InvalidInput("Nothing says whose records.", remedy="Give --entity or --prediction-id.")
    if given.deployment is not None:
        _require_known(call.project, given.deployment)
    done = call.project.redact_log(
        entities=given.entity, prediction_ids=given.prediction_id, deployment=given.deployment
    )
    return asdict(done)


def _require_known(project: Project, deployment: str) -> None:
    """NoRollout for a name of which neither the log nor the project file knows: batches are logged under their own."""
    if deployment not in project.log.deployments():
        project.rollouts.settings(deployment)


@contextmanager
def _database(project: Project, given: LogQuery) -> Iterator[Database]:
    """The part of the log that is asked for. What is finished is sealed first, so that little is in memory."""
    if given.deployment is not None:
        _require_known(project, given.deployment)
    project.log.seal()
    now = project.clock.now()
    with project.log.duckdb(
        given.deployment,
        start=instant_of(given.since, now),
        end=instant_of(given.until, now),
        version=given.version,
        arm=given.arm,
        entity=given.entity,
        prediction_id=given.prediction_id,
    ) as opened:
        yield opened


def _plain(value: Any) -> Any:
    """A value as JSON has it; what is no number is none."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
