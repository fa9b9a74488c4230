"""Operations on features as they were: history, and the checks for leaks and for training-serving skew."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput
from modelyard.core.durations import parse_duration
from modelyard.data import read_table

from .contract import Call, Option, operation
from .instants import instant

_WATCHING: ContextVar[Callable[[int], None] | None] = ContextVar("history_watcher", default=None)
_SERVICE = "Feature service."
_FEATURES = "view:feature,… or views, in the order of the columns."
_EVENT_TIME = "Column of the time of each row: when its prediction is made."

SKEW_REMEDIES = {
    "late": "a newer value was known, and had not reached the online store. Materialize more often: "
    "features.materialize_every, or modelyard features materialize --every 5m.",
    "stale": "an expired value was served, or an older one although its view had been brought up further. See what "
    "writes the source, and the view's `stale`.",
    "definition": "the definition is another now than when it served. See modelyard features diff; retrain the model, "
    "or give the changed view another name.",
    "unknown": "the source never had this value. Write the view anew (modelyard features materialize --feature-view "
    "NAME), and see who else writes to the online store, or has rewritten the source.",
}
"""What to do about each cause of skew."""


@dataclass(frozen=True)
class History:
    """Whose features, and where to."""

    entities: Annotated[str, Option("File, glob or URL of the rows that ask.")]
    output: Annotated[Path, Option("Parquet file to write; without .parquet a folder of parts.", short="-o")]
    service: Annotated[str | None, Option(_SERVICE)] = None
    features: Annotated[str | None, Option(_FEATURES)] = None
    event_time: Annotated[str, Option(_EVENT_TIME)] = "event_timestamp"
    ever_known: Annotated[bool, Option("Use values that became available only later, as Feast does.")] = False
    resume: Annotated[bool, Option("Go on behind the parts of a run that was cut off.")] = False
    force: Annotated[bool, Option("Write over a file that exists.")] = False


@dataclass(frozen=True)
class CheckLeaks:
    """Whose features, and what they are to tell."""

    entities: Annotated[str, Option("File, glob or URL of rows with their labels.")]
    service: Annotated[str | None, Option(_SERVICE)] = None
    features: Annotated[str | None, Option(_FEATURES)] = None
    event_time: Annotated[str, Option(_EVENT_TIME)] = "event_timestamp"
    label: Annotated[str | None, Option("Column of what is predicted.")] = None
    label_time: Annotated[str | None, Option("Column of when the label was known.")] = None
    ever_known: Annotated[bool, Option("Judge a join that uses values available only later.")] = False


@dataclass(frozen=True)
class Skew:
    """Whose answers, of which time, and how closely they are looked at."""

    deployment: Annotated[str | None, Option("Deployment; may be left out where there is one.")] = None
    since: Annotated[str, Option("From so long ago (7d, 12h), or from this instant (ISO 8601, UTC).")] = "7d"
    until: Annotated[str | None, Option("Up to this instant (ISO 8601, UTC); now by default.")] = None
    sample: Annotated[int | None, Option("Look at no more than so many predictions, drawn by their ids.")] = None
    tolerance: Annotated[float, Option("Numbers no further apart, relative or absolute, count as equal.")] = 0.0
    max_rate: Annotated[float, Option("Pass when no greater share of the predictions differs.")] = 0.0
    examples: Annotated[int, Option("Show so many of the values that differ.")] = 10


@contextmanager
def watching(watch: Callable[[int], None]) -> Iterator[None]:
    """Tell `watch` how many rows are done, of the history that is written inside the block."""
    token = _WATCHING.set(watch)
    try:
        yield
    finally:
        _WATCHING.reset(token)


@operation("features", "history", Permission.DEVELOP, local=True)
def history(call: Call[History]) -> Any:
    """Write rows with their features as they were known at each row's time, of any size, as Parquet."""
    given = call.input
    written = call.project.features.write_historical_features(
        given.entities,
        _asked(given.service, given.features),
        given.output,
        event_time=given.event_time,
        as_known=not given.ever_known,
        resume=given.resume,
        force=given.force,
        watch=_WATCHING.get() or (lambda _: None),
    )
    return {"output": str(written.output), "rows": written.rows, "parts": written.parts, "resumed": written.resumed}


@operation("features", "check-leaks", Permission.READ, local=True)
def check_leaks(call: Call[CheckLeaks]) -> Any:
    """Look for features whose values could not have been known: 0 none found, 1 found, 6 not to be told."""
    given = call.input
    asked = _asked(given.service, given.features)
    found = call.project.features.check_leaks(
        read_table(given.entities),
        asked,
        label=given.label,
        label_time=given.label_time,
        event_time=given.event_time,
        as_known=not given.ever_known,
    )
    return {
        "entities": given.entities,
        "features": asked,
        "verdict": found.verdict.value,
        "reasons": list(found.reasons),
        "evidence": dict(found.evidence),
    }


@operation("features", "skew", Permission.READ, local=True)
def skew(call: Call[Skew]) -> Any:
    """Compare what was served with what training would see: 0 no skew, 1 skew, 6 not to be told."""
    given = call.input
    report = call.project.features.skew(
        given.deployment,
        since=_since(given.since),
        until=instant(given.until, "--until"),
        sample=given.sample,
        tolerance=given.tolerance,
        max_rate=given.max_rate,
        examples=given.examples,
    )
    return msgspec.to_builtins(report)


def _since(text: str) -> datetime | timedelta:
    """A duration or an instant. InvalidInput for what is neither."""
    try:
        return parse_duration(text)
    except InvalidInput as no_duration:
        try:
            found = instant(text, "--since")
        except InvalidInput:
            found = None
        if found is None:
            raise InvalidInput(
                f"--since is {text[:40]!r}, which is neither a duration nor a time.",
                remedy="Write 7d, 12h or 30m; or 2026-01-31, 2026-01-31T12:00:00Z.",
            ) from no_duration
        return found


def _asked(service: str | None, features: str | None) -> list[str]:
    """One of the two. InvalidInput for both or none."""
    if (service is None) == (features is None):
        raise InvalidInput(
            "Which features is not said." if service is None else "Features are asked for twice.",
            code="WHICH_FEATURES",
            remedy="Name a --service, or --features view:feature,view:feature.",
        )
    return [each.strip() for each in (service or features or "").split(",") if each.strip()]
