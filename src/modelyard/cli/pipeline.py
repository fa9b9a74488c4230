"""`modelyard pipeline`."""

from typing import Any

import click

from modelyard.core import Failed, ModelyardError
from modelyard.operations import pipelines

from .derive import command as derive
from .edge import Inconclusive
from .show import fields, table


def _run(result: dict[str, Any]) -> None:
    table("name", "kind", "state", "seconds", "detail")(result["steps"])


def _ending(result: dict[str, Any]) -> ModelyardError | None:
    if result["verdict"] == "pass":
        return None
    kind = Inconclusive if result["verdict"] == "inconclusive" else Failed
    return kind("; ".join(result["reasons"]), code="GATE_FAILED", remedy="Nothing was registered.")


command = click.Group("pipeline", help="Pipelines: run, show.")
command.add_command(derive(pipelines.run_pipeline, _run, _ending))
command.add_command(derive(pipelines.show_pipeline, fields))
