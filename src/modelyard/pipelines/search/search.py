"""The search itself: trials until all are made, the budget is spent, or nothing better comes."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modelyard.core import Failed, InvalidInput
from modelyard.core.durations import format_duration, parse_duration

from ..context import in_run
from .kept import KeptTrials
from .result import SearchResult, TrialRecord
from .runners import Here, Runner, SideBySide
from .study import Direction, Plan, Pruner, Sampler, importance

TRIALS_FOLDER, PICTURES_FILE = "trials", "search.html"
ALL_MADE = "all trials were made"


@dataclass(frozen=True)
class _Limits:
    """When a search ends."""

    trials: int
    budget: timedelta | None
    patience: int | None
    direction: Direction


def search(
    objective: Callable[..., float],
    inputs: Mapping[str, Any],
    *,
    trials: int,
    direction: Direction = "maximize",
    parallel: int = 1,
    budget: timedelta | str | None = None,
    patience: int | None = None,
    sampler: Sampler = "tpe",
    pruner: Pruner = "median",
    seed: int | None = None,
    folder: Path | None = None,
) -> SearchResult:
    """Search the parameters with which `objective(trial, **inputs)` gives the best number, on Optuna.

    `trial` is Optuna's own: `trial.suggest_float("rate", 0.01, 0.3, log=True)`; with `trial.report(value, step)` and
    `trial.should_prune()` a trial that promises nothing ends early (raise `optuna.TrialPruned`). `parallel` trials run
    at a time, each in a process of its own when there are several: the objective then stands in a file of the project.
    No trial begins after `budget`, or once `patience` trials in a row found nothing better; those under way go on.

    The study is kept in `folder`, by default the step's own, and a search that was cut off goes on where it was: trials
    that ended are not made again. Pictures of it stand beside them. The same seed (by default the run's) gives the same
    trials as long as they run one at a time or the sampler is `random`; `tpe` learns from whichever trials have ended.

    Failed when no trial was completed, with the error of one that failed.
    """
    if trials < 1 or parallel < 1 or (patience is not None and patience < 1):
        raise InvalidInput(
            f"A search makes at least one trial, one at a time: trials={trials}, parallel={parallel}, "
            f"patience={patience}.",
            remedy="Give whole numbers from 1.",
        )
    limits = _Limits(trials, parse_duration(budget) if isinstance(budget, str) else budget, patience, direction)
    with ExitStack() as stack:
        run = in_run()
        if folder is None and run is not None and run.kept is not None:
            folder = run.folder
        kept = folder or Path(stack.enter_context(TemporaryDirectory()))
        plan = Plan(direction, sampler, pruner, seed if seed is not None else run.seed if run is not None else 0)
        runner: Runner = Here(plan, objective, inputs)
        if parallel > 1:
            runner = stack.enter_context(closing(SideBySide(plan, objective, inputs, parallel, kept)))
        result = _run(plan, limits, runner, KeptTrials(kept / TRIALS_FOLDER))
        from .pictures import page  # noqa: PLC0415 - only those who draw pay for Plotly

        (kept / PICTURES_FILE).write_text(page(result), encoding="utf-8")
    return result


def _run(plan: Plan, limits: _Limits, runner: Runner, kept: KeptTrials) -> SearchResult:
    began, done, under_way = time.monotonic(), kept.read(), 0
    waiting = [number for number in range(limits.trials) if number not in done]
    while True:
        why = _ended(done, limits, time.monotonic() - began)
        while why is None and waiting and runner.room:
            runner.begin(waiting.pop(0), [done[number] for number in sorted(done)])
            under_way += 1
        if not under_way:
            return _result(plan, done, why or ALL_MADE)
        for record in runner.ended():
            kept.add(record)
            done[record.number] = record
            under_way -= 1


def _ended(done: Mapping[int, TrialRecord], limits: _Limits, seconds: float) -> str | None:
    """Why no further trial begins; None as long as one may."""
    if limits.budget is not None and seconds >= limits.budget.total_seconds():
        return f"the budget of {format_duration(limits.budget)} was spent"
    if limits.patience is None or not any(each.state == "complete" for each in done.values()):
        return None
    since = sum(number > _best(done, limits.direction).number for number in done)
    return f"{since} trials in a row found nothing better" if since >= limits.patience else None


def _best(done: Mapping[int, TrialRecord], direction: Direction) -> TrialRecord:
    """The complete trial with the best value, the first of several."""
    sign = 1 if direction == "minimize" else -1
    complete = [each for each in done.values() if each.state == "complete"]
    return min(complete, key=lambda each: (sign * (each.value or 0.0), each.number))


def _result(plan: Plan, done: Mapping[int, TrialRecord], ended: str) -> SearchResult:
    trials = tuple(done[number] for number in sorted(done))
    if not any(each.state == "complete" for each in trials):
        why = next((f" Trial {each.number}: {each.error}." for each in trials if each.error), "")
        raise Failed(
            f"None of {len(trials)} trials was completed ({ended}).{why}",
            code="SEARCH_FAILED",
            remedy="Correct the objective, or give the search more time.",
        )
    return SearchResult(plan.direction, _best(done, plan.direction), trials, ended, importance(plan, trials))
