"""`modelyard status`."""

from typing import Any

import click

from modelyard.operations import workspace

from .derive import command as derive
from .show import fields, table


def _show(result: dict[str, Any]) -> None:
    """The parts first, each in a line; then what is live."""
    table("part", "state", "pid", "address", "detail")(result["parts"])
    click.echo()
    fields({name: value for name, value in result.items() if name != "parts"})


command = derive(workspace.status, _show)
