"""The strategy A/B: hold until a difference can be told; a winner waits for an operator, unless declared otherwise."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from modelyard.history import PredictionLog
from modelyard.rollout import Decision, Facts, Plan, Rollout, Tally
from modelyard.rollout.experiments import ExperimentSettings
from modelyard.rollout.strategies import Ab

from ..experiments.trials import ROUTE, START, log_of, outcomes, requests

UNITS = 2_500


class Experiment:
    """An A/B test over a log, and looks at it. An analysis takes `took_s`."""

    asked_at = 0.0

    def __init__(self, log: PredictionLog, **declared: Any) -> None:
        settings = ExperimentSettings.model_validate({"metrics": ("converted",), **declared})
        plan = Plan(strategy="ab", dwell_s=60.0, sticky=True, experiment=settings.model_dump(mode="json"))
        at = START.isoformat()
        self.rollout = Rollout("r", "d", 2, "active", 0, at, at, ROUTE.generation, plan=plan)
        self.log, self.took_s = log, 0.0
        self.facts = self._facts()

    def look(self, observed: float = 100.0) -> Decision:
        """One look, after so many observed seconds in all."""
        self.rollout = msgspec.structs.replace(self.rollout, observed_s=observed)
        decision = Ab().judge(self._facts())
        if decision.kept is not None:
            self.rollout = msgspec.structs.replace(self.rollout, kept=dict(decision.kept))
        self.facts = self._facts()
        return decision

    def _facts(self) -> Facts:
        """What is known, with what is kept."""
        observed, now = timedelta(seconds=self.rollout.observed_s), START + timedelta(days=2)
        fresh = self.log.predictions("d", end=START, columns=("prediction_id",))
        return Facts(self.rollout, Tally(), observed, now, fresh, self.log, monotonic=self._monotonic)

    def _monotonic(self) -> float:
        """A clock that goes on only between two times that it is asked."""
        self.asked_at += self.took_s
        return self.asked_at


def converting(folder: Path, treated: float, control: float) -> PredictionLog:
    """A log in which so many convert."""
    asked = requests(UNITS)

    def converted(is_treated: bool, drawn: float) -> float:
        return float(drawn < (treated if is_treated else control))

    return log_of(folder, asked, outcomes(asked, "converted", converted))


def test_a_winner_is_told_and_waits_for_an_operator(tmp_path: Path) -> None:
    """It never takes over by itself; an operator's promote lacks nothing any more."""
    tested = Experiment(converting(tmp_path, 0.5, 0.2))
    assert Ab().lacks(tested.facts)[0].startswith("a treatment that wins")
    assert tested.look(observed=10).missing == ("50s of this step's time",)
    decision = tested.look()
    assert (decision.action, decision.evidence["verdict"], decision.evidence["units"]) == ("hold", "winner", UNITS)
    assert "the treatment wins: converted is better" in decision.reason
    assert "operator's promote" in decision.missing[0]
    assert Ab().lacks(tested.facts) == ()
    assert tested.look(observed=200).action == "hold"


def test_a_winner_takes_over_by_itself_only_where_that_is_declared(tmp_path: Path) -> None:
    """One look finds it, the next one promotes: what the machine asks by then is on record."""
    tested = Experiment(converting(tmp_path, 0.5, 0.2), promote=True)
    assert tested.look().action == "hold"
    assert Ab().lacks(tested.facts) == ()
    decision = tested.look(observed=101)
    assert (decision.action, "converted is better" in decision.reason) == ("promote", True)


def test_no_difference_is_held_and_says_what_more_it_takes(tmp_path: Path) -> None:
    """However often it is looked at; over when the planned units are there."""
    log = converting(tmp_path, 0.2, 0.2)
    decision = Experiment(log).look()
    assert (decision.action, decision.evidence["verdict"]) == ("hold", "inconclusive")
    assert "converted is open" in decision.missing[0]
    decision = Experiment(log, planned=UNITS).look()
    assert (decision.action, "inconclusive after all planned units" in decision.reason) == ("end", True)
    assert Experiment(log, planned=UNITS + 1).look().action == "hold"


def test_a_treatment_that_is_worse_goes_back(tmp_path: Path) -> None:
    """Also where more is worse."""
    assert Experiment(converting(tmp_path / "one", 0.1, 0.4)).look().action == "roll_back"
    decision = Experiment(converting(tmp_path / "two", 0.4, 0.1), lower_is_better=("converted",)).look()
    assert (decision.action, "the treatment is worse" in decision.reason) == ("roll_back", True)


def test_an_analysis_is_made_anew_only_when_it_is_due(tmp_path: Path) -> None:
    """Looks between two analyses read nothing: the log may even be empty by then."""
    tested = Experiment(converting(tmp_path / "full", 0.2, 0.2), every="10m")
    first = tested.look()
    tested.log = log_of(tmp_path / "empty")
    assert tested.look(observed=100 + 599).evidence == first.evidence
    assert tested.look(observed=100 + 600).evidence == {"verdict": "inconclusive"}


def test_an_analysis_that_takes_long_is_made_seldom(tmp_path: Path) -> None:
    """A minute and a half: half an hour has to pass before the next, though ten minutes are declared."""
    tested = Experiment(converting(tmp_path / "full", 0.2, 0.2), every="10m")
    tested.took_s = 90.0
    first = tested.look()
    tested.log = log_of(tmp_path / "empty")
    assert tested.look(observed=100 + 1_799).evidence == first.evidence
    assert tested.look(observed=100 + 1_800).evidence == {"verdict": "inconclusive"}


def test_what_cannot_be_analysed_is_held_with_its_reason(tmp_path: Path) -> None:
    """No metric declared, or one that nobody has told of yet."""
    log = converting(tmp_path, 0.2, 0.2)
    assert "no metric" in Experiment(log, metrics=()).look().missing[0]
    held = Experiment(log, metrics=("bought",)).look()
    assert (held.action, "Nobody has told of an outcome" in held.missing[0]) == ("hold", True)
