"""`modelyard monitor`."""

from typing import Any

import click

from modelyard.operations import monitors, watched

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


def _overview(found: list[dict[str, Any]]) -> None:
    table("deployment", "state", "live", "p99_ms", "errors", "drift_score", "verdict", "alerts")(
        [
            {
                **each,
                "live": each["live"]["label"] if each["live"] else None,
                "p99_ms": each["requests"].get("latency_p99"),
                "errors": each["requests"].get("error_rate"),
                "drift_score": each["window"]["drift_score"] if each["window"] else None,
                "verdict": each["window"]["verdict"] if each["window"] else None,
                "alerts": len(each["alerts"]),
            }
            for each in found
        ]
    )


def _window(found: dict[str, Any]) -> None:
    window = found["window"]
    fields({name: window[name] for name in ("deployment", "start", "end", "version", "requests", "verdict", "reasons")})
    table("name", "kind", "effect", "psi", "shift", "verdict", "reason")(window["features"])


command = click.Group("monitor", help="Windows of drift and performance: run, status, overview, show, schedule.")
command.add_command(derive(monitors.run_monitors, _windows))
command.add_command(derive(monitors.monitor_status, _status))
command.add_command(derive(watched.overview, _overview))
command.add_command(derive(watched.show_window, _window))
command.add_command(derive(monitors.schedule, fields))
