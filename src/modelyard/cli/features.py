"""`modelyard features`."""

import time
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from modelyard.core import InvalidInput
from modelyard.core.durations import parse_duration
from modelyard.operations import online, workspace

from .derive import command as derive
from .show import table

if TYPE_CHECKING:
    from datetime import timedelta

_MATERIALIZED = table("view", "until", "rows", "stored", "seconds", "rows_per_second")


def _show_found(result: dict[str, Any]) -> None:
    """A line for each entity and feature."""
    told = [", ".join(f"{key}={value}" for key, value in each.items()) for each in result["entities"]]
    rows = [
        {"entity": told[place], "feature": name, "value": value, "presence": result["presence"][name][place]}
        for name, values in result["values"].items()
        for place, value in enumerate(values)
    ]
    table("entity", "feature", "value", "presence")(rows)


class _Reading:
    """Says on stderr how far materializing is, where somebody looks."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    def __call__(self, view: str, rows: int) -> None:
        if self._console.is_terminal:
            self._console.print(f"{view}: {rows:,} rows", end="\r")


def _again_and_again(command: click.Command) -> click.Command:
    """The command with `--every`, which repeats it until Ctrl-C, and with progress."""
    callback = command.callback

    def run(every: "timedelta | None", **values: Any) -> None:
        assert callback is not None  # noqa: S101 - a derived command has one
        with online.telling(_Reading()):
            callback(**values)
            while every is not None:
                time.sleep(every.total_seconds())
                callback(**(values if values["start"] or values["end"] else values | {"incremental": True}))

    command.callback = run
    command.params.append(
        click.Option(["--every"], type=_Every(), help="Do it again after so long (5m, 1h), until Ctrl-C.")
    )
    return command


class _Every(click.ParamType["timedelta"]):
    """A duration."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "timedelta":
        """Read one."""
        try:
            return parse_duration(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


command = click.Group("features", help="Feature views: list, materialize, look up.")
command.add_command(derive(workspace.list_features, table("view", "keys", "features", "ttl", "materialized_until")))
command.add_command(_again_and_again(derive(online.materialize, _MATERIALIZED)))
command.add_command(derive(online.get_features, _show_found))
