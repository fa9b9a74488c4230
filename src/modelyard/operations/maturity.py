"""The governance report: evidence collected from every room, judged by `governance`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.governance import InProduction, Level, judge_maturity, maturity_page, review_production
from modelyard.wiring import Project

from .contract import Call, Option, operation
from .evidence import collect, in_production


@dataclass(frozen=True)
class Report:
    """What to tell."""

    audit: Annotated[bool, Option("Audit what is in production; ends with 1 when something is lacking.")] = False


@operation("maturity", "", Permission.READ)
def maturity(call: Call[Report]) -> Any:
    """How far the machinery carries, from 0 (manual) to 3 (full), from what the workspace has record of."""
    project = call.project
    now, name = project.clock.now(), project.settings.project
    live = in_production(project)
    found = judge_maturity(collect(project, live), project=name, at=now.isoformat(), names=names_of(project, live))
    review = review_production(live, project=name, now=now, recent=project.settings.governance.recent)
    told: dict[str, Any] = msgspec.to_builtins(review if call.input.audit else found)
    if not call.input.audit:
        told = {**told, "title": Level(found.level).title}
    return {**told, "html": maturity_page(found, review)}


def names_of(project: Project, live: Sequence[InProduction]) -> dict[str, str]:
    """One of each of the workspace's own names, for what a step says; a model that is in production, if any is."""
    settings = project.settings
    sections: dict[str, Mapping[str, object]] = {
        "model": settings.models,
        "deployment": settings.deployments,
        "pipeline": settings.pipelines,
        "dataset": settings.datasets,
    }
    names = {name: next(iter(section)) for name, section in sections.items() if section}
    chosen = next(((each.model, each.version) for each in live), None)
    if chosen is None:
        chosen = next(((each.name, each.number) for each in project.models.listed(limit=1)), None)
    return names if chosen is None else {**names, "model": chosen[0], "version": str(chosen[1])}
