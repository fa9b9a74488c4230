"""`modelyard features`."""

from typing import Any

import click

from modelyard.core import Failed, ModelyardError
from modelyard.operations import features, workspace

from .derive import command as derive
from .edge import Inconclusive
from .progress import counted
from .show import fields, table

command = click.Group("features", help="Feature views: list, materialize, history, check-leaks.")


def _show_leaks(result: dict[str, Any]) -> None:
    click.echo(f"Leaks in {', '.join(result['features'])}: {result['verdict']}")
    for reason in result["reasons"]:
        click.echo(f"  {reason}")


def _leaking(result: dict[str, Any]) -> ModelyardError | None:
    if result["verdict"] == "pass":
        return None
    remedy = "Correct the views or the join, then check again."
    if result["verdict"] == "fail":
        return Failed("Features tell what could not have been known.", code="FEATURES_LEAK", remedy=remedy)
    return Inconclusive("Whether features leak cannot be told.", remedy="See above for what is lacking.")


command.add_command(derive(workspace.list_features, table("view", "keys", "features", "ttl", "materialized_until")))
command.add_command(derive(workspace.materialize, table("view", "until", "rows", "stored")))
command.add_command(counted(derive(features.history, fields)))
command.add_command(derive(features.check_leaks, _show_leaks, _leaking))
