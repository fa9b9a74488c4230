"""`modelyard up`."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from modelyard.access import Permission

from .edge import open_project
from .permitting import takes


@takes(Permission.OPERATE)
@click.command("up")
@click.option(
    "--project", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder with modelyard.yaml."
)
@click.option(
    "--only", type=click.Choice(["server", "control"]), help="Only this part; the console is with the control process."
)
def command(folder: Path, only: str | None) -> None:
    """Start the server, the control process and the console, and keep them running until Ctrl-C."""
    with _noted_interrupt() as interrupted:
        _up(folder, only, interrupted)
    click.echo("Stopped.", err=True)


def _up(folder: Path, only: str | None, interrupted: threading.Event) -> None:
    from modelyard.control import up  # noqa: PLC0415 - `--help` must not pay for it
    from modelyard.operations.keys import bootstrap_key  # noqa: PLC0415 - as above

    with open_project(folder, Permission.OPERATE) as project:
        once = None if only == "server" else bootstrap_key(project)
        name, logs = project.settings.project, project.run_folder

        def started(parts: Mapping[str, str | None]) -> None:
            does = f"serves at {parts['server']}" if "server" in parts else "is looked after"
            click.echo(f"{name} {does}. Logs: {logs}. Ctrl-C ends it.")
            if address := parts.get("console"):
                click.echo(f"Console: {address}")
            if once is not None:
                click.echo(f"One-time key for it, good for an hour and one sign-in: {once}")

        def restarted(part: str) -> None:
            click.echo(f"The part '{part}' had ended, and runs again: {logs / part}.log tells why.", err=True)

        up(project, started, only=only, restarted=restarted, stopping=interrupted)


@contextmanager
def _noted_interrupt() -> Iterator[threading.Event]:
    """Set by Ctrl-C, which raises as ever: what an import makes of that, nothing or an error, is no longer believed."""
    interrupted = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupted
    except Exception:
        if interrupted.is_set():
            raise KeyboardInterrupt from None
        raise
