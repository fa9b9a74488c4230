"""Definitions as plain data: what they mean, to be compared and kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.core import Digest, Scalar, canonical_json, digest_of, shown
from modelyard.core.durations import format_duration

from .aggregations import AggregationView
from .definitions import (
    Definition,
    Definitions,
    Entity,
    FeatureService,
    FeatureView,
    OnDemandView,
    PushSource,
    RequestSource,
    SqlSource,
    StreamSource,
    ViewPart,
)
from .kinds import ARROW, ARROW_OUTPUTS
from .selection import references

LABELS = ("description", "tags", "owner")
"""What is said of a definition, and is no part of its meaning."""


def described(definition: Definition, definitions: Definitions) -> dict[str, Any]:
    """A definition as JSON, with the types of its features: sources are opened for those that are not declared."""
    labels = {name: getattr(definition, name) for name in LABELS if hasattr(definition, name)}
    if "tags" in labels:
        labels["tags"] = dict(labels["tags"])
    return {"kind": definition.kind, "name": definition.name, **_meaning(definition, definitions), **labels}


def service_digest(service: FeatureService, definitions: Definitions) -> Digest:
    """The digest of what a service means: its list, and the meaning of the views in it and below them."""
    listed = references(definitions, service)
    views: dict[str, Any] = {}
    for name in {each.partition(":")[0] for each in listed if ":" in each}:
        on_demand = definitions.on_demand.get(name)
        views[name] = _meaning(on_demand or definitions.view(name), definitions)
        for each in on_demand.inputs().values() if on_demand is not None else ():
            if each.view is not None:
                views[each.view.name] = _meaning(each.view, definitions)
    return digest_of(canonical_json({"features": listed, "views": views}))


def _meaning(definition: Definition, definitions: Definitions) -> dict[str, Any]:
    if isinstance(definition, FeatureView):
        return _of_view(definition)
    if isinstance(definition, OnDemandView):
        return _of_on_demand(definition)
    if isinstance(definition, FeatureService):
        digest = service_digest(definition, definitions)
        return {"features": references(definitions, definition), "digest": digest}
    return _of_small(definition)


def _of_small(definition: Definition) -> dict[str, Any]:
    if isinstance(definition, Entity):
        return {"keys": list(definition.join_keys)}
    if isinstance(definition, RequestSource):
        return {"schema": dict(definition.schema)}
    if isinstance(definition, PushSource):
        batch = {"source": None if definition.batch is None else _source(definition.batch)}
        return batch | _of_stream(definition) if isinstance(definition, StreamSource) else batch
    return {}


def _of_stream(source: StreamSource) -> dict[str, Any]:
    address = source.address()
    return {
        "stream": None if address is None else str(address),
        "schema": None if source.schema is None else dict(source.schema),
        "id": source.id,
    }


def _of_on_demand(view: OnDemandView) -> dict[str, Any]:
    sources = [_source_name(each) for each in view.sources]
    if view.function is not None:
        return {
            "sources": sources,
            "function": f"{view.code.path.name}:{view.code.function}",
            "mode": view.mode,
            "code": view.code.digest,
            "order": list(view.features),
            "features": {name: str(ARROW_OUTPUTS[kind]) for name, kind in view.output_kinds().items()},
        }
    return {
        "sources": sources,
        "expressions": dict(view.features),
        "order": list(view.features),
        "features": {name: str(ARROW[kind]) for name, kind in view.program().kinds.items()},
    }


def _of_view(view: FeatureView) -> dict[str, Any]:
    types = {field.name: str(field.type) for field in view.schema()}
    meaning: dict[str, Any] = {
        "entities": [each.name for each in view.entities],
        "keys": {key: types[key] for key in view.keys},
        "features": {name: types[name] for name in view.feature_names},
        "order": list(view.feature_names),
        "source": _source(view.source),
        "event_time": view.event_time,
        "available_at": view.available_at,
        "ttl": format_duration(view.ttl) if view.ttl else None,
        "stale": view.stale,
        "defaults": dict[str, Scalar](view.defaults),
    }
    if isinstance(view, AggregationView):
        meaning["slide"] = format_duration(view.slide)
        meaning["aggregations"] = {
            each.feature: f"{each.function} of {each.column} in {format_duration(each.window)}"
            for each in view.aggregations
        }
    return meaning


def _source_name(source: FeatureView | ViewPart | RequestSource) -> str:
    return source.view.name if isinstance(source, ViewPart) else source.name


def _source(source: object) -> str:
    """What a view reads, in a word or two; never with what may be secret."""
    match source:
        case str() | Path():
            return str(source).rpartition("@")[2]
        case SqlSource():
            return "query " + shown(" ".join(source.query.split()), 200)
        case StreamSource():
            return f"stream source {source.name}"
        case PushSource():
            return f"push source {source.name}"
        case _ if callable(source):
            return f"function {getattr(source, '__name__', type(source).__name__)}"
        case _:
            return f"table of {type(source).__module__.partition('.')[0]}"


def meaning_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is described, without what is only said of it."""
    return {name: value for name, value in body.items() if name not in LABELS}
