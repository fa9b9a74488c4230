"""From what a Feast repository defines to a module of definitions, and a line for what could not be carried over."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from modelyard.core import InvalidInput
from modelyard.features.aggregations import Aggregation, AggregationView
from modelyard.features.definitions import Entity, Feature, FeatureView, OnDemandView, RequestSource

from .carried import carried_function
from .errors import LeftOut, Untranslatable
from .functions import expressions_of
from .origins import Folders, Origin, origin_of
from .records import (
    FeastEntity,
    FeastOnDemand,
    FeastRepository,
    FeastRequest,
    FeastService,
    FeastView,
    Imported,
    Labelled,
    Projection,
    Told,
)
from .writing import Code, Names, call

TYPES: Mapping[str, str | None] = {
    "INT32": "int32", "INT64": "int64", "FLOAT": "float32", "DOUBLE": "float64", "BOOL": "bool", "STRING": "string",
    "UNIX_TIMESTAMP": "timestamp[us]", "JSON": "string", "UNKNOWN": None,
}  # fmt: skip
"""Types here by Feast's names of values that go online; None is told by the source."""

_PACKAGE = __name__.partition(".")[0]
_FUNCTIONS = {"sum": "sum", "max": "max", "min": "min", "count": "count", "mean": "mean", "count_distinct": "distinct"}
_SORTS = {"BatchFeatureView": "batch view", "StreamFeatureView": "stream view", "LabelView": "label view"}
_ON_DEMAND = "on-demand view"


@dataclass(frozen=True)
class _View:
    """A view that was carried over: its variable, and itself, with a source of no rows, for what is built on it."""

    variable: str
    built: FeatureView


@dataclass
class _Module:
    """What has been written so far."""

    folders: Folders
    names: Names = field(default_factory=Names)
    body: list[str] = field(default_factory=list)
    report: list[Told] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    entities: dict[str, tuple[str, Entity]] = field(default_factory=dict)
    pushes: dict[str, tuple[str, Code]] = field(default_factory=dict)
    requests: dict[str, tuple[str, RequestSource]] = field(default_factory=dict)
    views: dict[str, _View] = field(default_factory=dict)
    on_demand: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    stem: str = ""
    files: dict[str, str] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)

    def define(self, kind: str, name: str, value: Code) -> str:
        """Add a definition; its variable."""
        variable = self.names.of(name, kind.replace(" ", "_").replace("-", "_"))
        self.body.append(f"{variable} = {value}")
        self.counts[kind] += 1
        return variable

    def note(self, kind: str, name: str, why: str) -> None:
        """Something that is otherwise here."""
        self.report.append(Told(kind, name, "note", why))

    @contextmanager
    def carrying(self, kind: str, name: str) -> Iterator[None]:
        """What cannot be carried over inside is one line of the report."""
        try:
            yield
        except LeftOut as error:
            self.report.append(Told(kind, name, "left out", f"{error}."))
        except InvalidInput as error:
            self.report.append(Told(kind, name, "left out", " ".join(error.message.split())[:400]))


def imported(found: FeastRepository, repository: Path, folder: Path, stem: str = "") -> Imported:
    """The definitions of `repository` for a module that will lie in `folder`, from which the paths in it begin.

    `stem` is the module's name, with which those of its functions' files begin; without one, functions that are more
    than expressions are left out.
    """
    module = _Module(Folders(repository.resolve(), folder.resolve()), stem=stem)
    for entity in found.entities:
        with module.carrying("entity", entity.name):
            _entity(module, entity)
    for view in found.views:
        with module.carrying(_sort(view), view.name):
            _view(module, view)
    for on_demand in found.on_demand:
        with module.carrying(_ON_DEMAND, on_demand.name):
            _on_demand(module, on_demand)
    for service in found.services:
        with module.carrying("feature service", service.name):
            _service(module, service)
    return Imported(_text(module), dict(module.counts), tuple(module.report), found.feast, module.files)


