"""A pipeline as a JSON document: written from its graph, and read back into an equal one.

`FORMAT` names the version. A reader refuses any other; a key may be added without a new version only if readers that do
not know it still read the same graph. Values that JSON lacks are objects whose one key begins with `$`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import date, datetime, timedelta
from importlib import import_module
from inspect import Parameter as Argument
from math import isfinite
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from modelyard.data import load_module

from .authoring import Pipeline, Step
from .describe import describe
from .errors import InvalidPipeline
from .exported import FORMAT, describe_exported
from .fits import hints_of, named
from .graph import Condition, Each, Graph, Node, Options, Output, Parameter
from .jsonfile import shown
from .options import checked_options
from .origin import in_a_file, must_move, source_file

_INSTALLED = Path(__file__).parent.parent


def export_pipeline(
    pipeline: Pipeline, folder: Path, *, graph: Graph | None = None, rollback: str | None = None
) -> dict[str, Any]:
    """The document of a pipeline, or of a part of it. `folder`: what the paths of its files are relative to.

    InvalidPipeline when a step is not in a file, or has a value that cannot be written.
    """
    graph = graph or pipeline.graph()
    hints = hints_of(pipeline.compose)
    words = {each.name: each for each in describe(pipeline.name, graph).stages}
    document = {
        "format": FORMAT,
        "name": pipeline.name,
        "summary": pipeline.summary,
        "parameters": {name: _argument(each, hints.get(name)) for name, each in pipeline.parameters.items()},
        "steps": [
            _step(each, folder) | {"seeded": words[each.name].seeded, "types": _types(each)} for each in graph.nodes
        ],
        "outside": list(graph.outside),
    }
    return document | ({"rollback": {"strategy": rollback}} if rollback else {})


def read_graph(document: Mapping[str, Any], folder: Path) -> Graph:
    """The graph of a document; its functions are loaded from their files below `folder`, so trust its author.

    InvalidPipeline lists what is wrong with the document, or names the function that is not there.
    """
    flaws = describe_exported(document).flaws
    if flaws:
        told = " ".join(each.message for each in flaws[:10])
        raise InvalidPipeline(f"The document cannot be read. {told}", remedy=flaws[0].remedy)
    return Graph(tuple(_node(each, folder) for each in document["steps"]), tuple(document.get("outside", ())))


def _argument(argument: Argument, kind: Any) -> dict[str, Any]:
    told = {"type": named(kind)} if kind is not None else {}
    if argument.default is Argument.empty:
        return told | {"required": True}
    return told | {"default": _written(argument.default, f"The default of parameter '{argument.name}'")}


def _step(node: Node, folder: Path) -> dict[str, Any]:
    place = f"of step '{node.name}'"
    told = {
        "name": node.name,
        "kind": node.kind,
        "function": _reference(node.function, folder),
        "inputs": {name: _written(value, f"The input '{name}' {place}") for name, value in node.inputs.items()},
        "options": _options(node.options),
        "when": [_condition(each) for each in node.when],
        "after": list(node.after),
    }
    return {key: value for key, value in told.items() if value or key in ("name", "kind", "function", "inputs")}


def _types(node: Node) -> dict[str, str]:
    """The annotations in words, for a person and for rules without Python."""
    return {name: named(kind) for name, kind in hints_of(node.function).items()}


def _condition(condition: Condition) -> dict[str, Any]:
    told = {"output": _written(condition.output, ""), "operator": condition.operator}
    return told if condition.operator == "passes" else told | {"value": _written(condition.value, "A condition")}


def _options(options: Options) -> dict[str, Any]:
    """Those that are not the default; durations in seconds."""
    told: dict[str, Any] = {}
    for each in fields(Options):
        value = getattr(options, each.name)
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        if value != default:
            told[each.name] = _plain_option(value)
    return told


def _plain_option(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _reference(function: Callable[..., Any], folder: Path) -> str:
    file = source_file(function)
    if file is None or not in_a_file(function):
        raise InvalidPipeline(must_move(function))
    name = _name_in(function)
    for root, prefix in ((_INSTALLED, f"{_INSTALLED.name}."), (folder.absolute(), "")):
        if file.is_relative_to(root):
            path = file.relative_to(root)
            return f"{prefix}{'.'.join(path.with_suffix('').parts)}:{name}" if prefix else f"{path.as_posix()}:{name}"
    raise InvalidPipeline(
        f"'{name}' is written in {file}, outside the project at {folder}.", remedy="Move it into the project's folder."
    )


def _name_in(function: Callable[..., Any]) -> str:
    """The name by which a function's file knows it, also as a step."""
    for name, value in function.__globals__.items():
        if value is function or (isinstance(value, Step) and value.function is function):
            return str(name)
    raise InvalidPipeline(
        f"'{function.__name__}' has no name in its file.", remedy="Keep the step under a name at the file's top level."
    )


