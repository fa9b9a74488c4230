"""`modelyard pipeline`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from modelyard.core import Failed, ModelyardError, atomic_write
from modelyard.operations import Operation, artifacts, pipelines, runs, submitting
from modelyard.pipelines import Description, describe_file

from .derive import anywhere, asked
from .derive import command as derive
from .edge import Inconclusive, emit, exit_code, talk
from .permitting import takes
from .progress import watched
from .show import fields, findings, table

_PATH = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_PROJECT = click.option("--project", "project_folder", type=_PATH, help="Folder with modelyard.yaml, or the file.")


def _run(result: dict[str, Any]) -> None:
    steps = [{**each, "state": "cached" if each["cached"] else each["state"]} for each in result["steps"]]
    table("name", "kind", "state", "seconds", "detail")(steps)
    click.echo(f"Run {result['id']}: {result['state']}.", err=True)
    findings(result.get("findings", ()), err=True)


def _status(result: dict[str, Any]) -> None:
    _run(result)
    if result["state"] == "running" and not result["working"]:
        click.echo(f"No process works on it any more: modelyard pipeline resume {result['id']}", err=True)


def _logs(result: list[dict[str, Any]]) -> None:
    for each in result:
        if len(result) > 1:
            click.echo(click.style(f"── {each['step']}", bold=True))
        click.echo(each["log"], nl=False)


def _metrics(result: dict[str, Any]) -> None:
    """A line a metric and step of the pipeline, with the number of its values."""
    courses = result["courses"]
    table("of", "metric", "value", "steps")(
        [
            {"of": name, "metric": metric, "value": value, "steps": len(courses.get(name, {}).get(metric, ())) or 1}
            for name, metrics in result["metrics"].items()
            for metric, value in metrics.items()
        ]
    )


def _ending(result: dict[str, Any]) -> ModelyardError | None:
    if result["verdict"] == "pass":
        return None
    kind = Inconclusive if result["verdict"] == "inconclusive" else Failed
    return kind("; ".join(result["reasons"]), code="GATE_FAILED", remedy="Nothing was registered.")


command = click.Group(
    "pipeline",
    help="Pipelines: run, resume, submit, list, status, logs, metrics, artifacts, fetch, why, clean, show, validate, "
    "export.",
)
command.add_command(watched(derive(pipelines.run_pipeline, _run, _ending)))
command.add_command(watched(derive(pipelines.resume_pipeline, _run, _ending)))
command.add_command(derive(submitting.submit_pipeline, fields))
command.add_command(derive(runs.list_pipeline_runs, table("id", "pipeline", "state", "verdict", "started_at")))
command.add_command(derive(runs.run_status, _status))
command.add_command(derive(runs.show_logs, _logs))
command.add_command(derive(artifacts.run_metrics, _metrics))
command.add_command(derive(artifacts.list_artifacts, table("name", "form", "size", "file", "digest")))
command.add_command(derive(artifacts.fetch_artifact, fields))
command.add_command(derive(runs.why, fields))
command.add_command(derive(runs.clean_runs, fields))


@anywhere
@takes(pipelines.show_pipeline.permission)
@command.command("show", help=pipelines.show_pipeline.summary)
@click.argument("name", metavar="NAME|FILE")
@click.option("--svg", type=_PATH, metavar="FILE", help="Draw it into this file.")
@click.option("--mermaid", is_flag=True, help="Print the Mermaid chart alone.")
@_PROJECT
@_JSON
def show(name: str, *, svg: Path | None, mermaid: bool, project_folder: Path | None, as_json: bool) -> None:
    if mermaid and as_json:
        raise click.UsageError("--json has the Mermaid chart in it: leave --mermaid out.")
    result = _asked(name, pipelines.shown, project_folder, pipelines.show_pipeline, pipelines.ShowPipeline(name))
    drawn = result.pop("svg")
    if svg is not None:
        atomic_write(svg, drawn.encode())
        click.echo(f"Drawn into {svg}.", err=True)
    printer = _mermaid if mermaid else _steps
    emit(result, as_json=as_json, show=printer)


@anywhere
@takes(pipelines.validate_pipeline.permission)
@command.command("validate", help=pipelines.validate_pipeline.summary)
@click.argument("name", metavar="NAME|FILE", required=False)
@click.option("--pipeline", metavar="NAME|FILE", help="The same, as a flag.")
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@_PROJECT
@_JSON
def validate(
    name: str | None, *, pipeline: str | None, strict: bool, project_folder: Path | None, as_json: bool
) -> None:
    wanted = name or pipeline
    if wanted is None or (name and pipeline):
        raise click.UsageError("Name one pipeline, or one JSON file of one: modelyard pipeline validate NAME|FILE.")
    given = pipelines.ValidatePipeline(wanted, strict)
    result = _asked(
        wanted, lambda found: pipelines.judged(found, strict=strict), project_folder, pipelines.validate_pipeline, given
    )
    emit(result, as_json=as_json, show=_findings)
    if not result["valid"]:
        errors = [each for each in result["findings"] if each["severity"] == "error"]
        told = f"{len(errors)} error{'s' if len(errors) > 1 else ''} in pipeline '{result['pipeline']}'."
        error = Failed(told, code=errors[0]["code"], remedy=errors[0]["remedy"])
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


@anywhere
@takes(pipelines.export_pipeline.permission)
@command.command("export", help=pipelines.export_pipeline.summary)
@click.argument("name")
@click.option("-o", "--output", type=_PATH, metavar="FILE", help="The file; without it the document is printed.")
@_PROJECT
@_JSON
def export(name: str, *, output: Path | None, project_folder: Path | None, as_json: bool) -> None:
    document = asked(pipelines.export_pipeline, pipelines.ShowPipeline(name), project_folder)
    if output is None:
        emit(document, as_json=True, show=click.echo)
        return
    atomic_write(output, (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
    emit({"file": str(output), "steps": len(document["steps"])}, as_json=as_json, show=fields)


def _asked(
    name: str, of_file: Callable[[Description], Any], folder: Path | None, operation: Operation[Any], given: object
) -> Any:
    """Of a JSON file, which needs no project; or else of the project's pipeline."""
    path = Path(name)
    if path.suffix == ".json" or path.is_file():
        return of_file(describe_file(path))
    return asked(operation, given, folder)


def _steps(result: dict[str, Any]) -> None:
    table("name", "kind", "needs", "waits_for", "when")(result["steps"])


def _mermaid(result: dict[str, Any]) -> None:
    click.echo(result["mermaid"])


def _findings(result: dict[str, Any]) -> None:
    findings(result["findings"])
    if result["valid"]:
        noted = len(result["findings"])
        click.echo(f"Pipeline '{result['pipeline']}' is valid" + (f", with {noted} warnings." if noted else "."))
