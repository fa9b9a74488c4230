"""`modelyard model`."""

import click

from modelyard.operations import models

from .derive import command as derive
from .show import fields, table

command = click.Group("model", help="Model versions: list, show, promote, roll back.")
command.add_command(derive(models.list_models, table("name", "number", "label", "aliases", "metrics", "created_at")))
command.add_command(derive(models.show_model, fields))
command.add_command(derive(models.model_history, table("at", "alias", "from", "to", "by", "reason")))
command.add_command(derive(models.promote, table("at", "deployment", "version", "kind", "detail")))
command.add_command(derive(models.roll_back_model, table("at", "deployment", "version", "kind", "detail")))
