"""`modelyard down`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.access import Permission
from modelyard.core import Forbidden

from .edge import emit, open_project
from .permitting import takes

if TYPE_CHECKING:
    from modelyard.wiring import Project


@takes(Permission.OPERATE)
@click.command("down")
@click.option(
    "--project", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder with modelyard.yaml."
)
@click.option("--purge", is_flag=True, help="Then remove the workspace's stores: versions, log, audit record, all.")
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(folder: Path, *, purge: bool, yes: bool, as_json: bool) -> None:
    """Stop what `up` started."""
    from modelyard.control import stop_running  # noqa: PLC0415 - `--help` must not pay for it

    with open_project(folder, Permission.OPERATE) as project:
        if purge:
            _confirm(project, yes=yes)
        stopped = [asdict(each) for each in stop_running(project.run_folder)]
        if not purge:
            emit(stopped, as_json=as_json, show=_show_stopped)
            return
        from modelyard.control import purge as remove  # noqa: PLC0415 - as above

        emit({"stopped": stopped, **asdict(remove(project))}, as_json=as_json, show=_show_purged)


def _confirm(project: "Project", *, yes: bool) -> None:
    """NOT_CONFIRMED unless a person says that what is named may go."""
    from modelyard.control import plan_purge  # noqa: PLC0415 - as above

    planned = plan_purge(project)
    if yes or not planned.removed:
        return
    told = f"{planned.folder} with {', '.join(planned.removed)}"
    if sys.stdin.isatty() and click.confirm(f"Remove {told}? Nothing of it can be brought back.", err=True):
        return
    raise Forbidden(
        f"Nothing was stopped or removed. It would have been {told}.",
        code="NOT_CONFIRMED",
        remedy="If that is wanted: modelyard down --purge --yes",
    )


def _show_stopped(stopped: list[dict[str, Any]]) -> None:
    names = ", ".join(f"{each['name']} (pid {each['pid']})" for each in stopped)
    click.echo(f"Stopped {names}." if names else "Nothing was running.")


def _show_purged(done: dict[str, Any]) -> None:
    _show_stopped(done["stopped"])
    removed, kept = ", ".join(done["removed"]), ", ".join(done["kept"])
    click.echo(f"Removed {removed} from {done['folder']}." if removed else f"Nothing was in {done['folder']}.")
    if kept:
        click.echo(f"Kept {kept}.")
