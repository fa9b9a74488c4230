"""Operations on online features: materializing views, and looking values up."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import pyarrow as pa

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, Scalar, did_you_mean
from modelyard.data import parse_type
from modelyard.features import FeatureStore, FeatureView, OnDemandPart, Progress, RequestSource
from modelyard.wiring import Project

from .contract import Call, Option, operation
from .instants import instant

_TOLD: ContextVar[Progress | None] = ContextVar("told_while_materializing", default=None)


@dataclass(frozen=True)
class Materialize:
    """Which views to bring up to which instant."""

    feature_view: Annotated[str | None, Option("Only this view.")] = None
    all: Annotated[bool, Option("Every view, which is also what is done when none is named.")] = False
    start: Annotated[str | None, Option("Leave out rows with an earlier event time (ISO 8601, UTC).")] = None
    end: Annotated[str | None, Option("Bring views up to this instant (ISO 8601, UTC); now by default.")] = None
    incremental: Annotated[bool, Option("Read only what came to count since the last time.")] = False


@dataclass(frozen=True)
class Get:
    """Which features of whom."""

    entity: Annotated[
        tuple[str, ...],
        Option(
            "An entity as KEY=VALUE, with commas between several keys and the request fields that on-demand features "
            "take; again for another entity."
        ),
    ]
    features: Annotated[tuple[str, ...], Option("A feature as view:feature; again for another.")] = ()
    service: Annotated[str | None, Option("All features that a feature service lists.")] = None
    model: Annotated[str | None, Option("The same of a model of the project file.")] = None
    at: Annotated[str | None, Option("As known at this instant (ISO 8601, UTC); now by default.")] = None


@contextmanager
def telling(progress: Progress) -> Iterator[None]:
    """Tell how far materializing is, inside the block."""
    token = _TOLD.set(progress)
    try:
        yield
    finally:
        _TOLD.reset(token)


@operation("features", "materialize", Permission.DEVELOP)
def materialize(call: Call[Materialize]) -> Any:
    """Bring what has become known to the online store."""
    given, project = call.input, call.project
    if given.all and given.feature_view is not None:
        raise InvalidInput("--all and --feature-view do not go together.", remedy="Give one of them.")
    start, end = instant(given.start, "--start"), instant(given.end, "--end")
    done = project.features.materializer.materialize(
        end or project.clock.now(),
        given.feature_view,
        start=start,
        incremental=given.incremental,
        progress=_TOLD.get(),
    )
    return [asdict(each) for each in done]


@operation("features", "get", Permission.READ)
def get_features(call: Call[Get]) -> Any:
    """Look features up in the online store, or compute them on demand: each value, and how it came to be."""
    store, given = call.project.features, call.input
    features = _asked(call.project, given)
    kinds = _kinds(store, features)
    entities = [_entity(kinds, text) for text in given.entity]
    found = store.get_online_features(features, entities, instant(given.at, "--at"))
    presence = {name: [each.value for each in column] for name, column in found.presence.items()}
    return {"entities": entities, "values": found.columns.values, "presence": presence}


def _asked(project: Project, given: Get) -> Sequence[str]:
    """The features that are named, or those of a service or a model."""
    if sum([bool(given.features), given.service is not None, given.model is not None]) != 1:
        raise InvalidInput(
            "It is not said which features, or in two ways.",
            remedy="Give --features VIEW:FEATURE, --service NAME or --model NAME.",
        )
    if given.features:
        return given.features
    store, models = project.features, project.settings.models
    if given.model is None:
        listed: Sequence[str] = store.listed(str(given.service))
    elif given.model in models:
        settings = models[given.model]
        listed = store.listed(settings.feature_service) if settings.feature_service else settings.features
    else:
        raise NotFound(f"The project file has no model '{given.model[:80]}'.", remedy=did_you_mean(given.model, models))
    return [each for each in listed if ":" in each]


def _kinds(store: FeatureStore, features: Sequence[str]) -> dict[str, pa.DataType]:
    """The types of the keys that features are found by, and of the fields of requests that they are computed of."""
    kinds: dict[str, pa.DataType] = {}
    views: dict[str, FeatureView] = {}
    for each in features:
        part = store.definitions.part(each)
        if not isinstance(part, OnDemandPart):
            views[part.view.name] = part.view
            continue
        for taken in part.view.inputs(part.names).values():
            if isinstance(taken.source, RequestSource):
                kinds[taken.feature] = parse_type(taken.source.schema[taken.feature])
            else:
                views[taken.source.name] = taken.source
    for view in views.values():
        schema = view.schema()
        kinds.update({key: schema.field(key).type for key in view.keys})
    return kinds


def _entity(kinds: Mapping[str, pa.DataType], text: str) -> dict[str, Scalar]:
    """An entity's keys and fields from the words of the command line, each in the type that its column has."""
    keys: dict[str, Scalar] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise InvalidInput(f"{part[:80]!r} is no key with its value.", remedy="Write --entity KEY=VALUE.")
        if name not in kinds:
            raise InvalidInput(
                f"Nothing asked for has the key or field '{name[:80]}'.", remedy=did_you_mean(name, kinds)
            )
        keys[name] = _typed(name, value, kinds[name])
    return keys


def _typed(name: str, value: str, kind: pa.DataType) -> Scalar:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_boolean(kind) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return value
    try:
        return int(value) if pa.types.is_integer(kind) else float(value)
    except ValueError as error:
        raise InvalidInput(f"'{name}' is {kind}, and {value[:40]!r} is none.", remedy="Correct it.") from error
