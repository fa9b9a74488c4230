"""A graph in words, for the rules and the charts."""

from collections.abc import Mapping
from typing import Any

from .description import Clash, Description, Stage, Wire
from .fits import Type, element_of, hints_of, named, never_fits, type_of
from .graph import Each, Graph, Node, Output, Parameter, outputs_in
from .inputs import PLAIN

_SEEDS = ("seed", "random_state")


def describe(
    name: str, graph: Graph, *, parameters: Mapping[str, Type] | None = None, rollback: str | None = None
) -> Description:
    """A graph in words. `parameters`: the types of the pipeline's parameters, as far as they are known."""
    types = {each.name: _gives(each) for each in graph.nodes}
    used = {each for node in graph.nodes for each in node.needs}
    stages = tuple(_stage(each, types, parameters or {}, used) for each in graph.nodes)
    return Description(name, stages, rollback, outside=graph.outside)


def _stage(node: Node, types: Mapping[str, Type], parameters: Mapping[str, Type], used: set[str]) -> Stage:
    gives = () if named(types[node.name]) == "None" else ("output",)
    return Stage(
        node.name,
        node.kind,
        tuple(Wire(name, source) for name, value in node.inputs.items() for source in _sources(value)),
        gives,
        unused=() if node.name in used else gives,
        waits=node.after,
        conditions=tuple((each.output.node, str(each)) for each in node.when),
        threshold=_threshold(node),
        seeded=_seeded(node),
        clashes=tuple(_clashes(node, types, parameters)),
    )


def _sources(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.node for each in outputs_in(value)))


def _threshold(node: Node) -> dict[str, float]:
    """What a gate asks for, where it is written in the composition."""
    minimum = node.inputs.get("minimum")
    if node.kind != "gate" or not isinstance(minimum, Mapping):
        return {}
    return {str(name): float(value) for name, value in minimum.items() if isinstance(value, int | float)}


def _seeded(node: Node) -> bool:
    """By its option, by an input of that name, or because its code reads the run's seed."""
    if node.options.seed is not None or any(name in node.inputs for name in _SEEDS):
        return True
    code = getattr(node.function, "__code__", None)
    return code is not None and "seed" in code.co_names


def _gives(node: Node) -> Type:
    gives = hints_of(node.function).get("return")
    mapped = node.is_mapped
    return list[gives] if mapped and gives is not None else gives  # type: ignore[valid-type]  # a type made as it runs


def _clashes(node: Node, types: Mapping[str, Type], parameters: Mapping[str, Type]) -> list[Clash]:
    wanted, found = hints_of(node.function), []
    for name, value in node.inputs.items():
        gets = _type_in(value, types, parameters)
        if never_fits(gets, wanted.get(name)):
            found.append(Clash(name, named(gets), named(wanted[name])))
    return found


def _type_in(value: Any, types: Mapping[str, Type], parameters: Mapping[str, Type]) -> Type:
    if isinstance(value, Output):
        return element_of(types.get(value.node), value.path)
    if isinstance(value, Parameter):
        return parameters.get(value.name)
    if isinstance(value, Each):
        return _element(value.values, types, parameters)
    return type_of(value) if isinstance(value, (*PLAIN, list, tuple, Mapping)) else None


def _element(values: Any, types: Mapping[str, Type], parameters: Mapping[str, Type]) -> Type:
    """The type of every element, when all are of one."""
    if isinstance(values, list | tuple):
        kinds = [_type_in(each, types, parameters) for each in values]
        return kinds[0] if kinds and all(each == kinds[0] for each in kinds) else None
    return element_of(_type_in(values, types, parameters), (0,))
