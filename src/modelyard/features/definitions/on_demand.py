"""On-demand views: features that are computed of others and of the request, by expressions or a function."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import pyarrow as pa

from modelyard.core import InvalidInput, did_you_mean, shown
from modelyard.data import parse_type
from modelyard.features.errors import InvalidDefinition, UnknownFeature
from modelyard.features.kinds import kind_of
from modelyard.online import CallMode, DerivedInput, FunctionPlan, OutputKind
from modelyard.online.expressions import Kind, Program, names_in, needed

from .code import MODES, Code, Function, Running, code_of, output_kind
from .definition import Definition, check_definition, wrong_labels
from .request import RequestSource
from .view import FeatureView, ViewPart

OnDemandSource = FeatureView | ViewPart | RequestSource
"""What the expressions of an on-demand view may name."""

_FUNCTION_REMEDY = 'OnDemandView(name="…", sources=[…], features={"risk": "float64"}, function=risk)'
_REMEDY = 'OnDemandView(name="…", sources=[VIEW, RequestSource(…)], features={"ratio": "amount / coalesce(total, 1)"})'


@dataclass(frozen=True)
class OnDemandInput:
    """A value that an expression names: the feature of a view, or a field of the request."""

    source: FeatureView | RequestSource
    feature: str

    @property
    def view(self) -> FeatureView | None:
        """The view; None for a field of the request."""
        return self.source if isinstance(self.source, FeatureView) else None


@dataclass(frozen=True, eq=False)
class OnDemandView(Definition):
    """Features that are computed row by row, of the features of views and the fields of requests.

    `features` maps names to expressions; or, with a `function`, to the types of what that gives. An expression names a
    feature or field alone, or as `view.feature` where two sources have the name, and may use the features before it.
    The same compiled expressions run offline on whole columns and in the server on each request. InvalidDefinition
    lists all that is wrong with it; what depends on types that only a source knows is found when the source is first
    read.

    A `function` is called by its `mode`: `row` with a dict of all values of the sources, `columns` with one of lists,
    `pandas` with a DataFrame; it gives the same of the declared features. Offline and in the server it runs in a worker
    process, of which its file is all that travels: it must be at the top of a file that can be run by itself. What is
    missing is None (NaN in a DataFrame), whole numbers are ints where their type is one (floats in a DataFrame), times
    are datetimes in UTC. A value that it gives as None, NaN or infinity is missing; one that is not of its type, a
    feature that is not given and one that is not declared are errors of the row, as what it raises is.
    """

    kind: ClassVar[str] = FeatureView.kind

    name: str
    sources: Sequence[OnDemandSource] = ()
    features: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    function: Function | None = None
    mode: CallMode = "row"
    _kinds: dict[str, Kind] = field(default_factory=dict, init=False, repr=False)
    _whole: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        remedy = _REMEDY if self.function is None else _FUNCTION_REMEDY
        check_definition("on-demand view", self.name, list(self._wrong_shape()), remedy)
        object.__setattr__(self, "sources", tuple(self.sources))
        object.__setattr__(self, "features", dict(self.features))
        check_definition("on-demand view", self.name, list(self._wrong_names()), remedy)
        if self.function is not None:
            _ = self.code  # as it is now: later the file may be another
        elif all(self._declared(each) for each in self.inputs().values()):
            self.program()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features' names, in their order."""
        return tuple(self.features)

    def __getitem__(self, names: Sequence[str]) -> "OnDemandPart":
        """Some of the features: `view[["ratio"]]`. UnknownFeature for a name that is none of them."""
        return OnDemandPart(self, (names,) if isinstance(names, str) else tuple(names))

    def formulas(self, features: Sequence[str] | None = None) -> dict[str, str]:
        """The expressions that some features need, or all: theirs, and those of features that they use.

        None of them with a function.
        """
        if self.function is not None:
            return {}
        return needed(self.features, self.features if features is None else features)

    def inputs(self, features: Sequence[str] | None = None) -> dict[str, OnDemandInput]:
        """What some features are computed of, or all, by the names that the expressions use.

        A function takes all that its sources have: by the name alone, or as `view.feature` where two sources have it.
        """
        known = self._known()
        if self.function is not None:
            return {name: each[0] for name, each in known.items() if _is_shortest(name, each[0], known)}
        names = dict.fromkeys(name for text in self.formulas(features).values() for name in names_in(text))
        return {name: known[name][0] for name in names if name not in self.features}

    def program(self, features: Sequence[str] | None = None) -> Program:
        """The compiled expressions. InvalidDefinition when kinds do not fit, or a source cannot be read."""
        formulas = self.formulas(features)
        inputs = self.inputs(features)
        try:
            return Program(formulas, {name: self._kind(name, each) for name, each in inputs.items()})
        except InvalidInput as error:
            raise self._refused(error) from error

    def kinds(self, features: Sequence[str] | None = None) -> dict[str, Kind]:
        """The kind of each input, by the name that the expressions use; a source is opened at most once."""
        return {name: self._kind(name, each) for name, each in self.inputs(features).items()}

    def derived_inputs(self, features: Sequence[str] | None = None) -> tuple[DerivedInput, ...]:
        """The inputs as plans have them."""
        inputs, kinds = self.inputs(features), self.kinds(features)
        whole = self._whole if self.function is not None else set[str]()
        return tuple(
            DerivedInput(name, kinds[name], each.feature, None if each.view is None else each.view.name, name in whole)
            for name, each in inputs.items()
        )

    def output_kinds(self, features: Sequence[str] | None = None) -> Mapping[str, OutputKind]:
        """The kind of each feature, at least of those that are named. See `program` for what is raised."""
        if self.function is not None:
            return {name: output_kind(type_) for name, type_ in self.features.items()}
        return self.program(features).kinds

    @cached_property
    def code(self) -> Code:
        """The file of the function. InvalidInput where there is none that can travel."""
        return code_of(self.function)

    @cached_property
    def running(self) -> Running:
        """The function in a worker process, which starts when it is first asked for."""
        return Running.of(self.code)

    def called(self, features: Sequence[str] | None = None) -> FunctionPlan:
        """How the function is called for some features, or all."""
        return FunctionPlan(
            self.name,
            self.code.file,
            self.code.digest,
            self.code.function,
            self.mode,
            self.derived_inputs(),
            tuple(self.output_kinds().items()),
            self.feature_names if features is None else tuple(features),
        )

    def _kind(self, name: str, given: OnDemandInput) -> Kind:
        if name not in self._kinds:
            if isinstance(given.source, RequestSource):
                self._kinds[name] = given.source.kinds[given.feature]
                self._note_whole(name, parse_type(given.source.schema[given.feature]))
            else:
                self._read_kinds(given.source)
        return self._kinds[name]

    def _read_kinds(self, view: FeatureView) -> None:
        """The kinds of all inputs that are features of a view."""
        inputs = {name: each for name, each in self.inputs().items() if each.source is view}
        declared = all(map(self._declared, inputs.values()))
        schema = None if declared else view.schema()
        for name, each in inputs.items():
            found = view.declared[each.feature] if schema is None else schema.field(each.feature).type
            self._note_whole(name, found)
            self._kinds[name] = kind_of(found, f"feature '{each.feature}' of view '{view.name}'")

    def _note_whole(self, name: str, type_: pa.DataType | None) -> None:
        if type_ is not None and pa.types.is_integer(type_):
            self._whole.add(name)

    def _declared(self, given: OnDemandInput) -> bool:
        return not isinstance(given.source, FeatureView) or given.source.declared.get(given.feature) is not None

    def _known(self) -> dict[str, list[OnDemandInput]]:
        """What each name may mean: a bare one of all sources that have it, a dotted one of its source."""
        known: dict[str, list[OnDemandInput]] = {}
        for source in self.sources:
            whole = source.view if isinstance(source, ViewPart) else source
            for name in _names(source):
                known.setdefault(name, []).append(OnDemandInput(whole, name))
                known.setdefault(f"{whole.name}.{name}", []).append(OnDemandInput(whole, name))
        return known

    def _wrong_shape(self) -> Iterator[str]:
        yield from _wrong_sources(self.sources)
        if not isinstance(self.features, Mapping) or not self.features:
            yield "features maps at least one name to its expression, or with a function to its type."
        elif not all(isinstance(part, str) for pair in self.features.items() for part in pair):
            yield "features maps names to expressions, which are texts; or with a function to types, such as float64."
        elif self.function is not None:
            yield from self._wrong_function()
        yield from wrong_labels(self.description, self.tags, self.owner)

    def _wrong_function(self) -> Iterator[str]:
        if self.mode not in MODES:
            yield f"there is no mode {shown(str(self.mode), 40)}. {did_you_mean(str(self.mode), MODES)}"
        checks: list[tuple[str, Callable[[object], object], object]] = [("", code_of, self.function)]
        checks += [(f"feature '{name[:80]}': ", output_kind, type_) for name, type_ in self.features.items()]
        for where, check, value in checks:
            try:
                check(value)
            except InvalidInput as error:
                yield f"{where}{error.message} {error.remedy}".rstrip()

    def _wrong_names(self) -> Iterator[str]:
        names = [(each.view if isinstance(each, ViewPart) else each).name for each in self.sources]
        for twice in sorted({name for name in names if names.count(name) > 1}):
            yield f"two of its sources are named '{twice}'."
        known, before = self._known(), list[str]()
        for name, text in self.features.items():
            if not name or name.startswith("__"):
                yield f"{name[:80]!r} cannot name a feature."
            elif name in known:
                yield f"its feature '{name[:80]}' has the name of what it is computed of: call it otherwise."
            if self.function is None:
                yield from self._wrong_expression(name, text, known, before)
            before.append(name)

    def _wrong_expression(
        self, feature: str, text: str, known: Mapping[str, Sequence[OnDemandInput]], before: Sequence[str]
    ) -> Iterator[str]:
        try:
            used = names_in(text)
        except InvalidInput as error:
            yield f"feature '{feature[:80]}': {error.message} {error.remedy}"
            return
        for name in used:
            if name in before:
                continue
            if name not in known:
                near = did_you_mean(name, [*known, *before])
                yield f"feature '{feature[:80]}' names '{name[:80]}', which no source has. {near}"
            elif len(known[name]) > 1:
                ways = " or ".join(f"{each.source.name}.{name}" for each in known[name])
                yield f"feature '{feature[:80]}' names '{name[:80]}', which several sources have: write {ways}."

    def _refused(self, error: InvalidInput) -> InvalidDefinition:
        return InvalidDefinition(
            f"The on-demand view '{self.name}' cannot be computed: {error.message}",
            context={"view": self.name, **error.context},
            remedy=error.remedy,
        )


