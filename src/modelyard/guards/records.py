"""What guards find, and what may leave. No record holds a character of what was found."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from modelyard.core import Verdict


class Action(StrEnum):
    """What is done about what a guard finds.

    `abstain` and `quote` end an answer before what was found: where nothing of it has left yet, it says instead that
    there is no answer, or quotes what was retrieved.
    """

    REDACT = "redact"
    REFUSE = "refuse"
    FLAG = "flag"
    ABSTAIN = "abstain"
    QUOTE = "quote"

    @property
    def ends(self) -> bool:
        """Whether nothing leaves from what was found on."""
        return self in (Action.REFUSE, Action.ABSTAIN, Action.QUOTE)


class Claim(NamedTuple):
    """Characters [start, end) of the text, counted from its beginning, that a guard says are of a kind."""

    start: int
    end: int
    kind: str


class Finding(msgspec.Struct, frozen=True, order=True):
    """Characters [start, end) of the text *before* any redaction that a guard objects to, and what is done about it.

    Claims of one guard and kind that touch are one finding.
    """

    start: int
    end: int
    guard: str
    kind: str
    action: Action


class Outcome(msgspec.Struct, frozen=True):
    """What guards say of a text as a whole.

    `verdict` is `fail` when anything was found, else `inconclusive` when a guard failed or none is in force, else
    `pass`. `text` is what may leave: with `refused` only what stands before the cause, which a caller who can still
    take everything back does not send either. `failed` names the guards that came to no verdict.
    """

    verdict: Verdict
    text: str
    findings: tuple[Finding, ...] = ()
    refused: bool = False
    failed: tuple[str, ...] = ()


def placeholder(kind: str) -> str:
    """What stands in the place of characters of a kind: `[EMAIL]`. No guard of patterns finds anything in one."""
    return f"[{kind.upper()}]"
