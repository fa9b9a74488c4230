"""`modelyard features`."""

import click

from modelyard.operations import workspace

from .derive import command as derive
from .show import table

command = click.Group("features", help="Feature views: list, materialize.")
command.add_command(derive(workspace.list_features, table("view", "keys", "features", "ttl", "materialized_until")))
command.add_command(derive(workspace.materialize, table("view", "until", "rows", "stored")))
