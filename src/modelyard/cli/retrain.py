"""`modelyard retrain`."""

from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.markup import escape

from modelyard.operations import loop

from .derive import command as derive
from .show import fields, lines, table

_EVENTS = table("at", "cycle", "kind", "detail")
_MARKS = {"fires": "[green]fires[/]  ", "calm": "calm   ", "unknown": "[yellow]unknown[/]"}


def _status(result: Mapping[str, Any]) -> None:
    state = result["state"]
    wanted = ("model", "state", "cycle", "reason", "started_at", "version", "attempt", "retry_at", "ended_at")
    fields({name: state[name] or None for name in wanted})
    _EVENTS(result["history"])


def _explanation(result: Mapping[str, Any]) -> None:
    lines([escape(result["explanation"]), *_triggers(result["trigger"], "  "), *_holds(result["holds"])])


def _triggers(said: Mapping[str, Any] | None, indent: str) -> Iterator[str]:
    if said is None:
        return
    if not said["parts"]:
        yield f"{indent}{_MARKS[said['state']]}  {said['kind']}: {escape(said['reason'])}"
        return
    yield f"{indent}{_MARKS[said['state']]}  {said['kind']} of"
    for each in said["parts"]:
        yield from _triggers(each, indent + "  ")


def _holds(holds: list[Mapping[str, Any]]) -> Iterator[str]:
    for each in holds:
        mark, until = ("[yellow]waits[/]  ", f" until {each['until']}") if each["holds"] else ("free   ", "")
        yield f"  {mark}  {each['kind']}: {escape(each['reason'])}{until}"


command = click.Group(
    "retrain", help="The retraining loop: run, tick, trigger, status, history, explain, policy."
)  # fmt: skip
command.add_command(derive(loop.retrain, _EVENTS))
command.add_command(derive(loop.tick, _EVENTS))
command.add_command(derive(loop.fire, fields))
command.add_command(derive(loop.retrain_status, _status))
command.add_command(derive(loop.retrain_history, _EVENTS))
command.add_command(derive(loop.explain, _explanation))
command.add_command(derive(loop.policy, fields))
