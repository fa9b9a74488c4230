"""What the procedures of a rollout promise, by simulation; and wrong ones fail the same checks.

The full tables, 4,000 runs of each scenario: python -m benchmarks.rollout.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from benchmarks.rollout.bounds import FALSE_PROMOTION, highest, lowest
from benchmarks.rollout.contests import Paths, binary_paths, drawn, told, value_paths
from benchmarks.rollout.events import Events, delayed, diurnal_events, entity_events, ramp_events
from benchmarks.rollout.page import filled, tables_of
from benchmarks.rollout.promotions import Counted, entity_counts, promoted, promotion_values, ramp_counts
from benchmarks.rollout.rollbacks import Values, caught, flipped, naive_z, ramp_ignored, rollback_values

from modelyard.rollout.experiments.comparing import difference_of, lacking
from modelyard.rollout.experiments.records import Metric
from modelyard.stats import PromotionEvidence, RollbackEvidence
from modelyard.stats.experiments import SKEWED, ArmMoments

RUNS = 800


@dataclass(frozen=True)
class Procedure:
    """How a rollout decides. Mutants replace a part."""

    rollback: Values = rollback_values
    promotion: Callable[[Counted], np.ndarray] = promotion_values
    least: int = 500
    first_only: bool = True
    contest: Callable[[Paths], float] = told
    skewed: float = SKEWED


RIGHT = Procedure()


def random(seed: int) -> np.random.Generator:
    """Of a check of its own."""
    return np.random.default_rng(seed)


def false_rollbacks_stay_below_alpha(procedure: Procedure) -> None:
    """At the margin, at 5%; and at 1% a healthy canary is hardly ever taken back."""
    worst = caught(ramp_events(random(1), RUNS, 0.01, 0.0125), 0.05, values=procedure.rollback)
    assert worst.share <= highest(0.05, RUNS)
    healthy = caught(ramp_events(random(2), RUNS, 0.01, 0.01), 0.01, values=procedure.rollback)
    assert healthy.share <= highest(0.0015, RUNS)


def bad_canaries_are_caught(procedure: Procedure) -> None:
    """1% → 5% always, after a dozen bad responses at most, by the median; 1% → 2% nearly always."""
    five = caught(ramp_events(random(3), 200, 0.01, 0.05), 0.01, values=procedure.rollback)
    assert five.share == 1
    assert five.median <= 12
    twice = caught(ramp_events(random(4), RUNS, 0.01, 0.02), 0.01, values=procedure.rollback)
    assert twice.share >= lowest(0.99, RUNS)


def days_entities_and_late_labels_change_nothing(procedure: Procedure) -> None:
    """Rates that swing, entities that fail again and again, labels that are late by the same in both arms."""
    for events in (
        diurnal_events(random(5), 200, 0.01, 0.0125),
        entity_events(random(6), 200, prone=50, live=0.5, canary=0.5, requests=20.0, first_only=procedure.first_only),
        delayed(random(7), ramp_events(random(8), 200, 0.01, 0.0125), live=0.2, canary=0.2),
    ):
        found = caught(events, 0.05, values=procedure.rollback)
        assert found.share <= highest(0.05, 200)


def bad_canaries_are_not_promoted(procedure: Procedure) -> None:
    """Twice and five times as bad, and just not acceptable; where few requests came; where failures come by entity."""
    for live, factor in ((0.005, 2.0), (0.01, 2.0), (0.01, 5.0)):
        counted = ramp_counts(random(9), RUNS, live, live * factor)
        values = procedure.promotion(counted)
        assert promoted(counted, values=values, least=procedure.least).mean() <= highest(FALSE_PROMOTION, RUNS)
    few = replace(ramp_counts(random(10), 50, 0.0, 0.0, step=400), live_bad=np.full((50, 200), 20))
    assert not promoted(few, values=procedure.promotion(few), least=procedure.least).any()
    entities = entity_counts(random(11), 100, 0.01, 0.02, first_only=procedure.first_only)
    assert promoted(entities, values=procedure.promotion(entities)).mean() <= highest(FALSE_PROMOTION, 100)


def healthy_canaries_are_promoted(procedure: Procedure) -> None:
    """As good as live, at rates from a tenth of what is acceptable to five times it."""
    for rate in (0.001, 0.01, 0.05):
        counted = ramp_counts(random(12), RUNS, rate, rate)
        values = procedure.promotion(counted)
        assert promoted(counted, values=values, least=procedure.least).mean() >= lowest(0.94, RUNS)


def nothing_is_told_where_nothing_is(procedure: Procedure) -> None:
    """A/B tests without a difference, looked at 400 times."""
    for seed, rate in ((13, 0.05), (14, 0.5)):
        assert procedure.contest(binary_paths(random(seed), 1_000, (rate, rate))) <= highest(0.05, 1_000)
    uneven = binary_paths(random(15), 1_000, (0.01, 0.01), share=0.05)
    assert procedure.contest(uneven) <= highest(0.05, 1_000)
    assert procedure.contest(value_paths(random(16), 200, "exponential")) <= highest(0.05, 200)
    tails = value_paths(random(17), 200, "rare spend", share=0.1, skewed=procedure.skewed)
    assert procedure.contest(tails) <= highest(0.05, 200)


Check = Callable[[Procedure], None]
CHECKS: tuple[Check, ...] = (
    false_rollbacks_stay_below_alpha,
    bad_canaries_are_caught,
    days_entities_and_late_labels_change_nothing,
    bad_canaries_are_not_promoted,
    healthy_canaries_are_promoted,
    nothing_is_told_where_nothing_is,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_procedure_keeps_its_promises(check: Check) -> None:
    """Each check says which."""
    check(RIGHT)


def ungated_promotion(counted: Counted) -> np.ndarray:
    """A mutant without minimum: evidence alone decides."""
    return promotion_values(counted)


def naively_compared(paths: Paths) -> float:
    """A mutant: 1.96 at every look."""
    return float((paths.z >= 1.96).any(axis=1).mean())


def flipped_promotion(counted: Counted) -> np.ndarray:
    """A mutant: the arms of bad events are taken for each other."""
    return promotion_values(replace(counted, bad=counted.live_bad, live_bad=counted.bad))


MUTANTS: tuple[tuple[str, Procedure, tuple[Check, ...]], ...] = (
    ("naive z for rollbacks", Procedure(rollback=naive_z), (false_rollbacks_stay_below_alpha,)),
    ("naive z for A/B tests", Procedure(contest=naively_compared), (nothing_is_told_where_nothing_is,)),
    ("ramp ignored", Procedure(rollback=ramp_ignored), (false_rollbacks_stay_below_alpha,)),
    ("no gate for promotion", Procedure(least=0, promotion=ungated_promotion), (bad_canaries_are_not_promoted,)),
    ("no gate for A/B tests", Procedure(contest=partial(told, planned=20_000, gated=False)),
     (nothing_is_told_where_nothing_is,)),
    ("no gate for heavy tails", Procedure(skewed=np.inf), (nothing_is_told_where_nothing_is,)),
    ("all events of an entity", Procedure(first_only=False),
     (days_entities_and_late_labels_change_nothing, bad_canaries_are_not_promoted)),
    ("flipped sign for rollbacks", Procedure(rollback=flipped),
     (false_rollbacks_stay_below_alpha,)),
    ("flipped sign for promotion", Procedure(promotion=flipped_promotion),
     (healthy_canaries_are_promoted,)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        pytest.param(mutant, check, id=f"{name}: {check.__name__}")
        for name, mutant, checks in MUTANTS
        for check in checks
    ],
)
def test_a_wrong_procedure_fails_the_same_check(mutant: Procedure, check: Check) -> None:
    """So that the checks could fail."""
    with pytest.raises(AssertionError):
        check(mutant)


def test_what_is_simulated_is_what_decides() -> None:
    """The states that a rollout keeps, fed event by event, have the values of the simulation."""
    events = ramp_events(random(20), 3, 0.02, 0.03, step=1_000)
    values = rollback_values(events)
    for run in range(3):
        state = RollbackEvidence()
        for at in map(int, np.flatnonzero(events.there[run])):
            arm = bool(events.canary[run, at])
            state = state.add(float(events.share[run, at]), canary=int(arm), live=int(not arm))
            assert state.value == pytest.approx(values[run, at], rel=1e-9)
    counted = ramp_counts(random(21), 2, 0.01, 0.012, step=2_000, looks=5)
    promotions = promotion_values(counted)
    for run in range(2):
        evidence = PromotionEvidence()
        for at in range(counted.share.shape[1]):
            requests, bad, live_bad = (int(each[run, at]) for each in (counted.requests, counted.bad, counted.live_bad))
            evidence = evidence.add(float(counted.share[run, at]), requests=requests, bad=bad, live_bad=live_bad)
            assert evidence.value == pytest.approx(promotions[run, at], rel=1e-9)


def test_what_it_cannot_see_is_what_the_page_says() -> None:
    """1% → 1.5% is caught about one time in six."""
    found = caught(ramp_events(random(22), RUNS, 0.01, 0.015), 0.01)
    assert 0.12 <= found.share <= 0.23


def test_the_gates_that_are_simulated_are_those_of_the_analysis() -> None:
    """Run by run, at the last look: what a unit lacks, by the moments that an experiment keeps."""
    for kind, share in (("spend", 0.2), ("rare spend", 0.1), ("exponential", 0.1), ("spend", 0.5)):
        paths = value_paths(random(25), 12, kind, units=15_000, share=share)
        again = random(25)
        treated = again.random((12, 15_000)) < share
        values = drawn(again, kind, treated.shape)
        for run in range(12):
            one, two = (ArmMoments.of(values[run, arm, None]) for arm in (~treated[run], treated[run]))
            metric = Metric("spend", "continuous")
            lack = lacking(metric, one, two, share, difference_of(metric, one, two))
            assert bool(paths.ready[run, -1]) is (lack == 0)


def test_the_page_has_a_place_for_each_table_and_a_full_run_fills_it() -> None:
    """A table that the page lacks is refused; what stands around tables stays."""
    page = (Path(__file__).parents[2] / "docs/architecture/06-rollout-evidence.md").read_text()
    assert tables_of(page) == ["false rollbacks", "caught", "promotions", "tests", "breaks", "promotions elsewhere"]
    rows = {name: [f"| {name} |", "| --- |"] for name in tables_of(page)}
    written = filled(page, rows)
    assert tables_of(written) == tables_of(page)
    assert "<!-- table: caught -->\n\n| caught |\n| --- |\n\nPromotions" in written
    assert filled(written, rows) == written
    with pytest.raises(ValueError, match="no place for"):
        filled(page, {"another": []})


def test_labels_that_come_sooner_for_one_arm_must_wait_for_the_others() -> None:
    """Counted as they come they take healthy canaries back; counted when all are due they do not."""
    events: Events = ramp_events(random(23), 200, 0.01, 0.01)
    as_they_come = delayed(random(24), events, live=0.3, canary=0.02)
    assert caught(as_they_come, 0.05).share > 0.5
    when_due = delayed(random(24), events, live=0.3, canary=0.02, window=1.0)
    assert caught(when_due, 0.05).share <= highest(0.05, 200)
