"""`modelyard log`."""

from typing import Any

import click

from modelyard.history import LogDamaged
from modelyard.operations import logs, persons, shipping

from .derive import command as derive
from .edge import Inconclusive
from .show import fields, table


def _rows(rows: list[dict[str, Any]]) -> None:
    """Print rows whatever their columns: as a table, or, where that would be too wide, one below the other."""
    if not rows or len(rows[0]) <= _WIDE:
        table(*(rows[0] if rows else ()))(rows)
        return
    for row in rows:
        fields(row)
        click.echo()


_WIDE = 8
"""Columns that a table has at most."""


def _damaged(report: dict[str, Any]) -> LogDamaged | None:
    if report["verdict"] == "pass":
        return None
    problems = report["problems"]
    first = f" First: {problems[0]['file']}: {problems[0]['what']}." if problems else ""
    return LogDamaged(
        f"{len(problems)} files of the log are not right, and {report['doubled']} records are there twice.{first}",
        remedy="Restore the files named above from a backup; everything else can be read.",
    )


def _waiting(done: dict[str, Any]) -> Inconclusive | None:
    if not done["waiting"] and not done["damaged"]:
        return None
    return Inconclusive(
        f"{done['waiting']} records are in segments that servers still write, and {done['damaged']} damaged files "
        "could not be looked through.",
        code="NOT_ALL_REDACTED",
        remedy="Redact again when the servers have been restarted; of damaged files see: modelyard log verify",
    )


def _left(done: dict[str, Any]) -> Inconclusive | None:
    if not done["waiting"] and not done["damaged"]:
        return None
    return Inconclusive(
        f"{done['waiting']} records are in segments that servers still write, and {done['damaged']} damaged files "
        "could not be looked through.",
        code="NOT_ALL_ERASED",
        remedy="Erase again when the servers have been restarted; of damaged files see: modelyard log verify",
    )


command = click.Group(
    "log",
    help="The prediction log: query, stats, export, verify, compact, retire, redact, erase, ship, ingest.",
)
command.add_command(derive(logs.log_query, _rows))
command.add_command(derive(logs.log_stats, fields))
command.add_command(derive(logs.log_export, fields))
command.add_command(derive(logs.log_verify, fields, _damaged))
command.add_command(derive(logs.log_compact, fields))
command.add_command(derive(logs.log_retire, fields))
command.add_command(derive(logs.log_redact, fields, _waiting))
command.add_command(derive(persons.erase_person, fields, _left))
command.add_command(derive(shipping.ship_log, fields))
command.add_command(derive(shipping.ingest_log, fields))
