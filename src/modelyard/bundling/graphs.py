"""ONNX graphs in a bundle's shape: encoded rows in, scores out, and whatever must happen in between."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import Signature, Task

MISSING = "\x00missing"
"""What a missing level is inside a graph: strings of ONNX have no null, and no level of anyone's is called this."""

OPSET = 18
_ML, _ML_OLDER = 5, 3
"""The versions of `ai.onnx.ml`: the one with `TreeEnsemble`, and the last with the operators that came before it."""

_IR_VERSION = 10
_GIVEN = "given_"


@dataclass(frozen=True)
class Graph:
    """Nodes that lead from the inputs to `output`; `inputs` and the output are named tensors."""

    nodes: tuple[Any, ...]
    constants: tuple[Any, ...]
    inputs: tuple[Any, ...]
    output: str

    def to_bytes(self, outputs: int, *, single: bool = False) -> bytes:
        """The model file: input `X` (n, features), output `scores` float64 (n, outputs)."""
        from onnx import TensorProto, checker, helper  # noqa: PLC0415 - importing it takes a third of a second

        taken = TensorProto.FLOAT if single else TensorProto.DOUBLE
        width = self.inputs[0].type.tensor_type.shape.dim[1].dim_value
        graph = helper.make_graph(
            list(self.nodes),
            "bundle",
            [helper.make_tensor_value_info("X", taken, [None, width])],
            [helper.make_tensor_value_info(self.output, TensorProto.DOUBLE, [None, outputs])],
            list(self.constants),
        )
        modern = any(each.op_type == "TreeEnsemble" for each in self.nodes)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", _ML if modern else _ML_OLDER)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data


