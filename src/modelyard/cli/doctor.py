"""`modelyard doctor`."""

from typing import Any

from rich.markup import escape

from modelyard.core import Failed
from modelyard.operations import workspace

from .derive import command as derive
from .show import lines


def _show(findings: list[dict[str, Any]]) -> None:
    lines(
        [
            f"{'[green]ok  [/]' if each['ok'] else '[red]BAD [/]'} {escape(each['check'])}: {escape(each['found'])}"
            for each in findings
        ]
    )


def _ending(findings: list[dict[str, Any]]) -> Failed | None:
    if bad := [each for each in findings if not each["ok"]]:
        remedies = "\n".join(f"{each['check']}: {each['remedy']}" for each in bad)
        return Failed(f"{len(bad)} of {len(findings)} checks failed.", code="UNWELL", remedy=remedies)
    return None


command = derive(workspace.doctor, _show, _ending)