@dataclass(frozen=True, eq=False)
class OnDemandPart:
    """Some features of an on-demand view, as feature services take them."""

    view: OnDemandView
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in self.view.features:
                raise UnknownFeature(
                    f"On-demand view '{self.view.name}' has no feature {str(name)[:80]!r}.",
                    remedy=did_you_mean(str(name), self.view.features),
                )


def on_demand_view(
    *,
    sources: Sequence[OnDemandSource],
    features: Mapping[str, str],
    name: str = "",
    mode: CallMode = "row",
    description: str = "",
    tags: Mapping[str, str] | None = None,
    owner: str = "",
) -> Callable[[Function], OnDemandView]:
    """Make an on-demand view of the function below, named as that is unless a `name` is given. See `OnDemandView`.

    The function's docstring is the description where none is given.
    """

    def made(function: Function) -> OnDemandView:
        called = name or getattr(function, "__name__", "")
        told = description or (getattr(function, "__doc__", "") or "").strip().partition("\n")[0]
        return OnDemandView(called, sources, features, told, tags or {}, owner, function, mode)

    return made


def _is_shortest(name: str, given: OnDemandInput, known: Mapping[str, Sequence[OnDemandInput]]) -> bool:
    """Whether a function is given a value under this name: the bare one, unless several sources have that."""
    return (name == given.feature) == (len(known[given.feature]) == 1)


def _wrong_sources(sources: object) -> Iterator[str]:
    if not isinstance(sources, list | tuple):
        yield "sources is a list of feature views and request sources."
        return
    for each in sources:
        if isinstance(each, OnDemandView | OnDemandPart):
            yield "one of its sources is an on-demand view: put the expressions of both into one."
        elif not isinstance(each, FeatureView | ViewPart | RequestSource):
            yield f"{str(each)[:60]!r} is no source: give feature views and request sources."


def _names(source: OnDemandSource) -> Sequence[str]:
    if isinstance(source, RequestSource):
        return tuple(source.schema)
    return source.names if isinstance(source, ViewPart) else source.feature_names
