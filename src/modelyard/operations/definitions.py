"""Operations on feature definitions: what there is, what was applied, what differs, and what that breaks."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import did_you_mean
from modelyard.features import (
    AggregationView,
    Definition,
    FeatureService,
    FeatureView,
    OnDemandView,
    UnknownFeature,
    all_described,
    broken,
    changes_between,
    described,
    kept_functions,
    references,
)
from modelyard.inference import BundleInfo
from modelyard.online import FeaturePlan
from modelyard.registry import ModelVersion
from modelyard.wiring import Project

from .contract import Call, Nothing, Option, operation


@dataclass(frozen=True)
class Named:
    """Which definition."""

    name: Annotated[str, Option("A view, service, entity or source.", positional=True)]


@operation("features", "list", Permission.READ)
def list_features(call: Call[Nothing]) -> Any:
    """The views and services, and up to when each view is materialized."""
    store = call.project.features
    fresh = store.materializer.freshness()
    definitions = store.definitions
    listed = [
        _listed(view.name, _sort(view), view, list(view.keys), list(view.feature_names))
        | {
            "ttl": str(view.ttl) if view.ttl else None,
            "materialized_until": fresh[name],
            "state": _state(fresh[name], view.ttl, call.project.clock.now()),
        }
        for name, view in definitions.views.items()
    ]
    listed += [
        _listed(each.name, _sort(each), each, None, list(each.feature_names)) for each in definitions.on_demand.values()
    ]
    services = definitions.of(FeatureService).values()
    return listed + [_listed(each.name, _sort(each), each, None, references(definitions, each)) for each in services]


@operation("features", "show", Permission.READ)
def show_feature(call: Call[Named]) -> Any:
    """A definition: source, types, freshness, and which services and models use it."""
    project, name = call.project, call.input.name
    definitions = project.features.definitions
    found = [each for each in definitions.all() if each.name == name]
    if not found:
        known = [each.name for each in definitions.all()]
        raise UnknownFeature(f"Nothing is defined as '{name[:80]}'.", remedy=did_you_mean(name, known))
    chosen = next((each for each in found if isinstance(each, FeatureView | OnDemandView | FeatureService)), found[0])
    told = described(chosen, definitions) | {"sort": _sort(chosen)}
    if isinstance(chosen, FeatureView):
        state = project.features.materializer.state(name)
        told |= {"materialized_until": project.features.materializer.freshness()[name], "rows": state.rows}
    return told | {"services": _services_with(project, name), "models": _models_with(project, name)}


@operation("features", "apply", Permission.DEVELOP)
def apply_features(call: Call[Nothing]) -> Any:
    """Record the project's definitions, with what changed; and say which model versions that breaks."""
    project = call.project
    before = project.applied_features.last()
    breaks = _breaks(project, before, all_described(project.features.definitions))
    changes = project.applied_features.apply(project.features.definitions, call.principal)
    return {"changes": [asdict(each) for each in changes], "breaks": breaks, "keeps": _keeps(project)}


@operation("features", "diff", Permission.READ)
def diff_features(call: Call[Nothing]) -> Any:
    """What differs from what was applied, and which model versions it breaks. Ends with 1 when it breaks one."""
    project = call.project
    before, now = project.applied_features.last(), all_described(project.features.definitions)
    return {
        "changes": [asdict(each) for each in changes_between(before, now)],
        "breaks": _breaks(project, before, now),
        "keeps": _keeps(project),
    }


def _breaks(project: Project, before: dict[str, Any], now: dict[str, Any]) -> list[dict[str, Any]]:
    """Each registered version that is not archived and no longer gets what it was trained on, and why."""
    return [
        {"model": version.name, "version": version.number, "why": why}
        for version, plan in _plans(project)
        for why in broken(plan, before, now)
    ]


def _keeps(project: Project) -> list[dict[str, Any]]:
    """Each registered version that is not archived and goes on with another function than the definitions have now."""
    definitions = project.features.definitions
    return [
        {"model": version.name, "version": version.number, "why": why}
        for version, plan in _plans(project)
        for why in kept_functions(plan, definitions)
    ]


def _plans(project: Project) -> Iterator[tuple[ModelVersion, FeaturePlan]]:
    for version in project.models.versions():
        document = None if version.archived else project.models.bundle_file(version, "bundle.json")
        if document is not None:
            yield version, msgspec.convert(msgspec.json.decode(document, type=BundleInfo).plan, FeaturePlan)


def _services_with(project: Project, name: str) -> list[str]:
    definitions = project.features.definitions
    return [
        each.name
        for each in definitions.of(FeatureService).values()
        if any(reference.partition(":")[0] == name for reference in references(definitions, each))
    ]


def _models_with(project: Project, name: str) -> list[str]:
    """The registered versions that read a view, or were trained with a service."""
    found = []
    for version, plan in _plans(project):
        views = {each.name for each in plan.views} | {each.name for each in plan.on_demand}
        if name in views or (version.features is not None and version.features.service == name):
            found.append(f"{version.name} {version.number}")
    return found


def _listed(
    name: str, sort: str, definition: FeatureView | OnDemandView | FeatureService, keys: list[str] | None,
    features: list[str],
) -> dict[str, Any]:  # fmt: skip
    return {
        "name": name,
        "sort": sort,
        "keys": keys,
        "features": features,
        "ttl": None,
        "materialized_until": None,
        "state": None,
        "description": definition.description,
    }


def _state(until: datetime | None, ttl: timedelta | None, now: datetime) -> str:
    """Of a view online: `never` written, `stale` when nothing newer than its ttl can be there, else `fresh`."""
    if until is None:
        return "never"
    return "stale" if ttl is not None and until + ttl <= now else "fresh"


def _sort(definition: Definition) -> str:
    if isinstance(definition, OnDemandView):
        return "on-demand view"
    return "aggregation view" if isinstance(definition, AggregationView) else definition.kind