@dataclass
class Steps:
    """A chain of nodes, each taking what the one before it gave."""

    last: str = "X"
    prefix: str = ""
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, kind: str, *more: str, domain: str = "", **attributes: Any) -> str:
        """Put a node behind the last; `more` are its further inputs."""
        self.last = self.node(kind, [self.last, *more], domain=domain, **attributes)
        return self.last

    def node(self, kind: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        """Put a node anywhere; returns the name of what it gives."""
        from onnx import helper  # noqa: PLC0415 - see above

        name = f"{self.prefix}step{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], domain=domain, **attributes))
        return name

    def cast(self, kind: str) -> str:
        from onnx import TensorProto  # noqa: PLC0415 - see above

        return self.add("Cast", to={"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[kind])

    def constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper  # noqa: PLC0415 - see above

        name = f"{self.prefix}constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def graph(self, width: int) -> Graph:
        """These steps as a graph of `width` features; what the last gives becomes `scores`."""
        from onnx import TensorProto, helper  # noqa: PLC0415 - see above

        self.nodes.append(helper.make_node("Identity", [self.last], ["scores"]))
        taken = helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, width])
        return Graph(tuple(self.nodes), tuple(self.constants), (taken,), "scores")


def graph_of(model: Any, *, domains: Collection[str] = ()) -> tuple[Graph, int]:
    """The graph of an ONNX model that gives what its last output gives, and the tensor type of that.

    Every tensor's name begins with `given_`, so that none is also one of ours. ValueError for a model that needs more
    than ONNX's own operators and those of `domains`, or whose last output is no tensor.
    """
    strange = {each.domain for each in model.opset_import} - {"", "ai.onnx", "ai.onnx.ml", *domains}
    if used := {each.domain for each in model.graph.node} & strange:
        raise ValueError(f"it uses operators of {', '.join(sorted(used))}; only ONNX's own are let in")
    last = model.graph.output[-1]
    if not last.type.HasField("tensor_type"):
        raise ValueError(f"its output '{last.name}' is no tensor; convert it with zipmap=False")
    constants = tuple(model.graph.initializer)
    named = {each.name for each in constants}
    inputs = tuple(each for each in model.graph.input if each.name not in named)
    names = named | {each.name for each in inputs} | {name for node in model.graph.node for name in node.output}
    renamed = {name: f"{_GIVEN}{name}" for name in names if name}
    graph = Graph(
        tuple(_with_names(node, renamed) for node in model.graph.node),
        tuple(_named(each, renamed[each.name]) for each in constants),
        tuple(_named(each, renamed[each.name]) for each in inputs),
        renamed[last.name],
    )
    return graph, int(last.type.tensor_type.elem_type)


def _with_names(node: Any, renamed: Mapping[str, str]) -> Any:
    """A copy of a node with other names of tensors, also where its inner graphs reach out for them."""
    copy = type(node)()
    copy.CopyFrom(node)
    copy.input[:] = [renamed.get(each, each) for each in node.input]
    copy.output[:] = [renamed.get(each, each) for each in node.output]
    for attribute in copy.attribute:
        if attribute.HasField("g"):
            inner = [_with_names(each, renamed) for each in attribute.g.node]
            del attribute.g.node[:]
            attribute.g.node.extend(inner)
            for each in (*attribute.g.input, *attribute.g.output, *attribute.g.initializer):
                each.name = renamed.get(each.name, each.name)
    return copy


def _named(thing: Any, name: str) -> Any:
    copy = type(thing)()
    copy.CopyFrom(thing)
    copy.name = name
    return copy


def fed_whole(graph: Graph, signature: Signature, *, single: bool = False) -> Graph:
    """The graph of one matrix with the input `X` in front, cast to what the graph takes."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - see above

    (taken,) = graph.inputs
    given = TensorProto.FLOAT if single else TensorProto.DOUBLE
    cast = helper.make_node("Cast", ["X"], [taken.name], to=taken.type.tensor_type.elem_type)
    whole = helper.make_tensor_value_info("X", given, [None, len(signature.fields)])
    return Graph((cast, *graph.nodes), graph.constants, (whole,), graph.output)


def is_whole(graph: Graph, signature: Signature) -> bool:
    """Whether a graph takes all columns as one matrix, rather than each by its name."""
    return len(graph.inputs) == 1 and graph.inputs[0].name.removeprefix(_GIVEN) not in signature.names


def fed_by(graph: Graph, signature: Signature) -> Graph:
    """The graph with one input `X` of encoded rows in front of its inputs, one a column, named as the fields are.

    Numbers are cast to what the graph takes; codes of categories are mapped back to their levels, missing ones to
    `MISSING`. So a pipeline's own string columns are fed inside ONNX Runtime, without a Python object a value.
    """
    from onnx import TensorProto, helper  # noqa: PLC0415 - see above

    steps = Steps(prefix="feed_")
    places = {name: index for index, name in enumerate(signature.names)}
    for taken in graph.inputs:
        field_name = taken.name.removeprefix(_GIVEN)
        if field_name not in places:
            raise ValueError(f"its input '{field_name}' is no field of the signature ({', '.join(places)})")
        spec = signature.fields[places[field_name]]
        at = steps.constant(np.array([places[field_name]], dtype=np.int64))
        column = steps.node("Gather", ["X", at], axis=1)
        kind = taken.type.tensor_type.elem_type
        if (spec.kind == "category") != (kind == TensorProto.STRING):
            raise ValueError(f"its input '{field_name}' and the signature's {spec.kind} are of different kinds")
        if spec.kind == "category":
            levels = {
                "keys_floats": [float(code) for code in range(len(spec.categories))],
                "values_strings": list(spec.categories),
                "default_string": MISSING,
            }
            rounded = steps.node("Cast", [column], to=TensorProto.FLOAT)
            column = steps.node("LabelEncoder", [rounded], domain="ai.onnx.ml", **levels)
        elif kind != TensorProto.DOUBLE:
            column = steps.node("Cast", [column], to=kind)
        steps.nodes.append(helper.make_node("Identity", [column], [taken.name]))
    whole = helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, len(places)])
    return Graph((*steps.nodes, *graph.nodes), (*steps.constants, *graph.constants), (whole,), graph.output)


def followed_by(front: Graph, tail: Graph) -> Graph:
    """What `front` gives becomes the input `X` of `tail`, whose own names are our own."""
    renamed = {"X": front.output}
    nodes = tuple(_with_names(node, renamed) for node in tail.nodes)
    return Graph((*front.nodes, *nodes), (*front.constants, *tail.constants), front.inputs, tail.output)


def finished(graph: Graph, kind: int, task: Task, classes: int) -> Graph:
    """The graph with a bundle's scores: float64, two-dimensional, and of two classes only the second."""
    from onnx import TensorProto  # noqa: PLC0415 - see above

    steps = Steps(last=graph.output, prefix="end_")
    if kind != TensorProto.DOUBLE:
        steps.cast("float64")
    steps.add("Reshape", steps.constant(np.array([-1, classes if task != "regression" else 1], dtype=np.int64)))
    if task == "binary" and classes == 2:
        steps.add("Gather", steps.constant(np.array([1], dtype=np.int64)), axis=1)
    width = graph.inputs[0].type.tensor_type.shape.dim[1].dim_value
    end = steps.graph(width)
    nodes = _alive((*graph.nodes, *end.nodes), "scores")
    needed = {name for node in nodes for name in node.input}
    constants = tuple(each for each in (*graph.constants, *end.constants) if each.name in needed)
    return Graph(nodes, constants, graph.inputs, "scores")


def _alive(nodes: Sequence[Any], wanted: str) -> tuple[Any, ...]:
    """The nodes that the wanted tensor needs, in their order: labels and the like are left out."""
    makers: Mapping[str, Any] = {output: node for node in nodes for output in node.output}
    open_names, seen = [wanted], set()
    kept: set[int] = set()
    while open_names:
        name = open_names.pop()
        if name in seen or name not in makers:
            continue
        seen.add(name)
        kept.add(id(makers[name]))
        open_names += list(makers[name].input)
    return tuple(node for node in nodes if id(node) in kept)
