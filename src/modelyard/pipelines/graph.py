"""Pipelines as values: typed functions under `@step`, composed under `@pipeline` into a graph."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from modelyard.core import did_you_mean

from .errors import InvalidPipeline

Kind = Literal["data", "validate", "transform", "train", "evaluate", "gate", "register", "deploy"]


@dataclass(frozen=True)
class Output:
    """What a node will give, once it has run."""

    node: str


@dataclass(frozen=True)
class Parameter:
    """A parameter of the pipeline, bound when it runs."""

    name: str


@dataclass(frozen=True)
class Node:
    """A step in its place: `inputs` by parameter name are outputs of earlier nodes, pipeline parameters, or values."""

    name: str
    kind: Kind
    function: Callable[..., Any]
    inputs: Mapping[str, Any]

    @property
    def needs(self) -> tuple[str, ...]:
        """The nodes it takes outputs from."""
        return tuple(_outputs_in(self.inputs))


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can run: each after those it needs."""

    nodes: tuple[Node, ...]

    def node(self, name: str) -> Node:
        """The node of a name."""
        found = {each.name: each for each in self.nodes}
        if name not in found:
            raise InvalidPipeline(f"There is no step '{name}'.", remedy=did_you_mean(name, found))
        return found[name]

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        boxes = [f'  {each.name}["{each.name} ({each.kind})"]' for each in self.nodes]
        arrows = [f"  {need} --> {each.name}" for each in self.nodes for need in each.needs]
        return "\n".join(["flowchart TD", *boxes, *arrows])


@dataclass
class _Building:
    nodes: list[Node] = field(default_factory=list)


_BUILDING: ContextVar[_Building | None] = ContextVar("building", default=None)


@dataclass(frozen=True)
class Step:
    """A function that can be a node. Called outside a pipeline it is just the function."""

    name: str
    kind: Kind
    function: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        building = _BUILDING.get()
        if building is None:
            return self.function(*args, **kwargs)
        try:
            bound = inspect.signature(self.function).bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidPipeline(f"Step '{self.name}': {error}.", remedy=f"It takes {_spelled(self)}.") from error
        taken = [each.name for each in building.nodes]
        name = self.name if self.name not in taken else f"{self.name}_{taken.count(self.name) + 1}"
        building.nodes.append(Node(name, self.kind, self.function, dict(bound.arguments)))
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


def step(*, kind: Kind) -> Callable[[Callable[..., Any]], Step]:
    """Mark a function as a step of a kind."""

    def mark(function: Callable[..., Any]) -> Step:
        return Step(function.__name__, kind, function)

    return mark


def pipeline(function: Callable[..., Any]) -> Pipeline:
    """Mark a function that composes steps as a pipeline."""
    return Pipeline(function.__name__, function)


def _outputs_in(value: Any) -> Iterator[str]:
    """The nodes whose outputs stand in a value, also inside lists and mappings."""
    if isinstance(value, Output):
        yield value.node
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _outputs_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _outputs_in(each)


def _spelled(each: Step) -> Sequence[str]:
    return list(inspect.signature(each.function).parameters)