def _text(module: _Module) -> str:
    body = "\n\n".join(module.body)
    head = ['"""Feature definitions, imported from a Feast repository."""', ""]
    head += ["from datetime import timedelta", ""] if "timedelta(" in body else []
    lines = [f"import {_PACKAGE} as my", *([""] if module.imports else []), *module.imports]
    return "\n".join([*head, *lines, "", f"{body}\n" if body else ""])


def _entity(module: _Module, each: FeastEntity) -> None:
    built = Entity(each.name, tuple(each.join_keys))
    keys = each.join_keys if each.join_keys != [each.name] else []
    code = call("my.Entity", each.name, join_keys=keys, **_labels(each))
    module.entities[each.name] = (module.define("entity", each.name, code), built)


def _view(module: _Module, view: FeastView) -> None:
    _refuse(view)
    lacking = [name for name in view.entities if name not in module.entities]
    if lacking:
        raise LeftOut(f"its entity '{lacking[0]}' is not carried over")
    variables = [Code(module.entities[name][0]) for name in view.entities]
    entities = [module.entities[name][1] for name in view.entities]
    ttl = timedelta(microseconds=view.ttl_us) if view.ttl_us else None
    if view.aggregations:
        columns = list(dict.fromkeys(each.column for each in view.aggregations))
        origin = origin_of(view, columns, module.folders)
        code, built = _aggregation_view(module, view, origin, variables, entities, ttl)
    else:
        features = _kept_features(module, view)
        origin = origin_of(view, [each.name for each in features], module.folders)
        built = FeatureView(
            view.name, entities, "none", origin.event_time, features, ttl, available_at=origin.created or None
        )
        code = call(
            "my.FeatureView",
            view.name,
            entities=variables,
            source=_read(module, view, origin),
            event_time=origin.event_time,
            available_at=origin.created,
            features=[each.name for each in features],
            ttl=ttl,
            **_labels(view),
        )
    module.views[view.name] = _View(module.define("feature view", view.name, code), built)
    _note_view(module, view)


def _refuse(view: FeastView) -> None:
    if view.kind == "LabelView":
        raise LeftOut("labels come as ground truth here: POST /feedback")
    if view.transformation:
        raise LeftOut(f"its rows are made by a function ({view.transformation}): write them in a pipeline step")
    if not view.entities:
        raise LeftOut("it has no entity, which every view here needs")
    if not view.features and not view.aggregations:
        raise LeftOut("its features are not to be told: name them in its schema, or have its source at hand")


def _kept_features(module: _Module, view: FeastView) -> list[Feature]:
    kept = [Feature(each.name, TYPES[each.type]) for each in view.features if each.type in TYPES]
    others = [f"{each.name} ({each.type.lower()})" for each in view.features if each.type not in TYPES]
    if not kept:
        raise LeftOut(f"online values here are numbers, texts, flags and times, and its are {', '.join(others)[:200]}")
    if others:
        why = f"without {', '.join(others)[:200]}: online values here are numbers, texts, flags and times."
        module.note(_sort(view), view.name, why)
    return kept


def _aggregation_view(
    module: _Module,
    view: FeastView,
    origin: Origin,
    variables: Sequence[Code],
    entities: Sequence[Entity],
    ttl: timedelta | None,
) -> tuple[Code, FeatureView]:
    slides = {each.slide_us for each in view.aggregations}
    if None in slides or len(slides) > 1:
        raise LeftOut("its aggregations do not share one slide_interval, or have none")
    slide = timedelta(microseconds=next(iter(slides)) or 0)
    made, codes = [], []
    for each in view.aggregations:
        if each.function not in _FUNCTIONS or not each.window_us:
            raise LeftOut(f"there is no aggregation '{each.function}' here, or it has no window")
        window, name = timedelta(microseconds=each.window_us), each.name or f"{each.function}_{each.column}"
        function = _FUNCTIONS[each.function]
        made.append(Aggregation(each.column, function, window, name))  # type: ignore[arg-type]  # one of ours
        codes.append(call("my.Aggregation", each.column, function, window=window, name=name))
    built = AggregationView(
        view.name, entities, "none", origin.event_time, ttl=ttl, slide=slide, aggregations=made,
        available_at=origin.created or None,
    )  # fmt: skip
    code = call(
        "my.AggregationView",
        view.name,
        entities=variables,
        source=_read(module, view, origin),
        event_time=origin.event_time,
        available_at=origin.created,
        slide=slide,
        aggregations=codes,
        ttl=ttl,
        **_labels(view),
    )
    module.note(_sort(view), view.name, "windows are computed here, and stand at the multiples of slide; check a few.")
    return code, built


