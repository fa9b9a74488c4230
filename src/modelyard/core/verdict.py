"""The three answers a check can give. No data is never `pass`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """What a gate, a monitor or an analysis concludes."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Judgement:
    """A verdict with the reasons a person reads and the numbers it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    evidence: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def all_of(cls, parts: Iterable["Judgement"]) -> "Judgement":
        """Fails when any part fails, passes when there are parts and all pass, else is inconclusive."""
        parts = tuple(parts)
        reasons = tuple(reason for part in parts for reason in part.reasons)
        evidence = {key: value for part in parts for key, value in part.evidence.items()}
        verdicts = {part.verdict for part in parts}
        if Verdict.FAIL in verdicts:
            return cls(Verdict.FAIL, reasons, evidence)
        if verdicts == {Verdict.PASS}:
            return cls(Verdict.PASS, reasons, evidence)
        return cls(Verdict.INCONCLUSIVE, reasons or ("Nothing was checked.",), evidence)
