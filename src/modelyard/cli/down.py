"""`modelyard down`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from .edge import open_project


@click.command("down")
@click.option(
    "--project", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder with modelyard.yaml."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(folder: Path, *, as_json: bool) -> None:
    """Stop what `up` started."""
    from modelyard.control import stop_running  # noqa: PLC0415 - `--help` must not pay for it

    with open_project(folder) as project:
        stopped = stop_running(project.run_folder)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in stopped]))
        return
    names = ", ".join(f"{each.name} (pid {each.pid})" for each in stopped)
    click.echo(f"Stopped {names}." if names else "Nothing was running.")
