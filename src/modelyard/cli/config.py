"""`modelyard config`."""

import click

from modelyard.operations import workspace

from .derive import command as derive
from .show import table

command = click.Group("config", help="The effective settings, and where each came from.")
command.add_command(derive(workspace.show_config, table("path", "value", "source")))
