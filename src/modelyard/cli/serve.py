"""`modelyard serve`."""

import os
from pathlib import Path

import click

from .edge import open_project

PORT = click.IntRange(1, 65535)


@click.command("serve")
@click.option(
    "--project", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder with modelyard.yaml."
)
@click.option("--deployment", help="Serve only this deployment of the project.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Serve this bundle, without a project.")
@click.option("--model", "reference", metavar="NAME@ALIAS", help="Serve this version, whatever is deployed.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes that share the port, instead of server.workers."
)
@click.option("--host", help="Address instead of server.host.")
@click.option("--port", type=PORT, help="Port instead of server.port.")
@click.option("--metrics-port", type=PORT, help="Port instead of server.metrics_port.")
def command(
    folder: Path,
    deployment: str | None,
    bundle: Path | None,
    reference: str | None,
    workers: int | None,
    host: str | None,
    port: int | None,
    metrics_port: int | None,
) -> None:
    """Serve a project's deployments, one of them, one version or one bundle over HTTP, until Ctrl-C."""
    from modelyard.control import require_free_port  # noqa: PLC0415 - `--help` must not pay for it
    from modelyard.wiring import ServerSettings, bundle_command, model_command, server_command  # noqa: PLC0415

    if sum(each is not None for each in (deployment, bundle, reference)) > 1:
        raise click.UsageError("Choose one of --deployment, --bundle and --model.")
    given = {"workers": workers, "host": host, "port": port, "metrics_port": metrics_port}
    settings = ServerSettings()
    if bundle is not None:
        arguments = bundle_command(bundle, Path(".modelyard") / "serve" / bundle.name, **given)
    else:
        with open_project(folder) as project:
            settings = project.settings.server
            if reference is not None:
                arguments = model_command(project, reference, **given)
            else:
                if deployment is not None:
                    project.rollouts.settings(deployment)
                project.publisher.publish()
                arguments = server_command(project, supervised=False, only=deployment, **given)  # type: ignore[arg-type]
    at = (host or settings.host, port or settings.port)
    require_free_port(*at, setting="server.port")
    require_free_port(at[0], metrics_port or settings.metrics_port, setting="server.metrics_port")
    click.echo(f"Serving at http://{at[0]}:{at[1]}. Ctrl-C ends it.", err=True)
    os.execv(arguments[0], arguments)  # noqa: S606 - this process becomes the server
