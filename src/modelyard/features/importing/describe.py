"""Run by an interpreter that has Feast, from standard input: what a repository defines, as one line of JSON.

Needs Feast and the standard library alone, of Python 3.10 or newer. The repository is read as `feast apply` reads it:
all its Python files are imported. Feast's registry is left alone: it may be far away, behind, or not there yet.
"""

import ast
import contextlib
import inspect
import json
import os
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

STREAMS = ("KafkaSource", "KinesisSource")


def main(folder: str) -> None:
    """Print the description, or why there is none, as the last line; what the repository prints goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        told = described(Path(folder).resolve())
    sys.stdout.write("\n" + json.dumps(told, sort_keys=True) + "\n")


def described(repository: Path) -> dict[str, Any]:
    """The definitions of a repository by kind; `failed` says why there are none, and `where`."""
    try:
        import feast  # noqa: PLC0415 - its absence is an answer
        from feast.repo_operations import parse_repo  # noqa: PLC0415 - as above
    except ImportError as error:
        return {"failed": str(error), "where": "feast"}
    os.chdir(repository)
    sys.path.insert(0, str(repository))
    try:
        found = parse_repo(repository)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:500], "where": "repository"}
    repo_config = types.SimpleNamespace(repo_path=repository)
    keys = {each.name: [each.join_key] for each in found.entities}
    views = [*found.feature_views, *found.stream_feature_views, *getattr(found, "label_views", [])]
    return {
        "feast": getattr(feast, "__version__", ""),
        "projects": [each.name for each in found.projects],
        "entities": [entity(each) for each in found.entities if not each.name.startswith("__dummy")],
        "views": [view(each, keys, repo_config) for each in views],
        "on_demand": [on_demand(each) for each in found.on_demand_feature_views],
        "services": [service(each) for each in found.feature_services],
        "requests": [request(each) for each in found.data_sources if type(each).__name__ == "RequestSource"],
    }


def labels(each: Any) -> dict[str, Any]:
    """The words beside a definition."""
    return {
        "name": each.name,
        "description": getattr(each, "description", "") or "",
        "tags": dict(getattr(each, "tags", None) or {}),
        "owner": getattr(each, "owner", "") or "",
    }


def entity(each: Any) -> dict[str, Any]:
    """An entity."""
    return {**labels(each), "join_keys": [each.join_key]}


def view(each: Any, keys: dict[str, list[str]], config: Any) -> dict[str, Any]:
    """A view of features."""
    entities = [str(name) for name in each.entities if not str(name).startswith("__dummy")]
    join_keys = [key for name in entities for key in keys.get(name, [name])]
    source, stream = getattr(each, "batch_source", None), getattr(each, "stream_source", None)
    ttl = getattr(each, "ttl", None)
    return {
        **labels(each),
        "kind": type(each).__name__,
        "entities": entities,
        "join_keys": join_keys,
        "features": fields(each.features) or inferred(source, join_keys, config),
        "ttl_us": round(ttl.total_seconds() * 1e6) if ttl else None,
        "source": None if source is None else batch(source),
        "stream": None if stream is None else {"name": stream.name, "kind": type(stream).__name__},
        "online": bool(getattr(each, "online", True)),
        "transformation": transformed(each),
        "aggregations": [aggregation(part) for part in getattr(each, "aggregations", None) or []],
    }


def batch(source: Any) -> dict[str, Any]:
    """A source of rows."""
    form = getattr(source, "file_format", None)
    return {
        "name": source.name,
        "kind": type(source).__name__,
        "path": getattr(source, "path", "") or "",
        "format": "" if form is None else type(form).__name__,
        "endpoint": getattr(source, "s3_endpoint_override", "") or "",
        "event_time": getattr(source, "timestamp_field", "") or "",
        "created": getattr(source, "created_timestamp_column", "") or "",
        "mapping": dict(getattr(source, "field_mapping", None) or {}),
    }


def inferred(source: Any, keys: list[str], config: Any) -> list[dict[str, str]]:
    """The features of a view that names none: the columns of its file, as `feast apply` would have them."""
    if source is None or type(source).__name__ != "FileSource":
        return []
    with contextlib.suppress(Exception):
        mapping = source.field_mapping or {}
        taken = {*keys, source.timestamp_field, source.created_timestamp_column}
        columns = [(mapping.get(name, name), name) for name, _ in source.get_table_column_names_and_types(config)]
        return [
            {"name": name, "type": "UNKNOWN"}
            for name, column in columns
            if name not in taken and column not in taken and not name.startswith("__") and not name.endswith("__")
        ]
    return []


def fields(schema: Any) -> list[dict[str, str]]:
    """Names with the names of Feast's types of values."""
    return [{"name": each.name, "type": each.dtype.to_value_type().name} for each in schema]


def transformed(each: Any) -> str:
    """The mode of a view's transformation; empty without one."""
    found = getattr(each, "feature_transformation", None) or getattr(each, "udf", None)
    if not found:
        return ""
    mode = getattr(each, "mode", None) or "python"
    return str(getattr(mode, "value", mode))


def aggregation(each: Any) -> dict[str, Any]:
    """One aggregation."""
    window, slide = each.time_window, each.slide_interval
    return {
        "name": getattr(each, "name", "") or "",
        "column": each.column,
        "function": each.function,
        "window_us": round(window.total_seconds() * 1e6) if window else None,
        "slide_us": round(slide.total_seconds() * 1e6) if slide else None,
    }