def _read(module: _Module, view: FeastView, origin: Origin) -> Code:
    """A view's source: rows that are pushed or streamed, with those of the batch source, or these alone."""
    if view.stream is None:
        return origin.code
    name = view.stream.name
    if name not in module.pushes:
        code = call("my.PushSource", name, batch=origin.code)
        module.pushes[name] = (module.define("push source", name, code), origin.code)
        if view.stream.kind != "PushSource":
            why = f"the {view.stream.kind}'s messages come in by: modelyard features push {view.name} --from URL."
            module.note("stream source", name, why)
    variable, before = module.pushes[name]
    if before != origin.code:
        raise LeftOut(f"its push source '{name}' is read by another view with other columns renamed")
    return Code(variable)


def _note_view(module: _Module, view: FeastView) -> None:
    source, kind = view.source, _sort(view)
    if source is not None and source.created:
        why = (
            f"'{source.created}' says when rows were available: they are used from then on, where Feast only breaks "
            "ties with it; as_known=False does the same here."
        )
        module.note(kind, view.name, why)
    if source is not None and source.endpoint:
        module.note(kind, view.name, f"set its S3 endpoint for fsspec: AWS_ENDPOINT_URL={source.endpoint[:80]}.")
    if not view.online:
        module.note(kind, view.name, "is offline only in Feast (online=False); here all views go online.")


def _on_demand(module: _Module, view: FeastOnDemand) -> None:
    if view.aggregated:
        raise LeftOut("it aggregates, which is an AggregationView here")
    sources: list[Code] = []
    built: list[FeatureView | RequestSource] = []
    known: Counter[str] = Counter()
    for part in view.views:
        carried = module.views.get(part.view)
        if carried is None:
            raise LeftOut(f"its source, the view '{part.view}', is not carried over")
        sources.append(Code(carried.variable))
        built.append(carried.built)
        known.update(carried.built.feature_names)
    for request in view.requests:
        variable, source = _request(module, request)
        sources.append(Code(variable))
        built.append(source)
        known.update(list(source.schema))
    called = _called(built, known)
    try:
        formulas = expressions_of(view.text, [each.name for each in view.features], called)
    except Untranslatable as error:
        _on_demand_function(module, view, sources, called, str(error))
        return
    OnDemandView(view.name, built, formulas)  # what is wrong with it is said now rather than by the module
    code = call("my.OnDemandView", view.name, sources=sources, features=formulas, **_labels(view))
    module.on_demand[view.name] = (module.define("on-demand view", view.name, code), list(formulas))
    why = "its function was turned into expressions: what is missing or infinite stays missing, also in comparisons."
    module.note(_ON_DEMAND, view.name, why)


