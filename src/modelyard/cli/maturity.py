"""`modelyard maturity`."""

from pathlib import Path
from typing import Any

import click

from modelyard.core import Failed, InvalidInput, ModelyardError, atomic_write
from modelyard.operations import maturity as reports

from .derive import PROJECT_HELP, anywhere, asked
from .edge import Inconclusive, emit, exit_code, talk
from .permitting import takes
from .show import table

_PATH = click.Path(path_type=Path)


@anywhere
@takes(reports.maturity.permission)
@click.command(
    "maturity",
    help=f"{reports.maturity.summary} With --audit: what each version in production lacks of review, card, monitor, "
    "owner and recent retraining; ends with 1 when one lacks something, with 6 when nothing is in production.",
)
@click.option("--audit", is_flag=True, help="Audit what is in production.")
@click.option("--html", type=_PATH, metavar="FILE", help="Write both as a page, which opens offline.")
@click.option("--project", "project_folder", type=_PATH, help=PROJECT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(*, audit: bool, html: Path | None, project_folder: Path | None, as_json: bool) -> None:
    if html is not None and not html.absolute().parent.is_dir():
        raise InvalidInput(f"There is no folder {html.parent}.", remedy="Make it first.")
    found = asked(reports.maturity, reports.Report(audit), project_folder)
    page = found.pop("html")
    if html is not None:
        atomic_write(html, page.encode())
        click.echo(f"Wrote {html}.", err=True)
    emit(found, as_json=as_json, show=_show_review if audit else _show)
    if audit and (error := _verdict(found)) is not None:
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


def _show(found: dict[str, Any]) -> None:
    click.echo(f"{found['project']}: level {found['level']}, {found['title']}\n{found['why']}\n")
    table("capability", "level", "evidence")(
        [
            {"capability": each["title"], "level": each["level"], "evidence": "; ".join(map(_said, each["evidence"]))}
            for each in found["capabilities"]
        ]
    )
    steps = [step for each in found["capabilities"] for step in each["steps"] if step["level"] == found["level"] + 1]
    if steps:
        click.echo(f"\nWhat is missing for level {found['level'] + 1}:")
    for step in steps:
        click.echo(f"  {step['capability']}: {step['missing']}\n    {step['next']}")


def _said(seen: dict[str, Any]) -> str:
    total = f" of {seen['of']}" if seen["of"] is not None else ""
    when = f", last {seen['last'][:10]}" if seen["last"] else ""
    return f"{seen['count']}{total} {seen['what']} ({seen['kind']}{when})"


def _show_review(found: dict[str, Any]) -> None:
    rows = [
        {"version": f"{each['model']} {each['label']}", "lacks": lack["what"], "why": lack["why"], "next": lack["next"]}
        for each in found["models"]
        for lack in each["lacking"]
    ]
    if rows:
        table("version", "lacks", "why", "next")(rows)
    click.echo(f"{len(found['models'])} in production: {found['verdict']}")


def _verdict(found: dict[str, Any]) -> ModelyardError | None:
    if found["verdict"] == "pass":
        return None
    if not found["models"]:
        return Inconclusive("Nothing is in production, so nothing was audited.", code="NOTHING_IN_PRODUCTION")
    lacking = [f"{each['model']} {each['label']}" for each in found["models"] if each["lacking"]]
    return Failed(
        f"{len(lacking)} of {len(found['models'])} versions in production lack something: {', '.join(lacking[:5])}.",
        code="AUDIT_FAILED",
        remedy="What to do stands beside each: modelyard maturity --audit",
    )
