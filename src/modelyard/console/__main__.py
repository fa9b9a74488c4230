"""`python -m modelyard.console`: the console's process, until it is told to stop."""

import argparse
import sys
from pathlib import Path

import uvicorn

from modelyard.core import configure_logging, log_event
from modelyard.core.processes import when_parent_ends
from modelyard.wiring import Project

from .app import application

_DRAIN_S = 2
"""How long requests may take to end at a stop; streams of events never would."""


def main() -> int:
    """Serve until a signal comes, or the parent is gone."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.console", description=__doc__)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--port", type=int, help="Instead of control.port.")
    options = parser.parse_args()
    configure_logging("console")
    project = Project(options.project)
    settings = project.settings.control
    port = options.port or settings.port
    if port is None:
        parser.error("control.port is null: there is to be no console")
    folder = project.file.folder
    server = uvicorn.Server(
        uvicorn.Config(
            application(project),
            host=settings.host.strip("[]"),
            port=port,
            ssl_certfile=None if settings.certificate is None else folder / settings.certificate,
            ssl_keyfile=None if settings.private_key is None else folder / settings.private_key,
            proxy_headers=False,  # whoever speaks for others is no local caller: see `identity`
            server_header=False,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )

    def stop() -> None:
        server.should_exit = True

    when_parent_ends(stop)
    log_event("console", "serves", host=settings.host, port=port)
    server.run()
    project.close()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
