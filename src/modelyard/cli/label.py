"""`modelyard label`."""

import click

from modelyard.operations import labels

from .derive import command as derive
from .show import fields

command = click.Group("label", help="Labels that come in tables: add, sync.")
command.add_command(derive(labels.add_label_file, fields))
command.add_command(derive(labels.sync_labels, fields))
