"""`modelyard up`."""

from pathlib import Path

import click

from .edge import open_project


@click.command("up")
@click.option(
    "--project", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder with modelyard.yaml."
)
@click.option("--only", type=click.Choice(["server"]), help="Only this part.")
def command(folder: Path, only: str | None) -> None:
    """Start the server and the control process, and keep them running until Ctrl-C."""
    from modelyard.control import up  # noqa: PLC0415 - `--help` must not pay for it

    with open_project(folder) as project:

        def started(address: str) -> None:
            click.echo(f"{project.settings.project} serves at {address}. Logs: {project.run_folder}. Ctrl-C ends it.")

        up(project, started, control=only is None)
    click.echo("Stopped.", err=True)
