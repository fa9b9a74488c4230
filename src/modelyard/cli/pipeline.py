"""`modelyard pipeline`."""

from typing import Any

import click

from modelyard.core import Failed
from modelyard.operations import loop

from .derive import command as derive
from .show import fields, table


def _run(result: dict[str, Any]) -> None:
    table("name", "kind", "state", "seconds", "detail")(result["steps"])
    if result["verdict"] != "pass":
        raise Failed("; ".join(result["reasons"]), code="GATE_FAILED", remedy="Nothing was registered.")


command = click.Group("pipeline", help="Pipelines: run, show.")
command.add_command(derive(loop.run_pipeline, _run))
command.add_command(derive(loop.show_pipeline, fields))
