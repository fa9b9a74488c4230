"""How mature a workspace is follows from evidence alone, and what is only declared does not pass for done."""

import re
from collections.abc import Sequence

import pytest

from modelyard.core import InvalidInput
from modelyard.governance import LADDER, Evidence, Level, Maturity, Rung, judge_maturity
from modelyard.governance.records import Kind

AT = "2026-01-05T12:00:00+00:00"
RUNGS = [rung for each in LADDER for rung in each.rungs]


def shown(rung: Rung) -> Evidence:
    """What meets a rung, and no more."""
    kind: Kind = "declared" if rung.declared else "observed"
    return Evidence(rung.fact, kind, "what was counted", rung.at_least, rung.at_least if rung.every else None, AT)


def meeting(level: Level) -> list[Evidence]:
    """What meets every rung up to a level."""
    views = [Evidence("features.views", "declared", "feature views", 1)]
    return [shown(each) for each in RUNGS if each.level <= level] + views


def judged(evidence: Sequence[Evidence]) -> Maturity:
    """The judgement of some evidence."""
    return judge_maturity(evidence, project="bank", at=AT, names={"model": "fraud", "pipeline": "training"})


@pytest.mark.parametrize("level", list(Level))
def test_a_level_is_reached_when_all_that_it_asks_for_is_there(level: Level) -> None:
    """Of every capability; nothing is missing of it, and all steps lead further."""
    found = judged(meeting(level))
    assert found.level == level
    steps = [step for each in found.capabilities for step in each.steps]
    assert all(step.level > level for step in steps)
    assert bool(steps) is (level != Level.FULL)


@pytest.mark.parametrize("rung", RUNGS, ids=lambda each: each.fact)
def test_every_rung_counts(rung: Rung) -> None:
    """Without it the whole is below its level, and so is its capability; the step says what to do."""
    found = judged([each for each in meeting(Level.FULL) if each.fact != rung.fact])
    assert found.level == rung.level - 1
    (lacking,) = [each for each in found.capabilities if each.steps]
    assert lacking.level < rung.level
    (step,) = lacking.steps
    assert (step.level, step.missing.startswith(rung.needs)) == (rung.level, True)
    assert re.search(r"\{(model|version|deployment|pipeline|dataset)\}", step.next) is None
    assert lacking.title in found.why


@pytest.mark.parametrize("rung", [each for each in RUNGS if not each.declared], ids=lambda each: each.fact)
def test_what_is_declared_does_not_pass_for_done(rung: Rung) -> None:
    """However often it is declared: where use leaves a trace, only the trace counts."""
    others = [each for each in meeting(Level.FULL) if each.fact != rung.fact]
    found = judged([*others, Evidence(rung.fact, "declared", "in the project file", 99, 99)])
    assert found.level == rung.level - 1


@pytest.mark.parametrize("rung", [each for each in RUNGS if each.every], ids=lambda each: each.fact)
@pytest.mark.parametrize(("count", "of"), [(2, 3), (0, 0)])
def test_every_means_every_and_none_of_none_is_none(rung: Rung, count: int, of: int) -> None:
    """Two of three versions in production are not all; and where there is none, nothing was shown."""
    others = [each for each in meeting(Level.FULL) if each.fact != rung.fact]
    found = judged([*others, Evidence(rung.fact, "declared" if rung.declared else "observed", "some", count, of)])
    assert found.level == rung.level - 1
    (step,) = [step for each in found.capabilities for step in each.steps]
    assert (f"({count} of {of})" in step.missing) is bool(of)


def test_an_empty_workspace_is_manual_and_knows_its_first_steps() -> None:
    """Level 0 of every capability; feature views are asked for only where some are declared."""
    found = judged([])
    assert found.level == Level.MANUAL
    assert {each.level for each in found.capabilities} == {Level.MANUAL}
    assert "features" not in {each.name for each in found.capabilities}
    first = next(each for each in found.capabilities if each.name == "pipelines").steps[0]
    assert first.next == "modelyard pipeline run training"
    nameless = judge_maturity([], project="bank", at=AT)
    assert "DEPLOYMENT" in " ".join(step.next for each in nameless.capabilities for step in each.steps)


def test_what_is_declared_and_unused_is_said() -> None:
    """So that nobody wonders why a setting changed nothing."""
    found = judged([Evidence("data.checked", "declared", "datasets with checks", 2)])
    (data,) = [each for each in found.capabilities if each.name == "data"]
    assert data.steps[1].missing == "a run whose data was checked first (declared, but there is no trace of its use)"
    assert [each.count for each in data.evidence] == [2]


def test_evidence_of_nothing_is_refused() -> None:
    """A misspelt fact would silently count for nothing."""
    with pytest.raises(InvalidInput, match=r"Nothing is judged by 'data\.chekced'") as told:
        judged([Evidence("data.chekced", "observed", "", 1)])
    assert "data.checked" in told.value.remedy


def test_facts_stand_on_one_rung_each() -> None:
    """Rungs rise, and what one asks for no other does."""
    assert len({each.fact for each in RUNGS}) == len(RUNGS)
    for capability in LADDER:
        levels = [each.level for each in capability.rungs]
        assert levels == sorted(levels)
        assert Level.MANUAL not in levels
