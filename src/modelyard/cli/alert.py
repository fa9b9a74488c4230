"""`modelyard alert`."""

from typing import Any

import click

from modelyard.operations import alerts

from .derive import command as derive
from .show import fields, table


def _rules(result: dict[str, Any]) -> None:
    """The file's text as it is, or where it went, or the rules as a table."""
    if result["file"] is not None:
        click.echo(f"wrote {len(result['rules'])} rules to {result['file']}")
    elif result["prometheus"] is not None:
        click.echo(result["prometheus"], nl=False)
    else:
        table("name", "when", "for", "resolve", "keep_firing_for", "severity", "deployments")(result["rules"])


def _list(result: list[dict[str, Any]]) -> None:
    """A line an alert; as much of fingerprint and time as one needs."""
    short = [{**each, "alert": each["fingerprint"][:8], "since": each["since"][:16]} for each in result]
    table("alert", "state", "severity", "since", "held_back", "message")(short)


command = click.Group("alert", help="Alerts: list, show, ack, silence, unsilence, silences, notices, test, rules.")
command.add_command(derive(alerts.list_alerts, _list))
command.add_command(derive(alerts.show_alert, fields))
command.add_command(derive(alerts.acknowledge, fields))
command.add_command(derive(alerts.silence, fields))
command.add_command(derive(alerts.unsilence, fields))
command.add_command(derive(alerts.silences, table("id", "matchers", "until", "by", "reason")))
command.add_command(derive(alerts.notices, table("id", "state", "attempts", "next_at", "error")))
command.add_command(derive(alerts.test_receiver, fields))
command.add_command(derive(alerts.rules, _rules))
