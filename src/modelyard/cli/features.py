"""`modelyard features`."""

import time
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from modelyard.core import Failed, InvalidInput, ModelyardError
from modelyard.core.durations import parse_duration
from modelyard.operations import definitions, feature_streams, features, online

from .derive import command as derive
from .edge import Inconclusive
from .feast import command as import_feast
from .progress import counted, streamed
from .show import fields, table
from .skew import show_skew, skewed

command = click.Group(
    "features",
    help="Features: apply, list, show, diff, materialize, push, get, history, check-leaks, skew, import-feast.",
)


def _show_leaks(result: dict[str, Any]) -> None:
    click.echo(f"Leaks in {', '.join(result['features'])}: {result['verdict']}")
    for reason in result["reasons"]:
        click.echo(f"  {reason}")


def _leaking(result: dict[str, Any]) -> ModelyardError | None:
    if result["verdict"] == "pass":
        return None
    remedy = "Correct the views or the join, then check again."
    if result["verdict"] == "fail":
        return Failed("Features tell what could not have been known.", code="FEATURES_LEAK", remedy=remedy)
    return Inconclusive("Whether features leak cannot be told.", remedy="See above for what is lacking.")


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


_LISTED = table("name", "sort", "keys", "features", "ttl", "materialized_until", "state")
_CHANGES = table("change", "kind", "name", "attribute", "before", "after")


def _show_changes(result: dict[str, Any]) -> None:
    if not result["changes"]:
        click.echo("Nothing differs from what was applied.")
    else:
        _CHANGES(result["changes"])
    for each in result["breaks"]:
        click.echo(f"{each['model']} {each['version']}: {each['why']}")
    for each in result["keeps"]:
        click.echo(f"{each['model']} {each['version']} keeps what it was trained with: {each['why']}")


def _breaking(result: dict[str, Any]) -> ModelyardError | None:
    if not result["breaks"]:
        return None
    versions = dict.fromkeys(f"{each['model']} {each['version']}" for each in result["breaks"])
    return Failed(
        f"The project's definitions break {', '.join(versions)[:300]}.",
        code="FEATURES_BREAK_MODELS",
        remedy="Give the changed view another name and keep the old one until these versions are archived.",
    )


command.add_command(derive(definitions.list_features, _LISTED))
command.add_command(derive(definitions.show_feature, fields))
command.add_command(derive(definitions.apply_features, _show_changes))
command.add_command(derive(definitions.diff_features, _show_changes, _breaking))
command.add_command(_again_and_again(derive(online.materialize, _MATERIALIZED)))
command.add_command(streamed(derive(feature_streams.push_features, fields)))
command.add_command(derive(online.get_features, _show_found))
command.add_command(counted(derive(features.history, fields)))
command.add_command(derive(features.skew, show_skew, skewed))
command.add_command(derive(features.check_leaks, _show_leaks, _leaking))
command.add_command(import_feast)
