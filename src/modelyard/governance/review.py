"""The periodic audit of what is in production: a pure function of what is known of each version."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from modelyard.core.durations import format_duration

from .records import InProduction, Lacking, Review, Reviewed


def review_production(found: Sequence[InProduction], *, project: str, now: datetime, recent: timedelta) -> Review:
    """What each version in production lacks of review, card, monitor, owner and recent training.

    Without a version in production the verdict is `inconclusive`: no data is never a pass.
    """
    models = tuple(Reviewed(each.model, each.version, each.label, tuple(_lacking(each, now, recent))) for each in found)
    return Review(project, now.isoformat(), _verdict(models), models)


def _verdict(models: Sequence[Reviewed]) -> Literal["pass", "fail", "inconclusive"]:
    if not models:
        return "inconclusive"
    return "fail" if any(each.lacking for each in models) else "pass"


def _lacking(found: InProduction, now: datetime, recent: timedelta) -> Iterator[Lacking]:
    if not found.reviewed_by:
        yield Lacking(
            "review",
            "nobody but its author has approved this bundle",
            f"security.approvals: {{production: {{required: 1}}}} in modelyard.yaml, and: "
            f"modelyard model approve {found.model} {found.version}",
        )
    if not found.intended_use.strip():
        yield Lacking("card", "nothing says what it is for", f"models.{found.model}.intended_use in modelyard.yaml")
    yield from _unwatched(found, now, recent)
    if not found.owner.strip():
        yield Lacking("owner", "nobody answers for it", f"models.{found.model}.owner in modelyard.yaml")
    if (age := now - datetime.fromisoformat(found.trained_at)) > recent:
        yield Lacking(
            "retraining",
            f"it is {age.days} days old, and governance.recent is {format_duration(recent)}",
            f"modelyard retrain run {found.model}",
        )


def _unwatched(found: InProduction, now: datetime, recent: timedelta) -> Iterator[Lacking]:
    if not found.deployments:
        follow = f"deployments in modelyard.yaml, one of them with: model: {found.model}@production"
        yield Lacking("monitor", "no deployment follows it, so nothing can watch it", follow)
        return
    blind = [each for each in found.deployments if each not in found.watched_by]
    if blind:
        yield Lacking(
            "monitor",
            f"no monitor has judged a window of {', '.join(blind[:5])}",
            f"monitoring.{blind[0]} in modelyard.yaml, and: modelyard monitor run --deployment {blind[0]}",
        )
        return
    if now - datetime.fromisoformat(found.windowed_at) > recent:
        yield Lacking(
            "monitor",
            f"its newest window ended at {found.windowed_at[:10]}, and governance.recent is {format_duration(recent)}",
            f"modelyard monitor run --deployment {found.deployments[0]}",
        )
