"""From a node's inputs, as the graph has them, to the artifacts of one call, or of one for each element."""

from collections.abc import Mapping
from typing import Any

from modelyard.core import Judgement, Verdict
from modelyard.storage import ArtifactStore

from ..artifacts import Artifact, Scratch, SharedNames, load, load_path, part_of, save
from ..errors import NoSuchPart
from ..graph import Condition, Each, Node, Output, Parameter, outputs_in
from .order import Taken


class Binder:
    """Binds inputs to what steps gave and to the run's parameters."""

    def __init__(
        self, store: ArtifactStore, names: SharedNames, scratch: Scratch, parameters: Mapping[str, Artifact]
    ) -> None:
        self._store = store
        self._names = names
        self._scratch = scratch
        self._parameters = parameters
        self.outputs: dict[str, Artifact] = {}

    def calls(self, node: Node) -> list[dict[str, Any]]:
        """The inputs of every call of a node: one, or for mapped nodes as many as the lists have elements."""
        from_each = {name: self._elements(each) for name, each in node.inputs.items() if isinstance(each, Each)}
        rest = {name: self._bound(each) for name, each in node.inputs.items() if name not in from_each}
        if not from_each:
            return [rest]
        lengths = {name: len(each) for name, each in from_each.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
            raise NoSuchPart(
                f"Step '{node.name}' goes over lists of different lengths: {told}.", remedy="Make them equally long."
            )
        count = next(iter(lengths.values()))
        order = list(node.inputs)
        calls = [{**rest, **{name: each[at] for name, each in from_each.items()}} for at in range(count)]
        return [{name: call[name] for name in order} for call in calls]

    def holds(self, condition: Condition) -> bool:
        """Whether a condition holds of what a step gave."""
        artifact, output = self.outputs[condition.output.node], condition.output
        value = load_path(artifact, output.path, self._store, self._names, self._scratch)
        match condition.operator:
            case "passes":
                return value.verdict is Verdict.PASS if isinstance(value, Judgement) else bool(value)
            case "==":
                return bool(value == condition.value)
        try:
            return bool(_COMPARED[condition.operator](value, condition.value))
        except TypeError as error:
            raise NoSuchPart(
                f"A condition compares what '{output.node}' gave, {value!r:.200}, with {condition.value!r}: {error}.",
                remedy="Compare numbers with numbers.",
            ) from error

    def _bound(self, value: Any) -> Any:
        """Artifacts for outputs and parameters; whole values where neither stands inside."""
        if isinstance(value, Output):
            return self._taken(value)
        if isinstance(value, Parameter):
            return Taken(self._parameters[value.name])
        if not _is_open(value):
            return Taken(save(value, self._store, self._names))
        if isinstance(value, Mapping):
            return {key: self._bound(each) for key, each in value.items()}
        return [self._bound(each) for each in value]

    def _taken(self, output: Output) -> Taken:
        artifact, rest = part_of(self.outputs[output.node], output.path)
        if not rest or artifact.form not in ("json", "judgement"):
            return Taken(artifact, rest)
        element = load_path(artifact, rest, self._store, self._names, self._scratch)
        return Taken(save(element, self._store, self._names))

    def _elements(self, each: Each) -> list[Any]:
        if isinstance(each.values, list | tuple):
            return [self._bound(value) for value in each.values]
        found = self._bound(each.values)
        if not isinstance(found, Taken):
            return list(found.values()) if isinstance(found, Mapping) else list(found)
        if found.artifact.form in ("list", "tuple") and not found.path:
            return [Taken(part) for part in found.artifact.parts]
        value = load_path(found.artifact, found.path, self._store, self._names, self._scratch)
        if not isinstance(value, list | tuple):
            raise NoSuchPart(
                f"A step is to run once an element of a {type(value).__name__}, which is no list: {value!r:.200}.",
                remedy="Give `each` a list, or an output that is one.",
            )
        return [Taken(save(element, self._store, self._names)) for element in value]

    def shown(self, node: Node) -> dict[str, str]:
        """Inputs that are parameters or plain values, as a person reads them: at most 200 characters each."""
        plain = {name: each for name, each in node.inputs.items() if not any(outputs_in(each))}
        values = {name: self._value(each) for name, each in plain.items()}
        return {name: _bounded(repr(value)) for name, value in values.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, Parameter):
            return load(self._parameters[value.name], self._store, self._names, self._scratch)
        return value


def _bounded(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"


_COMPARED = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}


def _is_open(value: Any) -> bool:
    """Whether an output or parameter stands somewhere in a value."""
    if isinstance(value, Output | Parameter):
        return True
    if isinstance(value, Mapping):
        return any(map(_is_open, value.values()))
    return isinstance(value, list | tuple) and any(map(_is_open, value))