def _on_demand_function(
    module: _Module, view: FeastOnDemand, sources: Sequence[Code], called: Mapping[str, str], beyond: str
) -> None:
    """Carry the function itself over; `beyond` says what of it is beyond expressions."""
    try:
        carried = carried_function(view, called)
    except LeftOut as error:
        raise LeftOut(f"{beyond}, which is beyond expressions; and {error}") from error
    if not module.stem:
        raise LeftOut(f"{beyond}, which is beyond expressions: its function goes into a file of its own with --output")
    variable = module.names.of(view.name, "on_demand_view")
    file = f"{module.stem}_{variable}"
    function = module.names.of(carried.function, f"function_of_{variable}")
    module.files[f"{file}.py"] = carried.text
    renamed = "" if function == carried.function else f" as {function}"
    module.imports.append(f"from {file} import {carried.function}{renamed}")
    mode = "" if carried.mode == "row" else carried.mode
    code = call(
        "my.OnDemandView", view.name, sources=sources, features=carried.outputs, function=Code(function), mode=mode,
        **_labels(view),
    )  # fmt: skip
    module.body.append(f"{variable} = {code}")
    module.counts["on-demand view"] += 1
    module.on_demand[view.name] = (variable, list(carried.outputs))
    why = (
        f"its function is in {file}.py and runs in a worker process ({beyond}, which is beyond expressions): a bundle "
        f"with it is Python that whoever serves it must permit."
    )
    module.note(_ON_DEMAND, view.name, why)


def _called(sources: Sequence[FeatureView | RequestSource], known: Mapping[str, int]) -> dict[str, str]:
    """From what a function may call a value, as Feast names columns, to what expressions call it."""
    called = {name: name for name, count in known.items() if count == 1}
    for view in sources:
        if isinstance(view, FeatureView):
            names = view.feature_names
            called |= {f"{view.name}__{name}": name if known[name] == 1 else f"{view.name}.{name}" for name in names}
    return called


def _request(module: _Module, request: FeastRequest) -> tuple[str, RequestSource]:
    if request.name not in module.requests:
        schema: dict[str, str] = {}
        for each in request.fields:
            type_ = TYPES.get(each.type)
            if type_ is None:
                raise LeftOut(f"its request field '{each.name}' is {each.type.lower()}, which no request here carries")
            schema[each.name] = "int64" if type_ == "bool" else type_
            if type_ == "bool":
                module.note("request source", request.name, f"'{each.name}' is sent as 1 or 0.")
        built = RequestSource(request.name, schema)
        code = call("my.RequestSource", request.name, schema=schema, **_labels(request))
        module.requests[request.name] = (module.define("request source", request.name, code), built)
    return module.requests[request.name]


def _service(module: _Module, service: FeastService) -> None:
    parts = [part for each in service.parts if (part := _part(module, service, each)) is not None]
    if not parts:
        raise LeftOut("nothing that it lists is carried over")
    code = call("my.FeatureService", service.name, features=parts, **_labels(service))
    module.define("feature service", service.name, code)
    if service.logged:
        why = "its logging is not carried over: the server's prediction log has every served row."
        module.note("feature service", service.name, why)


def _part(module: _Module, service: FeastService, each: Projection) -> Code | None:
    """What a service lists of one view; None, and a line in the report, for what is not there."""
    if each.view in module.on_demand:
        variable, known = module.on_demand[each.view]
    elif each.view in module.views:
        view = module.views[each.view]
        variable, known = view.variable, list(view.built.feature_names)
    else:
        module.note("feature service", service.name, f"without the view '{each.view}', which is not carried over.")
        return None
    if each.alias or each.join_keys:
        why = f"the view '{each.view}' has another name or other join keys in it, which views here have not."
        raise LeftOut(f"{why[:-1]}: define a second view")
    wanted = [name for name in each.features if name in known] or known
    if lost := [name for name in each.features if name not in known]:
        module.note("feature service", service.name, f"without {', '.join(lost)[:200]} of the view '{each.view}'.")
    return Code(variable) if wanted == known else Code(f"{variable}[[{', '.join(map(_quoted, wanted))}]]")


def _quoted(name: str) -> str:
    return f'"{name}"'


def _labels(each: Labelled) -> dict[str, object]:
    return {"description": each.description, "tags": each.tags, "owner": each.owner}


def _sort(view: FeastView) -> str:
    return _SORTS.get(view.kind, "feature view")
