"""Click commands derived from operations: parameters from the input's fields, printing left to the noun's file."""

import types
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints
from weakref import WeakSet

import click

from modelyard.core import ModelyardError

from .edge import emit, exit_code, open_project, remote_of, talk
from .permitting import takes

if TYPE_CHECKING:
    from dataclasses import Field as DataclassField

    from modelyard.operations import Operation, Option

PROJECT_HELP = "Folder with modelyard.yaml, or the file."
"""What `--project` says in `--help`."""

Command = TypeVar("Command", bound=click.Command)

ANYWHERE: WeakSet[click.Command] = WeakSet()
"""The commands that may be asked of a remote control plane."""

Show = Callable[[Any], None]
"""Prints a result for a person."""

_TYPES: dict[type, click.ParamType[Any]] = {
    str: click.STRING,
    int: click.INT,
    float: click.FLOAT,
    Path: click.Path(path_type=Path),
}


Ending = Callable[[Any], ModelyardError | None]
"""What a result that was carried out well says against its subject: a gate that failed, a record that is broken."""


Outside = Callable[[Any], Any]
"""Carries out an operation's input without a project."""


def command(
    operation: "Operation[Any]", show: Show, ending: Ending | None = None, outside: Outside | None = None
) -> click.Command:
    """The click command of an operation; `--project` and `--json` come with every one.

    `ending` decides the exit code, whichever way the result is printed. With `outside` a folder that is no project will
    do as well.
    """
    hints = get_type_hints(operation.input_type, include_extras=True)
    parameters = [_parameter(field, hints[field.name]) for field in fields(operation.input_type)]
    where = click.Path(path_type=Path)
    parameters.append(click.Option(["--project", "project_folder"], type=where, help=PROJECT_HELP))
    parameters.append(click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document."))

    def callback(project_folder: Path | None, *, as_json: bool, **values: Any) -> None:
        result = asked(operation, operation.input_type(**values), project_folder, outside)
        emit(result, as_json=as_json, show=show)
        if ending is not None and (error := ending(result)) is not None:
            talk(error)
            raise click.exceptions.Exit(exit_code(error))

    name = (operation.verb or operation.noun).rpartition(" ")[2]  # `version add` is `add` in the group `version`
    made = takes(operation.permission)(
        click.Command(name, params=parameters, callback=callback, help=operation.summary)
    )
    return made if operation.local else anywhere(made)


def anywhere(command: Command) -> Command:
    """The command, which may also be asked of a remote control plane: all it needs of a project, it gets by `asked`."""
    ANYWHERE.add(command)
    return command


def asked(operation: "Operation[Any]", given: object, folder: Path | None, outside: Outside | None = None) -> Any:
    """Carry out an operation in the project of a folder, by default the working directory; or, with `--url`, there."""
    from modelyard.operations import carry_out  # noqa: PLC0415 - `--help` must not pay for it
    from modelyard.wiring import FILE_NAME  # noqa: PLC0415 - as above

    if not operation.local and (remote := remote_of(folder)) is not None:
        return remote.ask(operation, given)
    if outside is not None and folder is None and not Path(FILE_NAME).is_file():
        return outside(given)
    with open_project(folder or Path(), operation.permission) as project:
        return carry_out(operation, project, given)


def _parameter(field: "DataclassField[Any]", hint: Any) -> click.Parameter:
    kind, option = _annotated(hint)
    required = field.default is MISSING and field.default_factory is MISSING
    default = None if required else _default(field)
    # To click even None is a default, with which nothing would be lacking.
    given: dict[str, Any] = {} if required else {"default": default}
    many = get_origin(kind) is tuple
    if option.positional and many:
        return click.Argument([field.name], type=_click_type(get_args(kind)[0]), nargs=-1, required=required)
    if option.positional:
        return click.Argument([field.name], type=_click_type(kind), required=required, **given)
    spelling = option.flag or "--" + field.name.replace("_", "-")
    if kind is bool:
        return click.Option([spelling, field.name], is_flag=True, default=bool(default), help=option.help)
    return click.Option(
        [spelling, *([option.short] if option.short else []), field.name],
        type=_click_type(get_args(kind)[0] if many else kind),
        multiple=many,
        required=required,
        **given,
        show_default=default not in (None, ()),
        help=option.help,
    )


def _annotated(hint: Any) -> "tuple[Any, Option]":
    if get_origin(hint) is not Annotated:
        raise TypeError(f"{hint!r} needs Annotated[..., Option(help)]")
    kind, option = get_args(hint)
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = [each for each in get_args(kind) if each is not type(None)]
    return kind, option


def _click_type(kind: Any) -> click.ParamType[Any]:
    return _TYPES[kind]


def _default(field: "DataclassField[Any]") -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
