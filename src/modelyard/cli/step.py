"""`modelyard step`."""

from typing import Any

import click

from modelyard.core import Failed, ModelyardError
from modelyard.operations import runs

from .derive import command as derive
from .show import fields


def _ending(result: dict[str, Any]) -> ModelyardError | None:
    if not result["holds_back"]:
        return None
    return Failed("; ".join(result["reasons"]), code="GATE_FAILED", remedy="Nothing that waits for it may run.")


command = click.Group("step", help="Single steps of pipelines: run.")
command.add_command(derive(runs.carry_out_step, fields, _ending))
