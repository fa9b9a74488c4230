"""`modelyard log`."""

import click

from modelyard.operations import workspace

from .derive import command as derive
from .show import fields

command = click.Group("log", help="The prediction log: statistics.")
command.add_command(derive(workspace.log_stats, fields))
