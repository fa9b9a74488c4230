"""Operations on features as they were: history, and the check for leaks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from modelyard.access import Permission
from modelyard.core import InvalidInput
from modelyard.data import read_table

from .contract import Call, Option, operation

_WATCHING: ContextVar[Callable[[int], None] | None] = ContextVar("history_watcher", default=None)
_SERVICE = "Feature service."
_FEATURES = "view:feature,… or views, in the order of the columns."
_EVENT_TIME = "Column of the time of each row: when its prediction is made."


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


def _asked(service: str | None, features: str | None) -> list[str]:
    """One of the two. InvalidInput for both or none."""
    if (service is None) == (features is None):
        raise InvalidInput(
            "Which features is not said." if service is None else "Features are asked for twice.",
            code="WHICH_FEATURES",
            remedy="Name a --service, or --features view:feature,view:feature.",
        )
    return [each.strip() for each in (service or features or "").split(",") if each.strip()]
