"""The strategy shadow: each look adds the pairs whose copies are new, and the sum is judged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import SystemClock, to_micros, uuid7
from modelyard.history import PredictionLog
from modelyard.journal import Generated, Journal, PredictionRecord
from modelyard.rollout import Decision, Facts, Plan, Rollout, Tally
from modelyard.rollout.reading import Cursor, read_fresh
from modelyard.rollout.responses import ResponseBounds, diff_responses
from modelyard.rollout.strategies import Shadow

START = datetime(2026, 1, 5, tzinfo=UTC)
DIFF = ResponseBounds()


class Shadowed:
    """A deployment with a shadow, and looks at it: each hears of what is new since the one before."""

    def __init__(self, folder: Path, **bounds: Any) -> None:
        self.journal = Journal(folder / "journal", "srv.a", SystemClock())
        self.log = PredictionLog(folder / "journal", folder / "log")
        declared = DIFF.model_copy(update=bounds).model_dump(mode="json")
        plan = Plan(strategy="shadow", dwell_s=60.0, response_diff=declared)
        at = START.isoformat()
        self.rollout = Rollout("r", "d", 2, "active", 0, at, at, 1, plan=plan)
        self.cursor = Cursor()
        self.asked = 0

    def answer(
        self, count: int, *, differing: int = 0, failing: int = 0, copy: bool = True, abstaining: int | None = None
    ) -> list[PredictionRecord]:
        """So many answers, written with their copies, or the copies alone, to be written later; with a number that
        abstain, those of language models.
        """
        answers, copies = [], []
        for at in range(count):
            self.asked += 1
            instant = to_micros(START + timedelta(seconds=self.asked))
            one = PredictionRecord(
                uuid7(instant, self.asked.to_bytes(10, "big")), instant, "d", 1, "1", "live", "live", True, None, (),
                "1", (0.9,), 1000, None, instant,
            )  # fmt: skip
            if abstaining is not None:
                one = msgspec.structs.replace(one, prediction="stop", scores=(), generated=_made(f"it is {at}"))
            other = msgspec.structs.replace(one, model_version="2", arm="shadow", role="shadow", answered=False)
            if at < differing:
                other = msgspec.structs.replace(other, prediction="0", scores=(0.1,))
            elif at >= count - failing:
                other = msgspec.structs.replace(other, prediction=None, scores=(), error="model")
            if abstaining is not None:
                other = msgspec.structs.replace(other, generated=_made(f"or {at}", abstained=at < abstaining))
            answers.append(one)
            copies.append(other)
        self.journal.append([*answers, *copies] if copy else answers)
        return copies

    def look(self, *, observed: float = 120.0) -> Decision:
        """What the strategy makes of what is new."""
        now = START + timedelta(seconds=self.asked + 60)
        fresh, self.cursor = read_fresh(
            self.log, "d", self.cursor, since=1, started=START, now=now, columns=Shadow().columns
        )
        facts = Facts(self.rollout, Tally(), timedelta(seconds=observed), now, fresh, self.log)
        decision = Shadow().judge(facts)
        if decision.kept is not None:
            self.rollout = msgspec.structs.replace(self.rollout, kept=dict(decision.kept))
        assert Shadow().lacks(facts)
        return decision


def _made(said: str, *, abstained: bool = False) -> str:
    return msgspec.json.encode(Generated(said=said, abstained=abstained)).decode()


def test_it_ends_when_the_answers_agree_and_its_time_has_passed(tmp_path: Path) -> None:
    """Until then it says how many more pairs it takes, or how much time."""
    shadowed = Shadowed(tmp_path)
    assert shadowed.look().action == "hold"
    shadowed.answer(100)
    first = shadowed.look()
    assert (first.action, first.evidence["pairs"]) == ("hold", 100)
    assert "more pairs to tell whether disagreement is within 0.01" in first.missing[0]
    shadowed.answer(1000)
    assert shadowed.look(observed=10).missing == ("50s of this step's time",)
    ended = shadowed.look()
    assert (ended.action, ended.evidence["pairs"]) == ("end", 1100)
    assert "agree with those given in 1100 pairs" in ended.reason


def test_the_canary_follows_where_it_is_declared(tmp_path: Path) -> None:
    """With nothing kept: its evidence is its own."""
    shadowed = Shadowed(tmp_path, then="canary")
    shadowed.answer(1500)
    decision = shadowed.look()
    assert (decision.action, decision.to, decision.kept) == ("hand_over", "canary", {})


def test_it_goes_back_as_soon_as_the_answers_differ(tmp_path: Path) -> None:
    """No time has to pass for that; failures of the shadow do the same."""
    differing = Shadowed(tmp_path / "one")
    differing.answer(300, differing=30)
    decision = differing.look(observed=0)
    assert (decision.action, "disagreement is beyond 0.01: 30 of 300" in decision.reason) == ("roll_back", True)
    failing = Shadowed(tmp_path / "two")
    failing.answer(300, failing=30)
    decision = failing.look(observed=0)
    assert (decision.action, "errors is beyond 0.01: 30 of 300" in decision.reason) == ("roll_back", True)


def test_a_copy_that_comes_looks_later_is_paired_with_its_answer(tmp_path: Path) -> None:
    """Its answer is looked up by its time; nothing is counted twice, nor lost."""
    shadowed = Shadowed(tmp_path)
    late = shadowed.answer(50, differing=7, copy=False)
    assert shadowed.look().evidence["pairs"] == 0
    shadowed.answer(20)
    assert shadowed.look().evidence["pairs"] == 20
    shadowed.journal.append(late)
    last = shadowed.look()
    assert (last.evidence["pairs"], last.evidence["disagreement"]["count"]) == (70, 7)
    assert shadowed.look().evidence["pairs"] == 70


def test_looks_add_up_to_the_diff_of_the_whole(tmp_path: Path) -> None:
    """What the machine decides by is what `rollout diff` shows."""
    shadowed = Shadowed(tmp_path)
    for count, differing, failing in ((10, 1, 0), (300, 4, 2), (1, 0, 1), (77, 3, 0)):
        shadowed.answer(count, differing=differing, failing=failing)
        decision = shadowed.look()
    with shadowed.log.batches("d", features=()) as records:
        whole = diff_responses(records, DIFF, deployment="d")
    assert decision.evidence["pairs"] == whole.pairs == 388
    for each in whole.measured:
        assert decision.evidence[each.name]["count"] == each.count
        assert decision.evidence[each.name]["high"] == each.high


def test_other_versions_and_other_shadows_do_not_count(tmp_path: Path) -> None:
    """A lasting shadow rides along beside it, and an older version did before."""
    shadowed = Shadowed(tmp_path)
    copies = shadowed.answer(40, copy=False)
    shadowed.journal.append([msgspec.structs.replace(each, model_version="9") for each in copies])
    shadowed.journal.append([msgspec.structs.replace(each, arm="other") for each in copies])
    assert shadowed.look().evidence["pairs"] == 0


def test_a_shadow_of_a_prompt_agrees_when_its_texts_end_as_those_given_do(tmp_path: Path) -> None:
    """Whatever they say; of a shadow that abstains too often it says so, look by look."""
    shadowed = Shadowed(tmp_path)
    shadowed.answer(1100, abstaining=0)
    assert shadowed.look().action == "end"
    other = Shadowed(tmp_path / "other")
    other.answer(300, abstaining=6)
    assert other.look().action == "hold"
    other.answer(300, abstaining=20)
    decision = other.look()
    assert decision.action == "roll_back"
    assert "26 of 600 pairs answer otherwise" in decision.reason