def on_demand(each: Any) -> dict[str, Any]:
    """An on-demand view, with the text of its function."""
    change = getattr(each, "feature_transformation", None)
    return {
        **labels(each),
        "features": fields(each.features),
        "mode": str(getattr(each.mode, "value", each.mode)),
        "text": source_of(change),
        "singleton": bool(getattr(each, "singleton", False) or getattr(change, "singleton", False)),
        **self_contained(change),
        "views": [projection(part) for part in each.source_feature_view_projections.values()],
        "requests": [request(part) for part in each.source_request_sources.values()],
        "aggregated": bool(getattr(each, "aggregations", None)),
    }


def source_of(change: Any) -> str:
    """The text of a transformation's function; empty when nobody kept it."""
    text = getattr(change, "udf_string", "") or ""
    if not text and getattr(change, "udf", None) is not None:
        with contextlib.suppress(OSError, TypeError):
            text = inspect.getsource(change.udf)
    return textwrap.dedent(text)


def self_contained(change: Any) -> dict[str, str]:
    """The function with what it uses, as a file that runs by itself: its `code`; or what it is `lacking` for that."""
    udf = getattr(change, "udf", None)
    code = getattr(udf, "__code__", None)
    if udf is None or code is None:
        return {"lacking": "its function is not to be had"}
    if code.co_freevars:
        return {"lacking": f"its function uses {code.co_freevars[0]}, of a function around it"}
    imports: dict[str, None] = {}
    bodies: dict[str, str] = {}
    try:
        gather(udf, udf.__name__, imports, bodies)
    except LookupError as error:
        return {"lacking": str(error.args[0])}
    except (OSError, TypeError, SyntaxError):
        return {"lacking": "the text of its function cannot be read"}
    return {"code": "\n".join([*imports, "", *bodies.values()]), "function": udf.__name__}


def gather(function: Any, name: str, imports: dict[str, None], bodies: dict[str, str]) -> None:
    """Add a function, after what it uses: imports, constants and functions of its file."""
    bodies[name] = ""  # one that calls itself is not gathered twice
    known = function.__globals__
    for used in names_of(function.__code__):
        value = known.get(used)
        if used not in known or used in bodies:
            continue
        if isinstance(value, types.ModuleType):
            there = local_file(value)
            if there:
                raise LookupError(f"its function uses {used}, a file of the repository")
            imports[f"import {value.__name__}" + ("" if used == value.__name__ else f" as {used}")] = None
        elif inspect.isfunction(value) and value.__code__.co_filename == function.__code__.co_filename:
            gather(value, used, imports, bodies)
        elif inspect.isfunction(value) or inspect.isbuiltin(value) or inspect.isclass(value):
            imports[imported_line(used, value)] = None
        else:
            bodies[used] = f"{used} = {literal(used, value)}\n"
    bodies[name] = bodies.pop(name) or undecorated(function)


def names_of(code: types.CodeType) -> list[str]:
    """The names that code may look up, also in functions inside it."""
    inner = [name for each in code.co_consts if isinstance(each, types.CodeType) for name in names_of(each)]
    return list(dict.fromkeys([*code.co_names, *inner]))


def local_file(module: Any) -> bool:
    """Whether a module is a file of the repository, which is the working folder."""
    file = getattr(module, "__file__", None) or ""
    return bool(file) and Path(file).resolve().is_relative_to(Path.cwd())


def imported_line(name: str, value: Any) -> str:
    """The import of a function or class of an installed module."""
    module, own = sys.modules.get(value.__module__ or ""), value.__name__
    if module is None or local_file(module) or getattr(module, own, None) is not value:
        raise LookupError(f"its function uses {name}, which is no part of an installed package")
    return f"from {module.__name__} import {own}" + ("" if name == own else f" as {name}")


def literal(name: str, value: Any) -> str:
    """A constant as Python."""
    text = repr(value)
    try:
        same = ast.literal_eval(text) == value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        same = False
    if not same:
        raise LookupError(f"its function uses {name}, which is a {type(value).__name__}")
    return text


def undecorated(function: Any) -> str:
    """The text of a function without its decorators and types, which name what is not there."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    if not isinstance(found, ast.FunctionDef):
        raise TypeError(function)
    found.decorator_list, found.returns = [], None
    for argument in [*found.args.posonlyargs, *found.args.args, *found.args.kwonlyargs]:
        argument.annotation = None
    return f"\n\n{ast.unparse(found)}\n"


def request(each: Any) -> dict[str, Any]:
    """Fields that come with requests."""
    return {**labels(each), "fields": fields(each.schema)}


def service(each: Any) -> dict[str, Any]:
    """A feature service."""
    parts = [projection(part) for part in each.feature_view_projections]
    return {**labels(each), "parts": parts, "logged": each.logging_config is not None}


def projection(each: Any) -> dict[str, Any]:
    """Some features of a view, or all of them where none is named."""
    wanted = list(each.desired_features) or [part.name for part in each.features]
    return {
        "view": each.name,
        "alias": each.name_alias or "",
        "features": wanted,
        "join_keys": dict(each.join_key_map or {}),
    }


if __name__ == "__main__":
    main(sys.argv[1])
