"""`modelyard export`."""

from typing import Any

import click

from modelyard.core import ModelyardError, counted
from modelyard.export import ExportOutdated
from modelyard.operations import edge, export

from .derive import command as derive


def _show(result: dict[str, Any]) -> None:
    """Where the files are, and which."""
    for each in result["files"]:
        click.echo(f"{result['folder']}/{each}")
    if not result["outdated"]:
        click.echo(f"{counted(len(result['files']), 'file')}, {result['written']} new or changed.", err=True)


def _ending(result: dict[str, Any]) -> ModelyardError | None:
    return _outdated(result, result["folder"], "modelyard.yaml renders to")


def _ending_edge(result: dict[str, Any]) -> ModelyardError | None:
    return _outdated(result, result["output"], "the bundle is packaged to")


def _outdated(result: dict[str, Any], where: str, made: str) -> ModelyardError | None:
    if not result["outdated"]:
        return None
    return ExportOutdated(
        f"{where} is not what {made}. {result['outdated']}.",
        context={"target": result["target"]},
        remedy="Render it again: the same command without --check.",
    )


def _show_edge(result: dict[str, Any]) -> None:
    """Where the files are, how large the graph is, and what was tried."""
    inside = ":" if result["output"].endswith(".zip") else "/"
    for each in result["files"]:
        click.echo(f"{result['output']}{inside}{each}")
    size = result["size"]
    click.echo(f"model.onnx: {size['after']:,} bytes, {size['before']:,} in the bundle.", err=True)
    for each in result["tried"]:
        click.echo(f"{each['weights']}: {'taken' if each['accepted'] else 'not taken: ' + each['why']}.", err=True)


command = click.Group("export", help="The project for containers, clusters, orchestrators, CI, dashboards, devices.")
for each in export.OPERATIONS:
    command.add_command(derive(each, _show, _ending))
command.add_command(derive(edge.export_edge, _show_edge, _ending_edge, edge.export_edge_alone))
