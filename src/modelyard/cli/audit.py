"""`modelyard audit`."""

from pathlib import Path
from typing import Any

import click

from modelyard.audit import AuditBroken
from modelyard.operations import audits

from .derive import anywhere, asked
from .derive import command as derive
from .edge import Inconclusive, emit, exit_code, talk
from .permitting import takes
from .progress import verified
from .show import fields, table

_PATH = click.Path(path_type=Path)


def _ending(report: dict[str, Any]) -> AuditBroken | Inconclusive | None:
    if report["verdict"] == "pass":
        return None
    if report["verdict"] == "inconclusive":
        return Inconclusive(
            f"Nothing is found wrong, and nothing is proved: {report['doubt']}.",
            code="AUDIT_NOT_PROVED",
            remedy="If the record is right: modelyard audit checkpoint",
        )
    where = f" at entry {report['broken_at']}" if report["broken_at"] else ""
    return AuditBroken(
        f"The audit record is broken{where}: {report['why']}.",
        remedy="Restore the record store from a backup, and find out who wrote to it.",
    )


command = click.Group("audit", help="The audit record: list, verify, checkpoint, export.")
command.add_command(derive(audits.audit_list, table("number", "at", "principal", "action", "subject")))
command.add_command(derive(audits.audit_checkpoint, fields))
command.add_command(derive(audits.audit_export, fields))


@anywhere
@takes(audits.audit_verify.permission)
@command.command("verify")
@click.argument("file", type=_PATH, required=False)
@click.option("--key", "trusted", multiple=True, metavar="FILE", help="Public key that must have signed. Repeatable.")
@click.option("--recent", is_flag=True, help="Read only what came since the newest checkpoint that a known key signed.")
@click.option("--project", "folder", type=_PATH, help="Folder with modelyard.yaml, or the file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(file: Path | None, *, trusted: tuple[str, ...], folder: Path | None, recent: bool, as_json: bool) -> None:
    """Check the whole audit record against its hashes and its checkpoints; or FILE, an export, by itself."""
    if file is not None and recent:
        raise click.UsageError("--recent is about the record of a project, not about FILE.")
    if file is not None:
        report = audits.check_export(file, trusted, folder or Path())
    elif trusted:
        raise click.UsageError("--key goes with FILE; a project has its own key and security.trusted_keys.")
    else:
        report = asked(audits.audit_verify, audits.AuditVerify(recent), folder)
    emit(report, as_json=as_json, show=fields)
    if recent and report["since"] > 1:
        told = f"Entries before {report['since']} were not read: a checkpoint vouches for what they were at its time."
        click.echo(f"{told} Read them too: modelyard audit verify", err=True)
    if (error := _ending(report)) is not None:
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


verified(verify)
