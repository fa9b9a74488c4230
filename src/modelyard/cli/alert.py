"""`modelyard alert`."""

import click

from modelyard.operations import loop

from .derive import command as derive
from .show import table

command = click.Group("alert", help="Alerts: list.")
command.add_command(derive(loop.list_alerts, table("deployment", "since", "alert")))
