"""Printing results for a person: tables, fields, and lines."""

from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONSOLE = Console()
_LONG = 1000
"""Tables of more rows are not fitted to the terminal, which takes a third of a millisecond a row."""

_MANY = 20
"""Of lists of twice as many elements so many are shown; `--json` has all."""


def table(*columns: str) -> Any:
    """A printer of a list of objects as a table with these keys."""

    def show(rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            _CONSOLE.print("Nothing yet.")
            return
        if len(rows) > _LONG:
            _plain(columns, rows)
            return
        grid = Table(box=None, header_style="bold")
        for column in columns:
            grid.add_column(column.replace("_", " "))
        for row in rows:
            grid.add_row(*(Text(_text(row.get(column))) for column in columns))
        _CONSOLE.print(grid)

    return show


def _plain(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """The same without wrapping, a line a row."""
    written = [[_text(row.get(column)) for column in columns] for row in rows]
    lines = [[column.replace("_", " ") for column in columns], *written]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    told = ("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines)
    click.echo("\n".join(told))


def fields(result: dict[str, Any] | None) -> None:
    """Print an object, a line a field; what a field holds of objects stands below it, indented."""
    if result is None:
        _CONSOLE.print("Nothing yet.")
        return
    _fields(result, "")


def _fields(result: dict[str, Any], indent: str) -> None:
    width = max((len(name) for name in result), default=0)
    for name, value in result.items():
        below = (
            value
            if isinstance(value, dict)
            and any(isinstance(each, dict | list | tuple) and each for each in value.values())
            else {}
        )
        several = value if isinstance(value, list | tuple) and any(isinstance(each, dict) for each in value) else ()
        beside = "" if below or several else _text(value)
        label = name.replace("_", " ")
        line = Text.assemble(
            indent, (f"{label:<{width}}" if beside else label, "bold"), f"  {beside}" if beside else ""
        )
        _CONSOLE.print(line, highlight=False, soft_wrap=True)
        _fields(below, indent + "  ")
        for each in several:
            _CONSOLE.print(Text(f"{indent}  {_text(each)}"), highlight=False, soft_wrap=True)


def lines(result: Sequence[str]) -> None:
    """Print strings in rich's markup, a line each."""
    for each in result:
        _CONSOLE.print(each, highlight=False, soft_wrap=True)


def findings(found: Sequence[dict[str, Any]], *, beside: str = "", err: bool = False) -> None:
    """Print findings of a pipeline, each with its remedy below."""
    for each in found:
        colour = "red" if each["severity"] == "error" else "yellow"
        severity = click.style(each["severity"], fg=colour, bold=True)
        click.echo(f"{beside}{severity} {each['code']}: {each['message']}", err=err)
        if each["remedy"]:
            click.echo(f"{beside}  {each['remedy']}", err=err)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(each)}" for name, each in value.items()) or "-"
    if isinstance(value, list | tuple):
        more = f", … and {len(value) - _MANY} more" if len(value) > 2 * _MANY else ""
        return ", ".join(_text(each) for each in (value[:_MANY] if more else value)) + more or "-"
    return str(value)
