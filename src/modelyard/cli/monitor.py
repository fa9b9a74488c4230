"""`modelyard monitor`."""

from typing import Any

import click

from modelyard.operations import monitors

from .derive import command as derive
from .show import fields, table

_COLUMNS = ("deployment", "start", "version", "requests", "labels", "drift_score", "verdict", "reasons")


def _windows(found: list[dict[str, Any]]) -> None:
    """A line a window, with the first reason."""
    table(*_COLUMNS)([{**each, "start": each["start"][:16], "reasons": _first(each["reasons"])} for each in found])


def _first(reasons: list[str]) -> str:
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return reasons[0][:120] + more if reasons else ""


def _status(found: list[dict[str, Any]] | dict[str, Any] | None) -> None:
    if isinstance(found, list):
        _windows(found)
    else:
        fields(found)


command = click.Group("monitor", help="Windows of drift and performance: run, status, schedule.")
command.add_command(derive(monitors.run_monitors, _windows))
command.add_command(derive(monitors.monitor_status, _status))
command.add_command(derive(monitors.schedule, fields))
