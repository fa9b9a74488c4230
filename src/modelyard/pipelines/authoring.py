"""Writing pipelines: typed functions under `@step`, composed under `@pipeline`; building one runs no step."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, overload

from modelyard.core import InvalidInput, check_name, did_you_mean

from .errors import InvalidPipeline
from .fits import hints_of
from .graph import DEFAULT_OPTIONS, JUDGING, Condition, Each, Graph, Kind, Node, Options, Output, Parameter
from .inputs import check_input
from .options import checked_options

_COMPOSITIONS = count(1)


@dataclass
class _Building:
    number: int = field(default_factory=lambda: next(_COMPOSITIONS))
    nodes: list[Node] = field(default_factory=list)
    conditions: tuple[Condition, ...] = ()
    pipelines: tuple[str, ...] = ()

    def check_output(self, output: Output) -> None:
        known = [each.name for each in self.nodes]
        if output.composition not in (0, self.number) or output.node not in known:
            raise InvalidPipeline(
                f"The output of '{output.node}' comes from another pipeline, or from an earlier composing of this one.",
                remedy="Call the step in this pipeline, or call the other pipeline here and use what it returns.",
            )


_BUILDING: ContextVar[_Building | None] = ContextVar("building", default=None)


@dataclass(frozen=True)
class Step:
    """A function that can be a node. Called outside a pipeline it is just the function."""

    name: str
    kind: Kind
    function: Callable[..., Any]
    options: Options = DEFAULT_OPTIONS

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        building = _BUILDING.get()
        if building is None:
            return self.function(*args, **kwargs)
        node = self._node(building, _bound(f"Step '{self.name}'", self.function, args, kwargs))
        building.nodes.append(node)
        return Output(node.name, composition=building.number)

    def _node(self, building: _Building, inputs: dict[str, Any]) -> Node:
        hints = hints_of(self.function)
        for name, value in inputs.items():
            check_input(self.name, name, value, hints.get(name), building.check_output)
        after = tuple(each.name for each in building.nodes if each.kind in JUDGING)
        name = _free_name(self, building.nodes)
        return Node(name, self.kind, self.function, inputs, self.options, building.conditions, after)


@dataclass(frozen=True)
class Pipeline:
    """A named composition of steps. `parameters` have defaults or must be given.

    Called inside another pipeline its steps become part of that one, and it returns what its function returns.
    """

    name: str
    compose: Callable[..., Any]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters, by name."""
        return inspect.signature(self.compose).parameters

    @property
    def summary(self) -> str:
        """The first line of its docstring; empty without one."""
        return (inspect.getdoc(self.compose) or "").partition("\n")[0]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        building = _BUILDING.get()
        if building is None:
            raise InvalidPipeline(
                f"Pipeline '{self.name}' is not a function to call.",
                remedy=f"Run it: modelyard pipeline run {self.name}; or look at it: {self.name}.graph().",
            )
        given = _bound(f"Pipeline '{self.name}'", self.compose, args, kwargs)
        defaults = {name: each.default for name, each in self.parameters.items() if name not in given}
        return self._composed(building, {**defaults, **given})

    def graph(self) -> Graph:
        """The pipeline as a value; no step runs."""
        building = _Building()
        token = _BUILDING.set(building)
        try:
            self._composed(building, {name: Parameter(name) for name in self.parameters})
        finally:
            _BUILDING.reset(token)
        if not building.nodes:
            raise InvalidPipeline(f"Pipeline '{self.name}' calls no step.", remedy="Call functions marked @step.")
        return Graph(tuple(building.nodes))

    def _composed(self, building: _Building, given: Mapping[str, Any]) -> Any:
        if self.name in building.pipelines:
            way = " → ".join((*building.pipelines, self.name))
            raise InvalidPipeline(f"Pipeline '{self.name}' contains itself: {way}.", remedy="Take the call out.")
        before, building.pipelines = building.pipelines, (*building.pipelines, self.name)
        try:
            return self.compose(**given)
        finally:
            building.pipelines = before

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter with its value; unknown and missing ones are errors, together."""
        unknown = [name for name in given if name not in self.parameters]
        missing = [
            name
            for name, each in self.parameters.items()
            if each.default is inspect.Parameter.empty and name not in given
        ]
        if unknown or missing:
            hints = [f"'{name}' is not one. {did_you_mean(name, self.parameters)}" for name in unknown]
            hints += [f"'{name}' must be given." for name in missing]
            raise InvalidPipeline(f"The parameters of '{self.name}' do not fit: {' '.join(hints)}")
        defaults = {name: each.default for name, each in self.parameters.items() if name not in given}
        return {**defaults, **given}


@overload
def step(function: Callable[..., Any], /) -> Step: ...
@overload
def step(
    *,
    kind: Kind = "transform",
    name: str | None = None,
    cache: bool | None = None,
    retries: int = 0,
    backoff: timedelta | str = "1s",
    timeout: timedelta | str | None = None,
    resources: Mapping[str, float] | None = None,
    seed: int | None = None,
    secrets: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
    environment: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Step]: ...
def step(
    function: Callable[..., Any] | None = None, /, *, kind: Kind = "transform", name: str | None = None, **options: Any
) -> Any:
    """Mark a function as a step of a kind; `Options` says what the others mean. Durations also as `"90s"`, `"2h"`.

    InvalidPipeline when an option cannot be used, or when the function is none that a step can be made of.
    """

    def mark(function: Callable[..., Any]) -> Step:
        called = _checked_function("step", function, name)
        return Step(called, kind, function, checked_options(called, kind, options))

    return mark if function is None else mark(function)


@overload
def pipeline(function: Callable[..., Any], /) -> Pipeline: ...
@overload
def pipeline(*, name: str | None = None) -> Callable[[Callable[..., Any]], Pipeline]: ...
def pipeline(function: Callable[..., Any] | None = None, /, *, name: str | None = None) -> Any:
    """Mark a function that composes steps as a pipeline. Its parameters are the pipeline's, with their defaults."""

    def mark(function: Callable[..., Any]) -> Pipeline:
        return Pipeline(_checked_function("pipeline", function, name), function)

    return mark if function is None else mark(function)


