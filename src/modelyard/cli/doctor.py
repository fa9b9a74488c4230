"""`modelyard doctor`."""

from typing import Any

from modelyard.core import Failed
from modelyard.operations import workspace

from .derive import command as derive
from .show import lines


def _show(findings: list[dict[str, Any]]) -> None:
    lines(
        [f"{'[green]ok  [/]' if each['ok'] else '[red]BAD [/]'} {each['check']}: {each['found']}" for each in findings]
    )
    if bad := [each for each in findings if not each["ok"]]:
        remedies = "\n".join(f"{each['check']}: {each['remedy']}" for each in bad)
        raise Failed(f"{len(bad)} of {len(findings)} checks failed.", code="UNWELL", remedy=remedies)


command = derive(workspace.doctor, _show)
