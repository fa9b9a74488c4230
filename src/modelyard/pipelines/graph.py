"""Pipelines as values: nodes, what they take from each other, and the graph they form."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, NoReturn

from modelyard.core import Scalar, did_you_mean

from .errors import InvalidPipeline
from .later import Later

Kind = Literal["data", "validate", "transform", "train", "evaluate", "gate", "register", "deploy"]
JUDGING: tuple[Kind, ...] = ("validate", "gate")
"""Steps whose judgement holds back whatever was composed after them."""

Operator = Literal["passes", "<", "<=", ">", ">=", "=="]


@dataclass(frozen=True)
class Output(Later):
    """What a node will give, once it has run, or an element of it: `metrics["auc"]`, `parts[0]`.

    `composition` is a number of the composing that made it, by which an output of another pipeline is told; 0 when
    it was not made by composing. It does not count when outputs are compared.
    """

    node: str
    path: tuple[str | int, ...] = ()
    composition: int = field(default=0, compare=False, repr=False)

    def __getitem__(self, key: str | int) -> "Output":
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise self._refused(f"taken apart by {key!r:.40}", "Take one element, by its name or its place.")
        return Output(self.node, (*self.path, key), self.composition)

    def __str__(self) -> str:
        return self.node + "".join(f"[{key!r}]" for key in self.path)

    def _called(self) -> str:
        return f"The output of '{self.node}'"

    def __lt__(self, value: float) -> "Condition":
        return Condition(self, "<", value)

    def __le__(self, value: float) -> "Condition":
        return Condition(self, "<=", value)

    def __gt__(self, value: float) -> "Condition":
        return Condition(self, ">", value)

    def __ge__(self, value: float) -> "Condition":
        return Condition(self, ">=", value)

    def equals(self, value: Scalar) -> "Condition":
        """The condition that this output equals a value."""
        return Condition(self, "==", value)


@dataclass(frozen=True)
class Parameter(Later):
    """A parameter of the pipeline, bound when it runs."""

    name: str

    def __getitem__(self, key: object) -> NoReturn:
        raise self._refused("taken apart", "Give it whole to a step, and take it apart there.")

    def _called(self) -> str:
        return f"The parameter '{self.name}'"


@dataclass(frozen=True)
class Each:
    """An input that a node is run over, once an element; several of one node go together, element by element."""

    values: Any


@dataclass(frozen=True)
class Condition:
    """What must hold for a node to run; `passes` is a judgement of `pass`, or any other value that is true."""

    output: Output
    operator: Operator = "passes"
    value: Scalar = None

    def __bool__(self) -> bool:
        raise InvalidPipeline(
            f"Whether '{self}' holds is known only when the pipeline runs.",
            remedy="Write `with my.when(condition):`; two conditions are two such blocks, one inside the other.",
        )

    def __str__(self) -> str:
        return f"{self.output!s}" if self.operator == "passes" else f"{self.output!s} {self.operator} {self.value!r}"


@dataclass(frozen=True)
class Options:
    """How a step is run.

    `cache`: None leaves it to the kind (`register` and `deploy` never; a `data` step only when it names what it
    `reads`). `retries` beyond the first try, waiting `backoff`, then twice that, and so on. `timeout` of one try.
    `resources`: `cpus`, `gpus`, `memory` (bytes). `seed`: of the random generators, instead of the run's. `secrets`:
    names of environment variables that only this step sees. `reads`: datasets of the project. `environment`: names of
    installed distributions whose versions count for the cache.
    """

    cache: bool | None = None
    retries: int = 0
    backoff: timedelta = timedelta(seconds=1)
    timeout: timedelta | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    secrets: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


DEFAULT_OPTIONS = Options()


@dataclass(frozen=True)
class Node:
    """A step in its place.

    `inputs` by parameter name are outputs of earlier nodes, pipeline parameters, or values, also inside lists and
    mappings, or an `Each` of these. `when`: all of these must hold, else the node is skipped, and with it what needs
    it. `after`: judging nodes composed before it, which must have passed.
    """

    name: str
    kind: Kind
    function: Callable[..., Any]
    inputs: Mapping[str, Any]
    options: Options = DEFAULT_OPTIONS
    when: tuple[Condition, ...] = ()
    after: tuple[str, ...] = ()

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The nodes it takes outputs from, each once."""
        conditions = [each.output for each in self.when]
        return tuple(dict.fromkeys(each.node for each in outputs_in([self.inputs, conditions])))

    @property
    def is_mapped(self) -> bool:
        """Whether it is called once for each element of an input."""
        return any(isinstance(each, Each) for each in self.inputs.values())


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can run: each after those it needs.

    `outside`: nodes that are not in it, because it is a part of a graph, and whose outputs and judgements are taken
    from an earlier run.
    """

    nodes: tuple[Node, ...]
    outside: tuple[str, ...] = ()

    def node(self, name: str) -> Node:
        """The node of a name."""
        found = {each.name: each for each in self.nodes}
        if name not in found:
            raise InvalidPipeline(f"There is no step '{name}'.", remedy=did_you_mean(name, found))
        return found[name]

    def from_(self, step: str) -> "Graph":
        """The part that begins with a step: it, and all that needs it or waits for it, however far."""
        found = {self.node(step).name}
        for each in self.nodes:
            if found.intersection(_depends(each)):
                found.add(each.name)
        return self._part(found)

    def to(self, step: str) -> "Graph":
        """The part that ends with a step: it, and all that it needs or waits for, however far."""
        found = {self.node(step).name}
        for each in reversed(self.nodes):
            if each.name in found:
                found.update(_depends(each))
        return self._part(found)

    def only(self, steps: Iterable[str]) -> "Graph":
        """The part of these steps alone."""
        names = {self.node(name).name for name in steps}
        if not names:
            raise InvalidPipeline("A part of a pipeline has at least one step.", remedy="Name the steps to keep.")
        return self._part(names)

    def _part(self, names: set[str]) -> "Graph":
        nodes = tuple(each for each in self.nodes if each.name in names)
        wanted = dict.fromkeys(name for each in nodes for name in _depends(each))
        return Graph(nodes, tuple(name for name in wanted if name not in names))


def _depends(node: Node) -> tuple[str, ...]:
    return (*node.needs, *node.after)


def takes_of(node: Node) -> tuple[str, ...]:
    """The nodes whose outputs are among a node's inputs, each once."""
    return tuple(dict.fromkeys(each.node for value in node.inputs.values() for each in outputs_in(value)))


def outputs_in(value: Any) -> Iterator[Output]:
    """The outputs that stand in a value, also inside lists and mappings."""
    if isinstance(value, Output):
        yield value
    elif isinstance(value, Each):
        yield from outputs_in(value.values)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from outputs_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from outputs_in(each)
