"""Operations on what a shadow would have answered."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, atomic_write
from modelyard.history import FIXED
from modelyard.rollout.responses import COLUMNS, diff_responses, response_page

from .contract import Call, Option, operation
from .times import instant_of


@dataclass(frozen=True)
class DiffResponses:
    """Which shadow to compare, over which time."""

    deployment: Annotated[str, Option("Deployment.", positional=True)]
    arm: Annotated[str, Option("The shadow's arm.")] = "shadow"
    since: Annotated[str | None, Option("Only from this time on: ISO 8601, or how long ago, such as 7d.")] = None
    segment: Annotated[tuple[str, ...], Option("Feature or column to show by its levels. Repeatable.")] = ()
    html: Annotated[Path | None, Option("Also write a page with pictures, which opens offline.")] = None


@operation("rollout", "diff", Permission.READ, local=True)
def rollout_diff(call: Call[DiffResponses]) -> Any:
    """Compare a shadow's answers with those that were given: 0 they agree, 1 they differ, 6 cannot be told."""
    given, project = call.input, call.project
    settings = project.rollouts.settings(given.deployment)
    if given.html is not None and not given.html.absolute().parent.is_dir():
        raise InvalidInput(f"There is no folder {given.html.parent}.", remedy="Make it first.")
    segments = tuple(dict.fromkeys((*settings.response_diff.segments, *given.segment)))
    since = instant_of(given.since, project.clock.now())
    columns = dict.fromkeys((*COLUMNS, *(each for each in segments if each in FIXED["predictions"])))
    features = [each for each in segments if each not in columns]
    with project.log.batches(given.deployment, start=since, columns=list(columns), features=features) as records:
        found = diff_responses(
            records,
            settings.response_diff.model_copy(update={"segments": segments}),
            deployment=given.deployment,
            arm=given.arm,
            objective_ms=settings.latency_objective_ms,
            since=None if since is None else since.isoformat(),
        )
    if given.html is not None:
        atomic_write(given.html, response_page(found).encode())
    told: dict[str, Any] = msgspec.to_builtins(found)
    return told | {"page": None if given.html is None else str(given.html)}
