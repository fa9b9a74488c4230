"""A report of training-serving skew, printed for a person."""

from typing import Any

import click

from modelyard.core import Failed, ModelyardError
from modelyard.operations.features import SKEW_REMEDIES

from .edge import Inconclusive
from .show import table

_COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow"}
_COLUMNS = table("feature", "compared", "differing", "rate", "causes")


def show_skew(report: dict[str, Any]) -> None:
    """The verdict and its numbers, the features that differ, some values, what to do, and what could not be told."""
    verdict = click.style(report["verdict"], fg=_COLOURS[report["verdict"]], bold=True)
    click.echo(f"Training-serving skew of {report['deployment']}: {verdict}")
    numbers = f"{report['compared']:,} compared, {report['differing']:,} differ ({report['rate']:.2%})"
    click.echo(
        f"{_minute(report['start'])} to {_minute(report['end'])} UTC: {report['predictions']:,} predictions, {numbers}"
    )
    _show_columns(report["columns"], " ".join(report["reasons"]))
    for each in report["examples"]:
        _show_example(each)
    for cause in report["causes"]:
        click.echo(f"{click.style(cause, bold=True)}: {SKEW_REMEDIES[cause]}")
    for reason in report["reasons"]:
        click.echo(reason)


def skewed(report: dict[str, Any]) -> ModelyardError | None:
    """What a report says against the deployment; None when it passes."""
    if report["verdict"] == "pass":
        return None
    if report["verdict"] == "fail":
        worst = max(report["columns"], key=lambda each: each["differing"])
        return Failed(
            f"'{worst['feature']}' was served otherwise than training would see it {worst['differing']:,} times.",
            code="TRAINING_SERVING_SKEW",
            remedy="See above for the causes, and what to do about each.",
        )
    return Inconclusive(
        "Whether there is training-serving skew cannot be told.",
        remedy="See above for what is lacking; --since and --until choose the time, --deployment whose answers.",
    )


def _show_columns(columns: list[dict[str, Any]], told: str) -> None:
    """A line for each feature that differs, and a word about the others, unless it will be `told` anyway."""
    differing = [each for each in columns if each["differing"]]
    if differing:
        _COLUMNS([_column(each) for each in differing])
    alike = sum(each["verdict"] == "pass" and not each["differing"] for each in columns)
    if alike:
        click.echo(f"{alike} features have no value that differs.")
    for each in columns:
        if each["reason"] and f"'{each['feature']}'" not in told:
            click.echo(f"{each['feature']}: {each['reason']}.")


def _column(each: dict[str, Any]) -> dict[str, Any]:
    causes = ", ".join(f"{count:,} {cause}" for cause, count in each["causes"].items())
    counts = {name: f"{each[name]:,}" for name in ("compared", "differing")}
    return {**each, **counts, "rate": f"{each['rate']:.2%}", "causes": causes}


def _show_example(each: dict[str, Any]) -> None:
    """A value that differs, in two lines."""
    entity = ", ".join(f"{name}={value}" for name, value in each["key"].items())
    click.echo(
        f"{_minute(each['at'])} {each['feature']} of {entity}: {each['cause']}, prediction {each['prediction_id']}"
    )
    served, recomputed = (_side(each, side) for side in ("served", "recomputed"))
    click.echo(f"    served {served}; training would see {recomputed}")


def _side(example: dict[str, Any], side: str) -> str:
    """One side of a value, and the row that it comes from."""
    value, since = example[side], example[f"{side}_from"]
    told = "null" if value is None else f"{value:.17g}" if isinstance(value, float) else str(value)
    return f"{told} (row of {_minute(since)})" if since else f"{told} (no row)"


def _minute(instant: str) -> str:
    """An instant as people read it, to the minute."""
    return instant[:16].replace("T", " ")
