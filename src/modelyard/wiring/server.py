"""How a server of this project is started."""

import sys

from .project import Project


def server_command(
    project: Project, *, port: int | None = None, metrics_port: int | None = None, supervised: bool = True
) -> list[str]:
    """The command of one server process; ports as in the project file unless given.

    A supervised server ends when its standard input does.
    """
    settings = project.settings.server
    command = [sys.executable, "-m", "modelyard.serving"]
    options = {
        "--feed": project.workspace / "feed",
        "--journal": project.journal_folder,
        "--online": project.online_folder,
        "--pepper": project.run_folder / "pepper",
        "--host": settings.host,
        "--port": port or settings.port,
        "--metrics-port": metrics_port or settings.metrics_port,
    }
    for name, value in options.items():
        command += [name, str(value)]
    return [*command, "--exit-with-parent"] if supervised else command
