"""`modelyard monitor`."""

import click

from modelyard.operations import loop

from .derive import command as derive
from .show import fields, table

command = click.Group("monitor", help="Windows of drift and performance: run, status.")
command.add_command(derive(loop.run_monitor, table("start", "version", "requests", "labels", "drift_score", "verdict")))
command.add_command(derive(loop.monitor_status, fields))
