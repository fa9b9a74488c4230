"""What checks found: a line a check, and a verdict over all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from modelyard.core import Judgement, Verdict

Outcome = Literal["pass", "warn", "fail", "inconclusive"]
"""The verdict of one check; `warn` is a promise, broken or undecided, that was declared to be told only."""


@dataclass(frozen=True)
class FailingRow:
    """A row that breaks a promise: its number, from 1, and the values that do, each short."""

    row: int
    values: Mapping[str, object]


@dataclass(frozen=True)
class CheckResult:
    """One check of a column, of columns together, or of the table (`column` is then empty).

    `broken` of `rows` rows broke it; `tolerance` is the share that may. `message` is empty where all is well.
    """

    column: str
    check: str
    promise: str
    outcome: Outcome
    broken: int = 0
    rows: int = 0
    tolerance: float = 0.0
    message: str = ""
    sample: tuple[FailingRow, ...] = ()

    @property
    def share(self) -> float:
        """The share of rows that broke it, from 0 to 1."""
        return self.broken / max(1, self.rows)


@dataclass(frozen=True)
class Validation:
    """Every check of a table."""

    rows: int
    checks: tuple[CheckResult, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was declared to be told only."""
        return tuple(each.message for each in self.checks if each.outcome == "warn" and each.message)

    @property
    def judgement(self) -> Judgement:
        """Fails when a check does, passes when there are rows and no check is undecided, else is inconclusive."""
        evidence: dict[str, object] = {"rows": self.rows}
        if self.warnings:
            evidence["warnings"] = self.warnings
        return Judgement.all_of([self._of_rows(evidence), *(_judged(each) for each in self.checks)])

    def _of_rows(self, evidence: Mapping[str, object]) -> Judgement:
        if self.rows:
            return Judgement(Verdict.PASS, evidence=evidence)
        reasons = () if any(each.outcome == "fail" for each in self.checks) else ("There are no rows to judge.",)
        return Judgement(Verdict.INCONCLUSIVE, reasons, evidence)


def _judged(check: CheckResult) -> Judgement:
    if check.outcome in ("pass", "warn"):
        return Judgement(Verdict.PASS)
    return Judgement(Verdict(check.outcome), (check.message,) if check.message else ())
