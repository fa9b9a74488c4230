"""`modelyard rollout experiment`: A/B tests over files and over live logs."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from modelyard.access import Permission
from modelyard.core import Failed, ModelyardError

from .derive import PROJECT_HELP
from .edge import Inconclusive, emit, exit_code, open_project, talk
from .permitting import takes
from .show import fields, table

_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

command = click.Group("experiment", help="A/B tests over files and live logs: plan, analyze, report.")


@takes(None)
@command.command("plan")
@click.option("--effect", required=True, metavar="E", help="Least difference to tell: 0.01, or 10% of the baseline.")
@click.option("--baseline", type=float, metavar="RATE", help="The control's rate, of a binary metric.")
@click.option("--mean", type=float, help="The control's mean, of a continuous metric.")
@click.option("--deviation", type=float, help="The standard deviation between units, of a continuous metric.")
@click.option("--power", type=float, default=0.8, show_default=True, help="Chance of telling it when it is there.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Chance of telling one that is not there.")
@click.option("--share", type=float, default=0.5, show_default=True, help="The treatment's share of units.")
@click.option("--metrics", type=int, default=1, show_default=True, help="How many metrics share alpha.")
@click.option("--traffic", type=float, metavar="N", help="Units a day, to say how many days it takes.")
@_JSON
def plan(*, as_json: bool, **given: Any) -> None:
    """Say how many units and days an experiment needs: looked at once, and looked at any time."""
    from modelyard.operations import experiments  # noqa: PLC0415 - `--help` must not pay for it

    emit(experiments.plan_experiment(experiments.PlanExperiment(**given)), as_json=as_json, show=_show_plan)


@takes(Permission.READ)
@command.command("analyze")
@click.argument("file", type=_FILE, metavar="FILE|DEPLOYMENT")
@click.option("--unit", metavar="COLUMN", help="Of a file: what was assigned to an arm: a customer, a session.")
@click.option("--arm", metavar="COLUMN", help="Of a file: which arm it was.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME[:KIND]",
              help="Compare by it; KIND binary, continuous, ratio or ratio:DENOMINATOR. Repeatable.")  # fmt: skip
@click.option("--guardrail", "guardrails", multiple=True, metavar="NAME[:KIND]",
              help="May not get worse by more than --margin. Repeatable.")  # fmt: skip
@click.option("--margin", type=float, default=0.05, show_default=True, help="Worsening a guardrail may show, relative.")
@click.option("--lower-is-better", multiple=True, metavar="NAME", help="Less of this metric is better. Repeatable.")
@click.option("--covariate", "covariates", multiple=True, metavar="COLUMN",
              help="Known before the experiment; reduces variance (CUPED). Repeatable.")  # fmt: skip
@click.option("--segment", "segments", multiple=True, metavar="COLUMN", help="Show each level by itself. Repeatable.")
@click.option("--time", metavar="COLUMN", help="When rows happened: shows how it stood along the way.")
@click.option("--control", metavar="ARM", help="The arm that others are compared with; told from its name otherwise.")
@click.option("--shares", metavar="ARM=SHARE,…", help="Shares that arms should have; the same otherwise.")
@click.option("--planned", type=int, metavar="N", help="Units of all arms at the planned end; 10000 otherwise.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Chance of telling what is not there.")
@click.option("--correction", type=click.Choice(["holm", "benjamini-hochberg"]), default="holm", show_default=True,
              help="For several metrics.")  # fmt: skip
@click.option("--fixed", type=click.Choice(["z", "student", "welch", "mann-whitney", "chi-square", "g", "fisher"]),
              help="Decide by this test, once --planned units are there; else by confidence sequence.")  # fmt: skip
@click.option("--html", type=_FILE, metavar="OUT", help="Also write a page with pictures, which opens offline.")
@click.option("--project", "folder", type=_FILE, help=PROJECT_HELP)
@_JSON
def analyze(*, html: Path | None, folder: Path | None, as_json: bool, **given: Any) -> None:
    """Compare the arms of a file, or of a deployment's rollout by its live log.

    Ends with 0: better; 1: worse, or a guardrail harmed; 6: it cannot be told. Of a deployment units, arms, times and
    shares are known, and its metrics are as the project file declares unless they are given.
    """
    result = _of_file(given, html) if _is_file(given["file"], folder) else _of_deployment(given, html, folder)
    emit(result, as_json=as_json, show=_show_analysis)
    if (error := _ending(result)) is not None:
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


@takes(None)
@command.command("report")
@click.argument("analysis", type=_FILE)
@click.option("--html", type=_FILE, required=True, metavar="OUT", help="Page to write, which opens offline.")
@_JSON
def report(analysis: Path, html: Path, *, as_json: bool) -> None:
    """Draw the page of an analysis that was kept as JSON: the interval along the way, the stopping boundary."""
    from modelyard.operations import experiments  # noqa: PLC0415 - as above

    emit(experiments.report_experiment(analysis, html), as_json=as_json, show=fields)


def _is_file(named: Path, folder: Path | None) -> bool:
    """A deployment has the name of no file here, and no suffix or folder; then there must be a project to have it."""
    from modelyard.wiring import FILE_NAME  # noqa: PLC0415 - as above

    if named.exists() or named.suffix or len(named.parts) > 1:
        return True
    return folder is None and not Path(FILE_NAME).is_file()


def _of_file(given: dict[str, Any], html: Path | None) -> dict[str, Any]:
    from modelyard.operations import experiments  # noqa: PLC0415 - as above

    for name, flag in (("unit", "--unit"), ("arm", "--arm"), ("metrics", "--metric")):
        if not given[name]:
            raise click.UsageError(f"Missing option '{flag}', which a file needs.")
    return experiments.analyze_experiment(experiments.AnalyzeExperiment(**given), html)


def _of_deployment(given: dict[str, Any], html: Path | None, folder: Path | None) -> dict[str, Any]:
    """Options that only a file needs are refused; those that were not given are as declared."""
    from modelyard.operations import experiments  # noqa: PLC0415 - as above

    context = click.get_current_context()
    here = {name for name in given if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    if strange := sorted(here & {"unit", "arm", "time", "control", "shares", "fixed"}):
        raise click.UsageError(f"--{strange[0]} is for files: the live log knows it of '{given['file']}'.")
    asked = {name: given[name] for name in here - {"file"}}
    with open_project(folder or Path(), Permission.READ) as project:
        return experiments.analyze_deployment(project, experiments.AnalyzeDeployment(str(given["file"]), **asked), html)


def _show_plan(result: dict[str, Any]) -> None:
    relative = "" if result["relative"] is None else f" ({result['relative']:+.1%})"
    click.echo(
        f"To tell {result['effect']:+.4g}{relative} with power {result['power']:g} at alpha {result['alpha']:.4g}:"
    )
    rows = [{**each, "days": None if each["days"] is None else f"{each['days']:.1f}"} for each in result["plans"]]
    table("look", "units", "control", "treatment", "days")(rows)


def _show_analysis(result: dict[str, Any]) -> None:
    rows = [_row("", each) for each in result["found"]]
    rows += [_row(f"{each['column']}={each['level']}", each["found"]) for each in result["segments"]]
    table("metric", "arm", "control", "treated", "difference", "low", "high", "p", "state")(rows)
    arms = ", ".join(f"{each['arm']} {each['units']}" for each in result["arms"])
    click.echo(f"\n{result['rows']} rows, {result['units']} units: {arms or 'none'}")
    if result["mixed"] or result["unassigned"]:
        left = f"{result['mixed']} units in two arms, {result['unassigned']} rows without unit or arm"
        click.echo(f"Left out: {left}.")
    if result["page"]:
        click.echo(f"Wrote {result['page']}.")
    for reason in result["reasons"]:
        click.echo(f"  {reason}")
    click.echo(result["verdict"])


def _row(segment: str, found: dict[str, Any]) -> dict[str, Any]:
    numbers = {
        "control": found["control_value"],
        "treated": found["treatment_value"],
        "difference": found["effect"],
        "low": found["low"],
        "high": found["high"],
        "p": found["p_value"] if found["p_adjusted"] is None else found["p_adjusted"],
    }
    return {
        "metric": found["metric"] + (f" [{segment}]" if segment else ""),
        "arm": found["treatment"],
        **{name: None if value is None else f"{value:.3g}" for name, value in numbers.items()},
        "state": found["state"],
    }


def _ending(result: dict[str, Any]) -> ModelyardError | None:
    if result["verdict"] == "pass":
        return None
    reasons = result["reasons"][:3]
    more = f" … and {len(result['reasons']) - 3} more." if len(result["reasons"]) > 3 else ""
    if result["verdict"] == "fail":
        remedy = "Keep the control; look at segments for where it got worse."
        return Failed(" ".join(reasons) + more, code="EXPERIMENT_FAILED", remedy=remedy)
    return Inconclusive(" ".join(reasons) + more, remedy="Nothing is decided: let it go on, or keep the control.")