def each(values: Any) -> Any:
    """Run the step that takes this once for every element of `values`, a list or an output that will be one.

    Its output is then the list of what each run gave, in order.
    """
    if isinstance(values, Output | Parameter | list | tuple):
        return Each(values)
    raise InvalidPipeline(
        f"A step cannot be run over a value of type {type(values).__name__}.",
        remedy="Give a list, or the output of a step that returns one: my.each([1, 2, 3]).",
    )


@contextmanager
def when(condition: Any) -> Iterator[None]:
    """Steps inside the block run only if the condition holds, else they are skipped, and with them what needs them.

    A condition compares an output (`metrics["auc"] > 0.8`, `kind.equals("new")`), or is an output: a judgement that
    passes, or any other value that is true.
    """
    building = _BUILDING.get()
    if building is None:
        raise InvalidPipeline("`when` belongs into a pipeline.", remedy="Inside a step, write a plain `if`.")
    wanted = _condition(condition)
    building.check_output(wanted.output)
    before = building.conditions
    building.conditions = (*before, wanted)
    try:
        yield
    finally:
        building.conditions = before


def _condition(given: Any) -> Condition:
    if isinstance(given, Condition):
        return given
    if isinstance(given, Output):
        return Condition(given)
    if isinstance(given, Parameter):
        raise InvalidPipeline(
            f"The parameter '{given.name}' cannot be a condition by itself.",
            remedy="Let a step take it and return the answer: with my.when(wanted(parameter)):",
        )
    raise InvalidPipeline(
        f"A condition is the output of a step, or a comparison of one, not {given!r:.40}.",
        remedy="Write my.when(metrics['auc'] > 0.8), my.when(judged) or my.when(kind.equals('new')).",
    )


def _bound(owner: str, function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    signature = inspect.signature(function)
    unknown = [name for name in kwargs if name not in signature.parameters]
    if unknown:
        hint = did_you_mean(unknown[0], signature.parameters)
        raise InvalidPipeline(f"{owner} takes no '{unknown[0]}'.", remedy=hint)
    try:
        return dict(signature.bind(*args, **kwargs).arguments)
    except TypeError as error:
        takes = ", ".join(signature.parameters) or "nothing"
        raise InvalidPipeline(f"{owner}: {error}.", remedy=f"It takes {takes}.") from error


def _checked_function(what: str, function: Any, name: str | None) -> str:
    """The name of what is made of a function; InvalidPipeline when nothing can be."""
    if isinstance(function, Step | Pipeline):
        raise InvalidPipeline(f"'{function.name}' is marked already.", remedy=f"Write @{what} once.")
    if not inspect.isfunction(function):
        raise InvalidPipeline(
            f"A {what} is made of a function, not of {function!r:.40}.",
            remedy=f"Write @{what} above `def`; a name goes into @{what}(name='…').",
        )
    called = name if name is not None else function.__name__
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise InvalidPipeline(
            f"'{called}' is a coroutine or generator, which gives its values one by one.",
            remedy="Write a plain function that returns the whole result.",
        )
    for each in inspect.signature(function).parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY):
            raise InvalidPipeline(
                f"The parameter '{each}' of '{called}' has no name by which a value could be given.",
                remedy="Write each parameter by its name; for many values of a sort take a list.",
            )
    try:
        return check_name(what, called)
    except InvalidInput as error:
        raise InvalidPipeline(error.message, remedy=f"{error.remedy} Give it: @{what}(name='…').") from error


def _free_name(step: Step, nodes: list[Node]) -> str:
    taken = {each.name: each for each in nodes}
    if step.name not in taken:
        return step.name
    if taken[step.name].function is not step.function:
        raise InvalidPipeline(
            f"Two different steps are called '{step.name}'.", remedy="Give one another name: @step(name='…')."
        )
    number = 2
    while f"{step.name}_{number}" in taken:
        number += 1
    return f"{step.name}_{number}"
