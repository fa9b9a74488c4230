"""Printing what a shadow would have answered."""

from typing import Any

import click

from modelyard.core import Failed, ModelyardError

from .edge import Inconclusive
from .show import table


def show_diff(found: dict[str, Any]) -> None:
    """Verdict last: bounds, then quantiles, then segments, then the pairs that are furthest apart."""
    table("what", "count", "pairs", "share", "low", "high", "bound", "is", "more_pairs")(
        [_measured(each) for each in found["measured"]]
    )
    spreads = [("score delta", found["deltas"]), *((f"{arm}, ms", each) for arm, each in found["latency_ms"].items())]
    if found["pairs"]:
        click.echo()
        table("of", "min", "p5", "p50", "p95", "p99", "max")([_quantiles(*each) for each in spreads])
    if found["levels"]:
        click.echo()
        table("segment", "pairs", "share", "low", "high", "is")([_level(each) for each in found["levels"]])
    if found["examples"]:
        click.echo()
        table("prediction", "live", "shadow", "delta")([_example(each) for each in found["examples"]])
    versions = f"version {found['shadow_version']} beside live version {found['live_version']}"
    click.echo(f"\n{found['pairs']} pairs{': ' + versions if found['pairs'] else ''}")
    left = f"{found['unpaired_live']} answers without a copy, {found['left_out']} pairs of other versions"
    if found["unpaired_live"] or found["left_out"]:
        click.echo(f"Left out: {left}.")
    if found["page"]:
        click.echo(f"Wrote {found['page']}.")
    for reason in found["reasons"]:
        click.echo(f"  {reason}")
    click.echo(found["verdict"])


def ending(found: dict[str, Any]) -> ModelyardError | None:
    """What a diff says against the shadow."""
    if found["verdict"] == "agrees":
        return None
    reasons = " ".join(found["reasons"][:3])
    if found["verdict"] == "differs":
        remedy = "See which pairs, and where: --segment COLUMN, --html FILE."
        return Failed(reasons, code="RESPONSES_DIFFER", remedy=remedy)
    return Inconclusive(reasons, remedy="Nothing is decided: let the shadow ride along.")


def _measured(each: dict[str, Any]) -> dict[str, Any]:
    judged = each["bound"] is not None
    return {
        "what": each["name"],
        "count": each["count"],
        "pairs": each["pairs"],
        "share": _percent(each["share"]),
        "low": _percent(each["low"]),
        "high": _percent(each["high"]),
        "bound": _percent(each["bound"]),
        "is": each["state"] if judged else "not judged",
        "more_pairs": each["needed"],
    }


def _quantiles(name: str, spread: dict[str, Any]) -> dict[str, Any]:
    return {"of": name, **{key: f"{value:.4g}" for key, value in spread["quantiles"].items()}}


def _level(each: dict[str, Any]) -> dict[str, Any]:
    shares = {name: _percent(each[name]) for name in ("share", "low", "high")}
    return {"segment": f"{each['column']}={each['level']}", "pairs": each["pairs"], **shares, "is": each["state"]}


def _example(each: dict[str, Any]) -> dict[str, Any]:
    def said(answer: str | None, score: float | None) -> str:
        return "-" if answer is None else answer + ("" if score is None else f" ({score:.4g})")

    return {
        "prediction": each["prediction_id"],
        "live": said(each["live"], each["live_score"]),
        "shadow": each["error"] or said(each["shadow"], each["shadow_score"]),
        "delta": None if each["delta"] is None else f"{each['delta']:+.4g}",
    }


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.3%}"
