"""`modelyard rollout`."""

import click

from modelyard.operations import deployments

from .derive import command as derive
from .show import fields, table

command = click.Group("rollout", help="Rollouts: start, status, roll back, history.")
command.add_command(derive(deployments.start_rollout, fields))
command.add_command(derive(deployments.rollout_status, fields))
command.add_command(derive(deployments.rollout_history, table("at", "version", "kind", "detail")))
command.add_command(derive(deployments.roll_back, fields))
