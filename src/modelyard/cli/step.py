"""`modelyard step`."""

import click

from modelyard.operations import runs

from .derive import command as derive
from .show import fields

command = click.Group("step", help="Single steps of pipelines: run.")
command.add_command(derive(runs.carry_out_step, fields))
