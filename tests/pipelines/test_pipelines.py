"""Pipelines are values; runs are on record; what fails says where and why."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import Judgement, ManualClock, Verdict
from modelyard.pipelines import (
    InvalidPipeline,
    RunContext,
    StepFailed,
    context,
    find_run,
    gate,
    judge,
    pipeline,
    run_pipeline,
    step,
)
from modelyard.storage import RecordStore, open_record_store


@step(kind="data")
def numbers(count: int) -> list[int]:
    """The first numbers."""
    return list(range(count))


@step(kind="transform")
def double(values: Sequence[int]) -> list[int]:
    """Each twice."""
    return [2 * each for each in values]


@step(kind="evaluate")
def total(parts: Sequence[Sequence[int]], scale: float) -> dict[str, float]:
    """The sum over all parts, scaled."""
    return {"total": scale * sum(sum(part) for part in parts)}


@step(kind="register")
def register(metrics: dict[str, float], gates: list[Judgement]) -> str:
    """Registers by naming the run."""
    return context().run_id


@pipeline
def adding(count: int, floor: float = 1.0, scale: float = 1.0) -> None:
    """Numbers, and their doubles, added up behind a gate."""
    values = numbers(count)
    metrics = total([values, double(values)], scale)
    register(metrics, [gate(metrics, {"total": floor})])


@pytest.fixture
def records(tmp_path: Path) -> RecordStore:
    """A record store with nothing in it."""
    store = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    store.migrate()
    return store


def run(records: RecordStore, clock: ManualClock, **given: Any) -> Any:
    """Run the pipeline; its steps ask for no services."""
    return run_pipeline(adding, given, RunContext("run-1", clock, 0, None), records)  # type: ignore[arg-type]  # none asked


def test_a_pipeline_is_a_graph_before_it_runs() -> None:
    """Names, kinds and needs, also of outputs inside lists; called alone, a step is just its function."""
    nodes = adding.graph().nodes
    assert [(each.name, each.kind, each.needs) for each in nodes] == [
        ("numbers", "data", ()),
        ("double", "transform", ("numbers",)),
        ("total", "evaluate", ("numbers", "double")),
        ("gate", "gate", ("total",)),
        ("register", "register", ("total", "gate")),
    ]
    assert double([1, 2]) == [2, 4]
    with pytest.raises(InvalidPipeline, match="Did you mean 'double'"):
        adding.graph().node("doubel")


def test_a_run_is_on_record_step_by_step(records: RecordStore, clock: ManualClock) -> None:
    """Parameters, results that are JSON, seconds, and the verdict."""
    done = run(records, clock, count=4)
    assert (done.state, done.verdict) == ("done", "pass")
    assert done.result("evaluate") == {"total": 18.0}
    assert done.result("register") == "run-1"
    assert done.params == {"count": 4, "floor": 1.0, "scale": 1.0}
    assert find_run(records, "run-1") == done


def test_a_gate_that_fails_stops_the_run(records: RecordStore, clock: ManualClock) -> None:
    """Nothing after it runs, and the record says which number was short."""
    stopped = run(records, clock, count=4, floor=99.0)
    assert (stopped.state, stopped.verdict) == ("stopped", "fail")
    assert stopped.result("register") is None
    assert stopped.reasons == ("total 18.0000 (at least 99)",)


def test_a_result_that_is_no_number_is_null_on_record(records: RecordStore, clock: ManualClock) -> None:
    """A metric nobody could compute fails its gate, and does not spoil the record."""
    stopped = run(records, clock, count=4, scale=float("nan"))
    assert (stopped.state, stopped.verdict) == ("stopped", "fail")
    assert stopped.result("evaluate") == {"total": None}
    assert stopped.params["scale"] is None


def test_a_step_that_raises_is_named_with_its_cause(records: RecordStore, clock: ManualClock) -> None:
    """The record is left, saying `failed`."""
    with pytest.raises(StepFailed, match="Step 'numbers' of 'adding' failed: TypeError") as caught:
        run(records, clock, count="four")
    assert isinstance(caught.value.__cause__, TypeError)
    left = find_run(records, "run-1")
    assert left is not None
    assert left.state == "failed"


def test_parameters_that_do_not_fit_are_named_together(records: RecordStore, clock: ManualClock) -> None:
    """What is unknown, with the nearest name, and what is missing."""
    with pytest.raises(InvalidPipeline, match=r"'flor' is not one.*Did you mean 'floor'.*'count' must be given"):
        run(records, clock, flor=1.0)
    assert find_run(records, "run-1") is None


def test_a_pipeline_that_composes_wrongly_says_so() -> None:
    """No steps, and a step without its input."""

    @pipeline
    def empty() -> None:
        """Nothing."""

    @pipeline
    def wrong() -> None:
        """A step without its input."""
        numbers()

    with pytest.raises(InvalidPipeline, match="calls no step"):
        empty.graph()
    with pytest.raises(InvalidPipeline, match="missing a required argument: 'count'"):
        wrong.graph()
    with pytest.raises(InvalidPipeline, match="outside a run"):
        context()


@pytest.mark.parametrize(
    ("metrics", "champion", "verdict"),
    [
        ({"auc": 0.7}, {}, Verdict.PASS),
        ({"auc": 0.7}, {"auc": 0.69}, Verdict.PASS),
        ({"auc": 0.7}, {"auc": 0.7}, Verdict.FAIL),
        ({"auc": 0.6}, {}, Verdict.FAIL),
        ({"accuracy": 0.9}, {}, Verdict.INCONCLUSIVE),
        ({"auc": 0.7}, {"accuracy": 0.9}, Verdict.INCONCLUSIVE),
    ],
)
def test_the_gate_wants_enough_and_better_than_the_champion(
    metrics: dict[str, float], champion: dict[str, float], verdict: Verdict
) -> None:
    """A tie does not beat the champion, and a metric nobody measured is never a pass."""
    assert judge(metrics, {"auc": 0.65}, champion, "auc").verdict is verdict


@pytest.mark.parametrize(
    ("loss", "verdict", "reason"),
    [
        (0.3, Verdict.PASS, "loss 0.3000 (at most 0.3)"),
        (0.31, Verdict.FAIL, "loss 0.3100 (at most 0.3)"),
        (float("nan"), Verdict.FAIL, "loss nan (at most 0.3)"),
    ],
)
def test_the_gate_wants_no_more_than_the_most(loss: float, verdict: Verdict, reason: str) -> None:
    """Of metrics that are better when they are small; what is no number is no pass."""
    told = judge({"loss": loss}, {}, maximum={"loss": 0.3})
    assert (told.verdict, told.reasons) == (verdict, (reason,))
    assert judge({"los": loss}, {}, maximum={"loss": 0.3}).verdict is Verdict.INCONCLUSIVE
