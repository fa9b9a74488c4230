"""`modelyard rollout`."""

import time
from pathlib import Path
from typing import Any

import click

from modelyard.operations import deployments, responses

from . import experiments
from .derive import anywhere, asked
from .derive import command as derive
from .edge import emit
from .permitting import permission_of, takes
from .responses import ending, show_diff
from .show import fields, table

_EVERY_S = 2.0


def _watching(command: click.Command) -> click.Command:
    """The status, with `--watch`: again whenever it has changed, until no rollout is under way."""
    callback = command.callback

    def show(*, watch: bool, project_folder: Path | None, as_json: bool, **values: Any) -> None:
        assert callback is not None  # noqa: S101 - a derived command has one
        if not watch:
            callback(project_folder=project_folder, as_json=as_json, **values)
            return
        before: Any = None
        while True:
            status = asked(deployments.rollout_status, deployments.OneDeployment(**values), project_folder)
            if status != before:
                emit(status, as_json=as_json, show=_progress)
            before = status
            if status["progress"] is None or status["progress"]["state"] not in ("active", "paused"):
                return
            time.sleep(_EVERY_S)

    option = click.Option(["--watch"], is_flag=True, help="Print it again when it changes, until the rollout is over.")
    watching = click.Command(command.name, params=[*command.params, option], callback=show, help=command.help)
    return anywhere(takes(permission_of(command))(watching))


def _progress(status: dict[str, Any]) -> None:
    fields(status["progress"])


def _status(status: dict[str, Any]) -> None:
    """Who answers, since when and why, how far the rollout is, and the way back; `--json` has all the rest."""
    route, progress = status["route"], status["progress"] or {}
    told: dict[str, Any] = {"serving": "nothing"}
    if route is not None:
        serving = ", ".join(map(_arm, route["arms"]))
        told = {"serving": serving, "generation": route["generation"], "because": route["reason"]}
    told["rollout"] = _led(progress) if progress else "none"
    told |= {name: progress.get(name) for name in ("step", "share", "observed", "missing", "reason")}
    fields({name: value for name, value in told.items() if value not in (None, "", [])})
    if route is not None:
        click.echo(f"Back to the version before: modelyard rollout rollback {route['deployment']}", err=True)


def _arm(arm: dict[str, Any]) -> str:
    share = f"{100 * arm['weight']:.4g}%"
    return f"version {arm['version']} ({arm['name']}, {f'copies of {share}' if arm['role'] == 'shadow' else share})"


def _led(progress: dict[str, Any]) -> str:
    return f"version {progress['version']}, {progress['strategy']}: {progress['state']}"


def _evidence(found: dict[str, Any]) -> None:
    fields(found["bounds"])
    table("at", "canary_requests", "canary_bad", "live_requests", "live_bad", "rollback", "promotion")(found["trail"])
    table("at", "generation", "versions", "weights")(found["weights"])


command = click.Group(
    "rollout",
    help="Rollouts: start, status, pause, advance, promote, abort, roll back, history, evidence, diff.",
)
command.add_command(derive(deployments.start_rollout, fields))
command.add_command(_watching(derive(deployments.rollout_status, _status)))
command.add_command(derive(deployments.pause, fields))
command.add_command(derive(deployments.resume, fields))
command.add_command(derive(deployments.advance, fields))
command.add_command(derive(deployments.promote_rollout, fields))
command.add_command(derive(deployments.abort, fields))
command.add_command(derive(deployments.roll_back, fields))
command.add_command(derive(deployments.rollout_history, table("at", "version", "kind", "by", "detail")))
command.add_command(derive(deployments.rollout_evidence, _evidence))
command.add_command(derive(responses.rollout_diff, show_diff, ending))
command.add_command(experiments.command)
