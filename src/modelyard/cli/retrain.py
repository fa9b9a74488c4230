"""`modelyard retrain`."""

import click

from modelyard.operations import loop

from .derive import command as derive
from .show import fields, table

_EVENTS = table("at", "cycle", "kind", "detail")

command = click.Group("retrain", help="The retraining loop: run, tick, status, explain.")
command.add_command(derive(loop.retrain, _EVENTS))
command.add_command(derive(loop.tick, _EVENTS))
command.add_command(derive(loop.retrain_status, lambda result: _EVENTS(result["history"])))
command.add_command(derive(loop.explain, fields))
