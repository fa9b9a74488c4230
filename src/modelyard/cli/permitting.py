"""Who may run a command: each says which permission it takes, and one that says nothing is not run."""

from collections.abc import Callable, Iterator
from typing import TypeVar
from weakref import WeakKeyDictionary

import click

from modelyard.access import Permission, RouteWithoutPolicy

Command = TypeVar("Command", bound=click.Command)

_SAID: "WeakKeyDictionary[click.Command, Permission | None]" = WeakKeyDictionary()


def takes(permission: Permission | None) -> Callable[[Command], Command]:
    """Declare what a command takes in a project; None for one that needs no project, but files of the caller's own.

    This says it; who asks is `operations.carry_out`, or `edge.open_project`.
    """

    def declared(command: Command) -> Command:
        _SAID[command] = permission
        return command

    return declared


def permission_of(command: click.Command) -> Permission | None:
    """What a command takes."""
    return _SAID[command]


def require_policies(command: click.Command) -> None:
    """RouteWithoutPolicy unless the command, or each command below it, says who may run it."""
    for each in _runnable(command):
        if each not in _SAID:
            raise RouteWithoutPolicy(
                f"The command '{each.name}' says of nobody that he may run it.",
                remedy="Derive it from an operation, or declare it: @takes(Permission.READ).",
            )


def _runnable(command: click.Command) -> Iterator[click.Command]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield command
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from _runnable(each)
