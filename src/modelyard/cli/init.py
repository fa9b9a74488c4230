"""`modelyard init`."""

from pathlib import Path

import click

from .edge import emit
from .permitting import takes


@takes(None)
@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--template", default="minimal", show_default=True, help="minimal, flights or injections.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(folder: Path, template: str, *, as_json: bool) -> None:
    """Write a new project to start from."""
    from modelyard.operations import write_template  # noqa: PLC0415 - `--help` must not pay for it

    written = write_template(template, folder, project=folder.resolve().name)

    def show(_: object) -> None:
        click.echo(f"Wrote {', '.join(written)} to {folder.resolve()}.")
        click.echo("Next: read modelyard.yaml, then modelyard pipeline run training --project " + str(folder))

    emit({"folder": str(folder.resolve()), "files": written}, as_json=as_json, show=show)
