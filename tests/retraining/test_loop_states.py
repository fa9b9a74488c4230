"""Whatever triggers, people, crashes and processes do, in whatever order: what must always hold of a loop, holds."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.conftest import NOON

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock, SystemIds
from modelyard.retraining import AFTER, ENDS, LoopBusy
from modelyard.retraining.machine import LEADS_TO
from modelyard.storage.drivers.sql import SqlRecordStore

from .yard import DAY, DECAYED, DRIFTED, ME, Yard

POLICY = {
    "when": {
        "any": [
            {"all": [{"drift_above": 0.15}, {"new_rows": 100}]},
            {"drop_above": 0.05},
            {"webhook": "etl"},
            {"schedule": "0 0 1 * *"},
        ]
    },
    "cooldown": "2d",
    "budget": {"runs_a_week": 3},
    "quiet": [{"from": "00:00", "to": "06:00"}],
}


class Killed(BaseException):
    """The process ended here, and nothing it would still have done was done."""


@contextmanager
def dying(at: int) -> Iterator[None]:
    """A process that ends at its n-th moment around a commit; from then on it writes nothing more."""
    transaction, left = SqlRecordStore.transaction, [at]

    def burn() -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise Killed

    @contextmanager
    def burning(store: SqlRecordStore, *, durable: bool = True) -> Iterator[Any]:
        if left[0] <= 0:
            raise Killed
        with transaction(store, durable=durable) as tx:
            yield tx
            burn()
        burn()

    SqlRecordStore.transaction = burning  # type: ignore[method-assign,assignment]
    try:
        with suppress(Killed):
            yield
    finally:
        SqlRecordStore.transaction = transaction  # type: ignore[method-assign]


class Looping(RuleBasedStateMachine):
    """One model, two processes that move its loop, and everything that may happen to it."""

    built: BuiltBundle

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock(NOON)
        self.yard = Yard(Path(self._folder.name), self.clock, self.built, ids=SystemIds())
        self.yard.policy = {"pipeline": "training", "deployment": "d", **POLICY}
        self.processes = [self.yard.restarted(), self.yard.restarted()]
        self.yard.rollouts.start("d", self.yard.version(), ME)
        self.begun: dict[int, str] = {}

    @rule(days=st.sampled_from([0.2, 1, 3, 8, 31]), back=st.sampled_from([0, 0, 0, 2]))
    def wait(self, days: float, back: int) -> None:
        """Time passes, and clocks are put back."""
        self.clock.advance(days * DAY)
        self.clock.jump(timedelta(hours=-back))

    @rule(changes=st.sampled_from([{}, DRIFTED, DECAYED, {**DECAYED, "labels": 3}]), rows=st.sampled_from([0, 99, 100]))
    def see(self, changes: dict[str, Any], rows: int) -> None:
        """A window of the live version, and rows that are new."""
        self.yard.rows["fraud"] = rows
        self.yard.saw(**changes)

    @rule(auc=st.sampled_from([0.9, 0.9, 0.5]), registers=st.sampled_from([True, True, False]))
    def learn(self, auc: float, registers: bool) -> None:
        """What candidates are worth from now on."""
        self.yard.auc, self.yard.registers = auc, registers

    @rule(which=st.booleans())
    def tick(self, which: bool) -> None:
        """A look, by either process."""
        self.processes[which].tick()

    @rule(which=st.booleans(), at=st.integers(1, 40))
    def killed(self, which: bool, at: int) -> None:
        """A look that is cut off at some moment; the next process finishes what it decided."""
        with dying(at):
            self.processes[which].tick()
        self.yard.intents.reconcile()

    @rule(which=st.booleans())
    def by_hand(self, which: bool) -> None:
        """A person begins a cycle, or is told that one is under way."""
        with suppress(LoopBusy):
            self.processes[which].trigger("fraud", "by hand", ME)

    @rule(which=st.booleans())
    def fire(self, which: bool) -> None:
        """A webhook is fired, perhaps again."""
        self.processes[which].fire("fraud", "etl", ME)

    @rule()
    def explain(self) -> None:
        """An explanation changes nothing, and what it says is what the next look does."""
        before = self.yard.loop.state("fraud")
        told = self.yard.loop.explain("fraud")
        assert self.yard.loop.state("fraud") == before
        if before.state == "idle":
            assert told.acts == ("triggered" in [each.kind for each in self.yard.loop.tick()])

    @invariant()
    def history_is_a_way_through_the_machine(self) -> None:
        """Each transition follows from the one before, cycles count from one, and the state is where the last led."""
        state, cycle = "idle", 0
        for event in self.yard.loop.history("fraud"):
            if event.kind == "fired":
                continue
            assert event.kind in AFTER[state]  # type: ignore[index]  # a state
            cycle += event.kind == "triggered"
            assert event.cycle == cycle
            state = LEADS_TO[event.kind]
        loop = self.yard.loop.state("fraud")
        assert (loop.state, loop.cycle) == (state, cycle)

    @invariant()
    def every_transition_is_in_the_audit(self) -> None:
        """In the same order."""
        entries = [each.body for each in self.yard.audit.entries() if each.body["action"].startswith("loop.")]
        assert [each["action"].removeprefix("loop.") for each in entries] == self.yard.kinds()

    @invariant()
    def a_cycle_ends_once_and_registers_at_most_one_version(self) -> None:
        """Whatever was cut off; and what is live was promoted."""
        by_cycle: dict[int, list[str]] = {}
        for event in self.yard.loop.history("fraud"):
            if event.kind != "fired":
                by_cycle.setdefault(event.cycle, []).append(event.kind)
        assert all(len([each for each in kinds if each in ENDS]) <= 1 for kinds in by_cycle.values())
        with self.yard.records.snapshot() as view:
            versions = view.scan("model-version")
        assert len(versions) <= 1 + len(by_cycle)

    @invariant()
    def the_policy_is_kept(self) -> None:
        """Automatic cycles are as far apart as the cooldown says, and none began in quiet hours."""
        automatic = [e for e in self.yard.loop.history("fraud") if e.kind == "triggered" and "trigger" in e.evidence]
        assert all(int(each.at[11:13]) >= 6 for each in automatic)
        assert all(one.at[:10] < other.at[:10] for one, other in pairwise(automatic))

    def teardown(self) -> None:
        """Whatever happened, a look that nobody cuts off finishes the cycle that is under way."""
        self.yard.intents.reconcile()
        self.yard.auc, self.yard.registers = 0.9, True
        self.yard.loop.tick()
        assert self.yard.loop.state("fraud").state == "idle"
        self.yard.records.close()
        self._folder.cleanup()


def _case(built: BuiltBundle, examples: int, steps: int) -> None:
    class Case(Looping):
        pass

    Case.built = built
    checked = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=examples < 50,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    test = Case.TestCase
    test.settings = checked
    test().runTest()


def test_a_loop_keeps_its_promises_whatever_happens(built: BuiltBundle) -> None:
    """A few ways through."""
    _case(built, 3, 20)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_loop_keeps_its_promises_whatever_happens_at_length(built: BuiltBundle) -> None:
    """Many more."""
    _case(built, 60, 50)


WEEKS: tuple[dict[str, Any], ...] = ({}, DRIFTED, {}, DECAYED, DRIFTED, {})
"""What a disturbed and an undisturbed loop see, week by week; the candidate of the fourth is too bad."""


def lived(folder: Path, built: BuiltBundle, kills: Sequence[int]) -> tuple[dict[str, Any], int]:
    """Where a loop is after these weeks that was killed at these moments, and how often it was; each time another
    process goes on.
    """
    folder.mkdir()
    clock, killed = ManualClock(NOON), 0
    yard = Yard(folder, clock, built, ids=SystemIds())
    yard.rollouts.start("d", yard.version(), ME)
    for number, changes in enumerate(WEEKS):
        clock.set(NOON + 7 * number * DAY)
        yard.auc = 0.5 if number == 3 else 0.9
        yard.saw(**changes)
        yard.restarted()
        for moment in kills:
            alive: list[int] = []
            with dying(moment):
                yard.loop.tick()
                alive.append(moment)
            if alive:
                break
            killed += 1
            yard.intents.reconcile()
            yard.restarted()
        yard.restarted().tick()
    told = {
        "history": [(each.at, each.cycle, each.kind, each.detail) for each in yard.loop.history("fraud")],
        "live": yard.live(),
        "alias": yard.registry.aliases("fraud"),
        "loop": yard.loop.state("fraud"),
        "runs": sorted(set(yard.trained)),
        "rollouts": [(each.version, each.kind) for each in yard.rollouts.history("d")],
        "audited": [e.body["action"] for e in yard.audit.entries() if e.body["action"].startswith("loop.")],
    }
    yard.records.close()
    return told, killed


def test_a_loop_that_is_killed_again_and_again_ends_as_one_that_is_not(tmp_path: Path, built: BuiltBundle) -> None:
    """At every third moment around a commit: the same history, to the letter, the same versions, the same audit."""
    undisturbed, _ = lived(tmp_path / "undisturbed", built, [])
    assert [kind for _, _, kind, _ in undisturbed["history"]].count("triggered") == 3
    assert (undisturbed["live"], undisturbed["runs"]) == ("3", [f"fraud-{number:06d}" for number in (1, 2, 3)])
    for seed in range(2):
        told, killed = lived(tmp_path / str(seed), built, [1 + seed + 3 * each for each in range(9)])
        assert killed >= 6
        assert told == undisturbed
