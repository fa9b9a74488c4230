"""Writes the reference pages that follow from the code: `.venv/bin/python docs/generate.py [FOLDER]`.

`cli.md` comes from the command line and the operations table, `project-file.md` from the settings models, the others
from what their names say. The same code gives the same bytes, so a test compares the committed pages with fresh ones.
"""

import pkgutil
import sys
import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import click
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

import modelyard.operations
from modelyard.cli.root import root
from modelyard.core.durations import format_duration
from modelyard.online.expressions import FUNCTIONS
from modelyard.operations import Operation
from modelyard.pipelines import RULES
from modelyard.wiring import FILE_NAME, ProjectFile

sys.path.insert(0, str(Path(__file__).parents[1]))
from docs.alert_page import alert_page  # found in the repository, which was not on the path before
from docs.benchmark_page import benchmark_page  # the same
from docs.environment_page import environment_page  # the same
from docs.error_page import error_page  # the same
from docs.metric_page import metric_page  # the same
from docs.writing import MADE, prose, row  # the same

PAGES = Path(__file__).with_name("reference")

_KINDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "text, kept secret",
    timedelta: "duration",
    date: "date",
    datetime: "instant",
    time: "time of the day, as '22:00'",
    type(None): "null",
}


def main() -> None:
    """Write the pages into the folder given, or into the docs."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGES
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (
        ("cli.md", cli_page()),
        ("project-file.md", project_file_page()),
        ("pipeline-rules.md", rules_page()),
        ("expressions.md", expressions_page()),
        ("metrics.md", metric_page()),
        ("alerts.md", alert_page()),
        ("errors.md", error_page()),
        ("environment.md", environment_page()),
        ("benchmarks.md", benchmark_page()),
    ):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def expressions_page() -> Iterator[str]:
    """Every function of the expressions of on-demand views."""
    yield from (
        MADE,
        "",
        "# Expressions",
        "",
        "What [on-demand views](../how-to/derive-features.md) compute with: `+ - * / // % **`, comparisons, `in`,",
        "`and`, `or`, `not`, `… if … else …`, and these functions. Values are numbers (doubles), texts, truths",
        "and instants; two instants differ by seconds. A missing value makes a result missing, except in `and`, `or`,",
        "`coalesce` and `is_null`. `round` goes to the even neighbour at a half, calendar and time of day are UTC's,",
        "Monday is weekday 0.",
        "",
        "| function | gives |",
        "|---|---|",
        *(f"| `{name}({each.shape})` | {each.gives} |" for name, each in FUNCTIONS.items()),
    )


def cli_page() -> Iterator[str]:
    """Every command, with its parameters, defaults, and the permission it asks for."""
    yield from (
        MADE,
        "",
        "# The command line",
        "",
        "Every command takes `--help`. Results go to standard output, talk and errors to standard error. With `--json`",
        "the result is one JSON document. [Exit codes](contracts.md#exit-codes) say how a command ended.",
    )
    context = click.Context(root, info_name="modelyard")
    for noun in root.list_commands(context):
        command = root.get_command(context, noun)
        if command is not None:
            yield from _noun(noun, command)


def _noun(noun: str, command: click.Command) -> Iterator[str]:
    yield from ("", f"## `modelyard {noun}`", "", *prose(command.help))
    if not isinstance(command, click.Group):
        yield from _command(noun, "", command)
        return
    if command.invoke_without_command:
        yield from _command(noun, "", command)
    for verb, each in _verbs(command):
        yield from ("", f"### `modelyard {noun} {verb}`", "", *prose(each.help))
        yield from _command(noun, verb, each)


def _verbs(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command of a noun; `version add` is one of a group inside it."""
    for verb, each in group.commands.items():
        if isinstance(each, click.Group):
            yield from _verbs(each, f"{before}{verb} ")
        else:
            yield f"{before}{verb}", each


def _command(noun: str, verb: str, command: click.Command) -> Iterator[str]:
    spelled = f"modelyard {noun} {verb}".strip()
    with click.Context(command, info_name=spelled) as context:
        pieces = " ".join([spelled, *command.collect_usage_pieces(context)])
        yield from ("", "```text", pieces, "```", "")
        if (found := _operations().get((noun, verb))) is not None:
            here = " Only on this machine." if found.local else ""
            yield from (f"Asks for the permission `{found.permission.value}`.{here}", "")
        yield from ("| parameter | value | default | |", "|---|---|---|---|")
        for parameter in command.params:
            yield row(_spelling(parameter), _accepted(parameter), _given(parameter, context), _said(parameter))


def _operations() -> dict[tuple[str, str], Operation[Any]]:
    package = modelyard.operations
    modules = [import_module(f"{package.__name__}.{each.name}") for each in pkgutil.iter_modules(package.__path__)]
    found = [each for module in modules for each in vars(module).values() if isinstance(each, Operation)]
    return {(each.noun, each.verb): each for each in found}


