"""`modelyard llm`."""

import click

from modelyard.operations import applications

from .derive import command as derive
from .show import fields

command = click.Group("llm", help="Applications of language models: register.")
command.add_command(derive(applications.register_application, fields))