def _loaded(reference: str, folder: Path) -> Callable[..., Any]:
    where, _, name = reference.rpartition(":")
    found = vars(_module(where, folder)).get(name)
    function = found.function if isinstance(found, Step) else found
    if not callable(function):
        raise InvalidPipeline(f"{where} has no function '{name}'.", remedy="Export the pipeline again.")
    loaded: Callable[..., Any] = function
    return loaded


def _module(where: str, folder: Path) -> ModuleType:
    """A file of the project, or a module of this package; nothing else is loaded."""
    if where.startswith(f"{_INSTALLED.name}.") and where.replace(".", "").replace("_", "").isalnum():
        try:
            return import_module(where)
        except ModuleNotFoundError as error:
            raise InvalidPipeline(
                f"Modelyard has no module '{where}'.", remedy="Export the pipeline again with this version."
            ) from error
    path = PurePosixPath(where)
    if path.is_absolute() or ".." in path.parts or path.suffix != ".py":
        raise InvalidPipeline(f"{where} is no file below the project's folder.", remedy="Write it as steps/train.py.")
    file = (folder / path).absolute()
    loaded = [each for each in list(sys.modules.values()) if getattr(each, "__file__", None) == str(file)]
    return loaded[0] if loaded else load_module(file)


def _node(told: Mapping[str, Any], folder: Path) -> Node:
    conditions = tuple(
        Condition(read_value(each["output"]), each["operator"], read_value(each.get("value")))
        for each in told.get("when", ())
    )
    return Node(
        told["name"],
        told["kind"],
        _loaded(told["function"], folder),
        {name: read_value(value) for name, value in told["inputs"].items()},
        _read_options({"options": {}, **told}),
        conditions,
        tuple(told.get("after", ())),
    )


def _read_options(told: Mapping[str, Any]) -> Options:
    values: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in told["options"].items()
    }
    for name in ("backoff", "timeout"):
        if isinstance(values.get(name), int | float):
            values[name] = timedelta(seconds=values[name])
    return checked_options(told["name"], told["kind"], values)


def _written(value: Any, place: str) -> Any:
    """A value as JSON."""
    if value is None or type(value) in (str, int, bool):
        return value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value, place)
    raise InvalidPipeline(
        f"{place} is a {type(value).__name__}, which no JSON file can hold.",
        remedy="Use texts, numbers, dates, and lists or mappings of these.",
    )


def _written_output(value: Output, _: str) -> dict[str, Any]:
    return {"$output": value.node, "path": list(value.path)} if value.path else {"$output": value.node}


def _written_float(value: float, _: str) -> Any:
    return value if isfinite(value) else {"$float": str(value)}


def _written_mapping(value: Mapping[Any, Any], place: str) -> dict[str, Any]:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: _written(each, place) for key, each in value.items()}
    return {"$items": [[_written(key, place), _written(each, place)] for key, each in value.items()]}


_WRITERS: tuple[tuple[type, Callable[[Any, str], Any]], ...] = (
    (Output, _written_output),
    (Parameter, lambda value, _: {"$parameter": value.name}),
    (Each, lambda value, place: {"$each": _written(value.values, place)}),
    (float, _written_float),
    (datetime, lambda value, _: {"$datetime": value.isoformat()}),
    (date, lambda value, _: {"$date": value.isoformat()}),
    (timedelta, lambda value, _: {"$seconds": value.total_seconds()}),
    (list, lambda value, place: [_written(each, place) for each in value]),
    (tuple, lambda value, place: {"$tuple": [_written(each, place) for each in value]}),
    (Mapping, _written_mapping),
)

_READ: dict[str, Callable[[Any], Any]] = {
    "$parameter": Parameter,
    "$each": lambda told: Each(read_value(told)),
    "$float": float,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$seconds": lambda told: timedelta(seconds=told),
    "$tuple": lambda told: tuple(read_value(each) for each in told),
    "$items": lambda told: {read_value(key): read_value(each) for key, each in told},
}


def read_value(told: Any) -> Any:
    if isinstance(told, list):
        return [read_value(each) for each in told]
    if not isinstance(told, dict):
        return told
    if "$output" in told:
        return Output(told["$output"], tuple(told.get("path", ())))
    for key, read in _READ.items():
        if key in told:
            try:
                return read(told[key])
            except (TypeError, ValueError, OverflowError) as error:
                raise InvalidPipeline(f"The value {shown(told)} cannot be read: {str(error)[:100]}.") from error
    return {key: read_value(each) for key, each in told.items()}
