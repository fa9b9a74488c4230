"""`modelyard drift`."""

from pathlib import Path
from typing import Any

import click

from modelyard.core import ModelyardError
from modelyard.operations import monitors, stretches

from .derive import command as derive
from .edge import EXIT_DRIFT, Inconclusive, emit, exit_code, talk
from .permitting import takes
from .show import fields, table

command = click.Group("drift", help="Data drift: compare, analyze, between.")

_SHOWN = 200

_TOO_LITTLE = "Too little data to tell whether anything drifted."


@takes(None)
@command.command("compare")
@click.option("--reference", required=True, metavar="FILE", help="What was: a file, folder, glob or URL of data.")
@click.option("--current", required=True, metavar="FILE", help="What is now.")
@click.option(
    "--columns",
    multiple=True,
    metavar="NAME,…",
    help="Only these columns, instants too. Repeatable. By default all that both have.",
)
@click.option(
    "--threshold",
    type=float,
    help="From which size on it is drift, whatever decides; by default PSI .2, or KS (total variation) .15.",
)
@click.option(
    "--method",
    metavar="NAME",
    help="What decides: psi, ks, total_variation, js, wasserstein (scaled), chi2 (Cramér's V); by default PSI or KS.",
)
@click.option("--no-multivariate", is_flag=True, help="Do not compare the columns all together.")
@click.option("--html", type=click.Path(path_type=Path), metavar="OUT", help="Also write a page, which opens offline.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compare(
    reference: str,
    current: str,
    columns: tuple[str, ...],
    threshold: float | None,
    method: str | None,
    html: Path | None,
    *,
    no_multivariate: bool,
    as_json: bool,
) -> None:
    """Compare two files column by column: 0 no drift, 3 drift, 2 unusable, 6 too little data to tell."""
    from modelyard.operations import comparisons  # noqa: PLC0415 - `--help` must not pay for it

    result = comparisons.compare_files(
        reference, current, columns=columns, threshold=threshold, method=method, joint=not no_multivariate, html=html
    )
    emit(result, as_json=as_json, show=_show)
    if result["drifted"]:
        raise click.exceptions.Exit(EXIT_DRIFT)
    if result["verdict"] == "inconclusive":
        error: ModelyardError = Inconclusive(
            _TOO_LITTLE,
            remedy="Compare more rows, or name the columns that matter with --columns.",
        )
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


def _show(result: dict[str, Any]) -> None:
    """A line a column, those that drifted first, then all together and the verdict."""
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    ordered = sorted(result["columns"].items(), key=lambda each: order[each[1]["verdict"]])
    table("column", "verdict", "why", "effect", "psi", "missing")([_row(*each) for each in ordered[:_SHOWN]])
    if len(ordered) > _SHOWN:
        click.echo(f"and {len(ordered) - _SHOWN} columns more: see --json.")
    together = result["multivariate"]
    if together:
        click.echo(f"\nAll columns together: {_said(together['verdict'])}: {together['reason']}.")
    for name, why in list(result["skipped"].items())[:_SHOWN]:
        click.echo(f"Not compared: {name[:80]} ({why}).", err=True)
    facts: dict[str, Any] = {"rows": f"{result['rows_ref']:,} in the reference, {result['rows_cur']:,} now"}
    if result["share"] is not None:
        facts["drifted"] = f"{result['share']:.0%} of the columns that could be judged"
    facts["verdict"] = _said(result["verdict"])
    if result["page"]:
        facts["page"] = result["page"]
    click.echo()
    fields(facts)


def _said(verdict: str) -> str:
    return {"fail": "drift", "pass": "no drift"}.get(verdict, verdict)


def _row(name: str, column: dict[str, Any]) -> dict[str, Any]:
    effects = (column["ks"], column["total_variation"], column["energy"])
    gone = column["missing_ref"], column["missing_cur"]
    new = f"; new: {', '.join(column['new_levels'][:3])}" if _surprising(column) else ""
    return {
        "column": name[:60],
        "verdict": _said(column["verdict"]),
        "why": column["reason"] + new,
        "effect": next((each for each in effects if each is not None), None),
        "psi": column["psi"],
        "missing": f"{gone[0]:.1%} → {gone[1]:.1%}" if None not in gone else None,
    }


def _surprising(column: dict[str, Any]) -> bool:
    """Whether there are more rows of new levels than such a column has anyway."""
    return bool(column["new_levels"]) and column["new_share"] > column["new_expected"] + 0.001


def _analyzed(result: dict[str, Any]) -> None:
    """A line a feature, those first that matter most, then the predictions and the verdict."""
    rows = [{**each, "column": name[:60], "why": each["reason"]} for name, each in result["columns"].items()]
    table("column", "verdict", "why", "effect", "psi", "shift")(rows[:_SHOWN])
    if len(rows) > _SHOWN:
        click.echo(f"and {len(rows) - _SHOWN} features more: see --json.")
    told = {name: result[name] for name in ("deployment", "version", "from", "to", "rows", "drift_score")}
    predictions = result["predictions"]
    said = f"{_said(predictions['verdict'])} ({predictions['reason']})" if predictions else None
    click.echo()
    fields({**told, "predictions": said, "verdict": _said(result["verdict"])})


def _ending(result: dict[str, Any]) -> ModelyardError | None:
    if result["drifted"]:
        raise click.exceptions.Exit(EXIT_DRIFT)
    if result["verdict"] == "inconclusive":
        return Inconclusive(_TOO_LITTLE, remedy="Look further back with --window.")
    return None


def _beside(result: dict[str, Any]) -> None:
    """A line a feature, those first that matter most, then the predictions, what was read, and the verdict."""
    rows = [{**each, "column": each["name"][:60], "why": each["reason"]} for each in result["features"]]
    table("column", "verdict", "why", "effect", "psi", "shift")(rows[:_SHOWN])
    if len(rows) > _SHOWN:
        click.echo(f"and {len(rows) - _SHOWN} features more: see --json.")
    read = f"{result['windows']} judged windows" if result["told_by"] == "windows" else "the log"
    predictions = result["predictions"]
    click.echo()
    fields(
        {
            **{name: result[name] for name in ("deployment", "version", "start", "end", "requests")},
            "reference": result["reference"] or "nothing was asked then",
            "read": read,
            "drift_score": result["drift_score"],
            "predictions": f"{_said(predictions['verdict'])} ({predictions['reason']})" if predictions else None,
            "verdict": _said(result["verdict"]),
        }
    )


def _beside_ending(result: dict[str, Any]) -> ModelyardError | None:
    if result["verdict"] == "fail":
        raise click.exceptions.Exit(EXIT_DRIFT)
    if result["verdict"] == "inconclusive":
        return Inconclusive(_TOO_LITTLE, remedy="Choose a longer stretch: --from, --to.")
    return None


command.add_command(derive(monitors.analyze_drift, _analyzed, _ending))
command.add_command(derive(stretches.drift_between, _beside, _beside_ending))
