"""`modelyard key`."""

import click

from modelyard.operations import keys

from .derive import command as derive
from .show import fields, table

command = click.Group("key", help="API keys: create, list, rotate, revoke.")
command.add_command(derive(keys.create_key, fields))
_LISTED = table("key_id", "name", "role", "deployments", "created_by", "state", "expires", "last_used")
command.add_command(derive(keys.list_keys, _LISTED))
command.add_command(derive(keys.rotate_key, fields))
command.add_command(derive(keys.revoke_key, fields))