def _spelling(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return f"`{parameter.human_readable_name}`"
    return ", ".join(f"`{each}`" for each in (*parameter.opts, *parameter.secondary_opts))


def _accepted(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return "flag"
    if isinstance(parameter.type, click.Choice):
        return " or ".join(f"`{each}`" for each in parameter.type.choices)
    if isinstance(parameter.type, click.IntRange):
        return f"whole number, {parameter.type.min} to {parameter.type.max}"
    names = {"integer": "whole number", "float": "number", "file": "path", "directory": "path"}
    named = names.get(parameter.type.name, parameter.type.name)
    return f"{named}, repeated" if parameter.multiple or parameter.nargs == -1 else named


def _given(parameter: click.Parameter, context: click.Context) -> str:
    if parameter.required:
        return "required"
    default = parameter.get_default(context)
    if default is None or default is False or default == () or type(default).__name__ == "Sentinel":
        return ""
    return f"`{default}`"


def _said(parameter: click.Parameter) -> str:
    return (getattr(parameter, "help", None) or "").strip()


def project_file_page() -> Iterator[str]:
    """Every setting, with what it takes, its default and its description."""
    yield from (
        MADE,
        "",
        "# The project file",
        "",
        f"`{FILE_NAME}` holds everything a project declares. Unknown keys are errors, and all errors are reported at",
        "once, each with its line. `NAME` stands for a name of your choice. A duration is written `90s`, `10m`, `7d`",
        "or `1h30m`.",
        "",
        "A flag wins over the environment, the environment over the file, the file over the default. The environment",
        "reaches the settings of sections without names: `server.port` is `MODELYARD_SERVER_PORT`.",
        "`modelyard config show` prints every effective value and where it came from.",
    )
    for section, field in ProjectFile.model_fields.items():
        yield from ("", f"## `{section}`", "", *prose(_description(field)))
        rows = list(_settings(section, field))
        if rows:
            yield from ("", "| setting | value | default | |", "|---|---|---|---|", *rows)


def rules_page() -> Iterator[str]:
    """Every rule that a pipeline is judged by."""
    yield from (
        MADE,
        "",
        "# The rules of pipelines",
        "",
        "What `modelyard pipeline validate` finds. With `--strict` every warning is an error, and only errors make a",
        "pipeline invalid. [How to write one](../how-to/write-a-pipeline.md).",
        "",
        "| code | severity | found |",
        "|---|---|---|",
    )
    for rule in RULES:
        yield row(f"`{rule.code}`", rule.severity, rule.summary)


def _settings(path: str, field: FieldInfo) -> Iterator[str]:
    models = list(_models(field.annotation))
    if not models:
        yield row(f"`{path}`", _value(field), _default(field), _description(field))
    for named, model in models:
        for field_name, each in model.model_fields.items():
            name = each.alias or field_name
            inner = f"{path}.NAME.{name}" if named else f"{path}.{name}"
            inside = list(_models(each.annotation))
            if inside:
                yield row(f"`{inner}`", _value(each), _default(each), _description(each))
            if all(further is not model for _, further in inside):  # of itself nothing new is to be told
                yield from _settings(inner, each)


def _models(annotation: Any, *, named: bool = False) -> Iterator[tuple[bool, type[BaseModel]]]:
    """The settings models in an annotation, and whether each stands under a name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield named, annotation
    for argument in get_args(annotation):
        yield from _models(argument, named=named or get_origin(annotation) is dict)


def _description(field: FieldInfo) -> str:
    """What the field says of itself, or else what its model does."""
    if field.description:
        return field.description
    documented = [cleandoc(model.__doc__ or "") for _, model in _models(field.annotation)]
    return documented[0] if documented else ""


def _value(field: FieldInfo) -> str:
    bounds = [said for each in field.metadata if (said := _bound(each))]
    return ", ".join([_kind(field.annotation), *bounds])


def _bound(metadata: object) -> str:
    if isinstance(metadata, annotated_types.Ge):
        return f"at least {metadata.ge}"
    if isinstance(metadata, annotated_types.Gt):
        return f"above {metadata.gt}"
    if isinstance(metadata, annotated_types.Le):
        return f"at most {metadata.le}"
    if isinstance(metadata, annotated_types.Lt):
        return f"below {metadata.lt}"
    if isinstance(metadata, annotated_types.MinLen):
        return f"at least {metadata.min_length}"
    return ""


def _kind(annotation: Any) -> str:
    """What a value of a type looks like in the file."""
    if annotation in _KINDS:
        return _KINDS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{each.value}`" for each in annotation)
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(each) for each in arguments)
    return _collection(annotation)


def _collection(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return f"names, each with {_kind(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a section"
    raise TypeError(f"{annotation!r} needs words of its own in docs/generate.py")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or isinstance(default, BaseModel) or default in ((), {}):
        return ""
    return f"`{_written(default)}`"


def _written(value: object) -> str:
    """A value as the file spells it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_written(each) for each in value) + "]"
    return str(value)


if __name__ == "__main__":
    main()
