"""Writing pipelines: typed functions under `@step`, composed under `@pipeline`; building one runs no step."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, overload

from modelyard.core import did_you_mean
from modelyard.core.durations import parse_duration

from .errors import InvalidPipeline
from .graph import DEFAULT_OPTIONS, JUDGING, Condition, Each, Graph, Kind, Node, Options, Output, Parameter


@dataclass
class _Building:
    nodes: list[Node] = field(default_factory=list)
    conditions: tuple[Condition, ...] = ()


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
        signature = inspect.signature(self.function)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            takes = ", ".join(signature.parameters)
            raise InvalidPipeline(f"Step '{self.name}': {error}.", remedy=f"It takes {takes}.") from error
        taken = [each.name for each in building.nodes]
        name = _free_name(self.name, taken)
        after = tuple(each.name for each in building.nodes if each.kind in JUDGING)
        node = Node(name, self.kind, self.function, dict(bound.arguments), self.options, building.conditions, after)
        building.nodes.append(node)
        return Output(name)


@dataclass(frozen=True)
class Pipeline:
    """A named composition of steps. `parameters` have defaults or must be given."""

    name: str
    compose: Callable[..., Any]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters, by name."""
        return inspect.signature(self.compose).parameters

    def graph(self) -> Graph:
        """The pipeline as a value; no step runs."""
        building = _Building()
        token = _BUILDING.set(building)
        try:
            self.compose(**{name: Parameter(name) for name in self.parameters})
        finally:
            _BUILDING.reset(token)
        if not building.nodes:
            raise InvalidPipeline(f"Pipeline '{self.name}' calls no step.", remedy="Call functions marked @step.")
        return Graph(tuple(building.nodes))

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
    function: Callable[..., Any] | None = None,
    /,
    *,
    kind: Kind = "transform",
    name: str | None = None,
    backoff: timedelta | str = "1s",
    timeout: timedelta | str | None = None,
    resources: Mapping[str, float] | None = None,
    **others: Any,
) -> Any:
    """Mark a function as a step of a kind; `Options` says what the others mean. Durations also as `"90s"`, `"2h"`."""
    options = Options(
        backoff=_duration(backoff), timeout=_duration(timeout) if timeout else None, resources=resources or {}, **others
    )

    def mark(function: Callable[..., Any]) -> Step:
        return Step(name or function.__name__, kind, function, options)

    return mark if function is None else mark(function)


def pipeline(function: Callable[..., Any]) -> Pipeline:
    """Mark a function that composes steps as a pipeline."""
    return Pipeline(function.__name__, function)


def each(values: Any) -> Any:
    """Run the step that takes this once for every element of `values`, a list or an output that will be one.

    Its output is then the list of what each run gave, in order.
    """
    return Each(values)


@contextmanager
def when(condition: Any) -> Iterator[None]:
    """Steps inside the block run only if the condition holds, else they are skipped, and with them what needs them.

    A condition compares an output (`metrics["auc"] > 0.8`, `kind.equals("new")`), or is an output: a judgement that
    passes, or any other value that is true.
    """
    building = _BUILDING.get()
    if building is None:
        raise InvalidPipeline("`when` belongs into a pipeline.", remedy="Inside a step, write a plain `if`.")
    before = building.conditions
    building.conditions = (*before, condition if isinstance(condition, Condition) else Condition(condition))
    try:
        yield
    finally:
        building.conditions = before


def _free_name(name: str, taken: list[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _duration(given: timedelta | str) -> timedelta:
    return parse_duration(given) if isinstance(given, str) else given
