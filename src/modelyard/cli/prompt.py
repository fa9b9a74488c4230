"""`modelyard prompt`."""

from typing import Any

import click

from modelyard.operations import prompts

from .derive import command as derive
from .show import fields, table

_MOVED = table("at", "deployment", "version", "kind", "detail")


def _messages(result: dict[str, Any]) -> None:
    """Each message under its role."""
    for each in result["messages"]:
        click.echo(f"[{each['role']}]\n{each['content'].rstrip()}")


def _diff(result: dict[str, Any]) -> None:
    click.echo(result["diff"] or f"{result['before']} and {result['after']} say the same.")


command = click.Group("prompt", help="Prompts: register, list, diff, render, promote, rollback.")
command.add_command(derive(prompts.register_prompt, fields))
command.add_command(derive(prompts.list_prompts, table("uri", "label", "aliases", "variables", "created_at")))
command.add_command(derive(prompts.diff_prompt, _diff))
command.add_command(derive(prompts.render_prompt, _messages))
command.add_command(derive(prompts.promote_prompt, _MOVED))
command.add_command(derive(prompts.roll_back_prompt, _MOVED))
