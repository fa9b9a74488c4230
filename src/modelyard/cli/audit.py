"""`modelyard audit`."""

from typing import Any

import click

from modelyard.core import Failed
from modelyard.operations import workspace

from .derive import command as derive
from .show import fields, table


def _ending(report: dict[str, Any]) -> Failed | None:
    if report["intact"]:
        return None
    return Failed(
        f"The audit record is broken at entry {report['broken_at']}: {report['why']}.",
        code="AUDIT_BROKEN",
        remedy="Restore the record store from a backup, and find out who wrote to it.",
    )


command = click.Group("audit", help="The audit record: list, verify.")
command.add_command(derive(workspace.audit_list, table("number", "at", "principal", "action", "subject")))
command.add_command(derive(workspace.audit_verify, fields, _ending))
