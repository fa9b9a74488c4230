"""`modelyard serve`."""

import os
from pathlib import Path

import click

from .edge import open_project


@click.command("serve")
@click.option(
    "--project", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder with modelyard.yaml."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port instead of server.port.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Port instead of server.metrics_port.")
def command(folder: Path, port: int | None, metrics_port: int | None) -> None:
    """Serve a project's deployments over HTTP in this process, until Ctrl-C."""
    from modelyard.control import require_free_port  # noqa: PLC0415 - `--help` must not pay for it
    from modelyard.wiring import server_command  # noqa: PLC0415

    with open_project(folder) as project:
        settings = project.settings.server
        require_free_port(settings.host, port or settings.port, setting="server.port")
        require_free_port(settings.host, metrics_port or settings.metrics_port, setting="server.metrics_port")
        project.publisher.publish()
        arguments = server_command(project, port=port, metrics_port=metrics_port, supervised=False)
    click.echo(f"Serving at http://{settings.host}:{port or settings.port}. Ctrl-C ends it.", err=True)
    os.execv(arguments[0], arguments)  # noqa: S606 - this process becomes the server
