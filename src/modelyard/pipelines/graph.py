"""Pipelines as values: nodes, what they take from each other, and the graph they form."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from modelyard.core import Scalar, did_you_mean

from .errors import InvalidPipeline

Kind = Literal["data", "validate", "transform", "train", "evaluate", "gate", "register", "deploy"]
JUDGING: tuple[Kind, ...] = ("validate", "gate")
"""Steps whose judgement holds back whatever was composed after them."""

Operator = Literal["passes", "<", "<=", ">", ">=", "=="]


@dataclass(frozen=True)
class Output:
    """What a node will give, once it has run, or an element of it: `metrics["auc"]`, `parts[0]`."""

    node: str
    path: tuple[str | int, ...] = ()

    def __getitem__(self, key: str | int) -> "Output":
        return Output(self.node, (*self.path, key))

    def __iter__(self) -> Iterator["Output"]:
        raise InvalidPipeline(
            f"The output of '{self.node}' is not there yet, so it cannot be unpacked.",
            remedy="Take its elements by place: parts[0], parts[1].",
        )

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
class Parameter:
    """A parameter of the pipeline, bound when it runs."""

    name: str


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

    @property
    def needs(self) -> tuple[str, ...]:
        """The nodes it takes outputs from, each once."""
        conditions = [each.output for each in self.when]
        return tuple(dict.fromkeys(each.node for each in outputs_in([self.inputs, conditions])))


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
