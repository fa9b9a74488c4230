"""`modelyard serve`."""

import os
from pathlib import Path
from typing import Any

import click

from modelyard.access import Permission
from modelyard.core import Digest

from .edge import open_project
from .permitting import takes

PORT = click.IntRange(1, 65535)


@takes(Permission.OPERATE)
@click.command("serve")
@click.option(
    "--project", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder with modelyard.yaml."
)
@click.option("--deployment", help="Serve only this deployment of the project.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Serve this bundle, without a project.")
@click.option(
    "--allow-python",
    multiple=True,
    metavar="DIGEST",
    help="With --bundle: let this bundle's own Python run. Repeatable.",
)
@click.option("--model", "reference", metavar="NAME@ALIAS", help="Serve this version, whatever is deployed.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes that share the port, instead of server.workers."
)
@click.option("--host", help="Address instead of server.host.")
@click.option("--port", type=PORT, help="Port instead of server.port.")
@click.option("--grpc-port", type=PORT, help="Port instead of server.grpc_port.")
@click.option("--metrics-port", type=PORT, help="Port instead of server.metrics_port.")
def command(
    folder: Path,
    deployment: str | None,
    bundle: Path | None,
    allow_python: tuple[str, ...],
    reference: str | None,
    **given: Any,
) -> None:
    """Serve a project's deployments, one of them, one version or one bundle, until Ctrl-C."""
    from modelyard.control import require_free_ports  # noqa: PLC0415 - `--help` must not pay for it
    from modelyard.wiring import ServerSettings, bundle_command, model_command, server_command  # noqa: PLC0415

    if sum(each is not None for each in (deployment, bundle, reference)) > 1:
        raise click.UsageError("Choose one of --deployment, --bundle and --model.")
    if allow_python and bundle is None:
        raise click.UsageError("--allow-python goes with --bundle; a project has security.python_bundles.")
    settings = ServerSettings()
    if bundle is not None:
        workspace = Path(".modelyard") / "serve" / bundle.name
        arguments = bundle_command(bundle, workspace, given, allow_python=[Digest(each) for each in allow_python])
    else:
        with open_project(folder, Permission.OPERATE) as project:
            settings = project.settings.server
            if reference is not None:
                arguments = model_command(project, reference, given)
            else:
                if deployment is not None:
                    project.rollouts.settings(deployment)
                project.publisher.publish()
                arguments = server_command(project, given, supervised=False, only=deployment)
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    require_free_ports(settings.host, settings.ports)
    click.echo(f"Serving at {settings.scheme}://{settings.host}:{settings.port}. Ctrl-C ends it.", err=True)
    os.execv(arguments[0], arguments)  # noqa: S606 - this process becomes the server
