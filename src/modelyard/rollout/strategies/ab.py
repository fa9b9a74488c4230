"""A/B: a share of the entities on the new version, and what they do, until a difference can be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from modelyard.core import InvalidInput

from ..experiments import ExperimentReport, ExperimentSettings, Trial, analyse_trial, question_of
from ..pseudonyms import pseudonyms
from ..reading import BEFORE_START
from ..records import Plan
from .canary import too_early
from .contract import Decision, Facts

PAUSE = 20.0
"""An analysis is followed by a pause at least so many times as long, so that other looks have nearly all of the time.
"""

WINNER, WORSE, OPEN = "winner", "worse", "inconclusive"


@dataclass(frozen=True)
class Ab:
    """One share from beginning to end: `treatment_percentage` of the entities, spread by the plan's salt.

    Analysed by the confidence sequence that one may look at any time, at most every `experiment.every` of observed
    time, and at most a twentieth of the time: an analysis reads the whole test, and looks wait for it. A winner waits
    for an operator's promote, unless it is declared that it takes over by itself. A treatment that is worse, or that
    harms a guardrail, goes back. Where it is declared how many units are planned, the test is over with them, whatever
    can be told.
    """

    arm: str = "treatment"
    role: Literal["arm"] = "arm"
    columns: tuple[str, ...] = ()
    by_server: bool = False

    def shares(self, plan: Plan) -> tuple[float, ...]:
        """One step."""
        return (plan.treatment_percentage / 100,)

    def judge(self, facts: Facts) -> Decision:
        """What the last analysis says; a new one when it is due."""
        settings = ExperimentSettings.model_validate(facts.plan.experiment)
        if waits := too_early(facts):
            return Decision("hold", missing=waits)
        kept = dict(facts.rollout.kept)
        if _due(facts, settings, kept):
            kept = self._analysed(facts, settings)
        elif kept.get("verdict") == WINNER and settings.promote:
            return Decision("promote", str(kept["reason"]), evidence=_evidence(kept))
        return self._decided(settings, kept)

    def lacks(self, facts: Facts) -> tuple[str, ...]:
        """A winner, as of the last analysis."""
        kept = facts.rollout.kept
        if kept.get("verdict") == WINNER:
            return ()
        return (f"a treatment that wins: {kept.get('reason', 'it has not been analysed yet')}",)

    def _analysed(self, facts: Facts, settings: ExperimentSettings) -> dict[str, Any]:
        """An analysis of the whole test, summed up."""
        share, began = self.shares(facts.plan)[0], facts.monotonic()
        trial = Trial(
            deployment=facts.rollout.deployment,
            arm=self.arm,
            share=share,
            first=facts.rollout.first_generation,
            start=datetime.fromisoformat(facts.rollout.started_at) - BEFORE_START,
            now=facts.now,
            within=settings.within,
            sticky=facts.plan.sticky,
            logged_as=pseudonyms(facts.rollout),
        )
        try:
            report = analyse_trial(facts.log, trial, question_of(settings, share), facts.rollout.deployment)
        except InvalidInput as error:  # a metric that nobody has told of yet, say: no reason to end
            found = {"verdict": OPEN, "reason": f"{error.message} {error.remedy}".strip()}
        else:
            found = _summed_up(report)
        took = facts.monotonic() - began
        return {"analysed_s": facts.rollout.observed_s, "took_s": took, "rows": _rows(facts), **found}

    def _decided(self, settings: ExperimentSettings, kept: Mapping[str, Any]) -> Decision:
        verdict, reason, evidence = kept.get("verdict"), str(kept.get("reason", "")), _evidence(kept)
        if verdict == WORSE:
            return Decision("roll_back", f"the treatment is worse: {reason}", evidence=evidence, kept=kept)
        if verdict == WINNER and settings.promote:
            return Decision("hold", missing=("the next look, at which the winner takes over",), kept=kept)
        if verdict == WINNER:
            missing = (f"an operator's promote: the treatment wins. {reason}",)
            return Decision("hold", f"the treatment wins: {reason}", missing, evidence, kept=kept)
        if settings.planned is not None and int(kept.get("units", 0)) >= settings.planned:
            return Decision("end", f"inconclusive after all planned units: {reason}", evidence=evidence, kept=kept)
        return Decision("hold", missing=(reason or "the first requests",), evidence=evidence, kept=kept)


def _rows(facts: Facts) -> int:
    return facts.tally.rows + facts.tally.live_rows


def _due(facts: Facts, settings: ExperimentSettings, kept: Mapping[str, Any]) -> bool:
    """Whether enough was observed since the last analysis, if there was one; outcomes come without requests too."""
    if "analysed_s" not in kept:
        return True
    pause = max(settings.every.total_seconds(), PAUSE * float(kept.get("took_s", 0.0)))
    return facts.rollout.observed_s - float(kept["analysed_s"]) >= pause


def _summed_up(report: ExperimentReport) -> dict[str, Any]:
    """What is kept of a report, and stands in the history: bounded, whatever was compared."""
    verdicts = {"pass": WINNER, "fail": WORSE, "inconclusive": OPEN}
    found = {
        each.metric: {
            "state": each.state,
            "difference": each.difference,
            "low": each.low,
            "high": each.high,
            "p": each.p_value if each.p_adjusted is None else each.p_adjusted,
            "needed": each.needed,
        }
        for each in report.found[:20]
    }
    reason = " ".join(each.partition(": ")[2] for each in report.reasons[:5])[:1000]
    return {"verdict": verdicts[report.verdict], "reason": reason, "units": report.units, "found": found}


def _evidence(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {name: kept[name] for name in ("verdict", "units", "found") if name in kept}
