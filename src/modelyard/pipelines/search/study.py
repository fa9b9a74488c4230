"""One trial of a search, and what all of them say together. All that touches Optuna is here.

There is no database: a study is made anew, in memory, of the trials that have ended, wherever the next one is made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from time import perf_counter
from typing import Any, Literal

from modelyard.core import Unavailable

from .result import TrialRecord

Sampler = Literal["tpe", "random"]
Pruner = Literal["median", "halving", "none"]
Direction = Literal["minimize", "maximize"]

_TELLING_TRIALS = 8
"""Complete trials below which importance is guesswork."""


@dataclass(frozen=True)
class Plan:
    """What every process that makes a trial has to know."""

    direction: Direction
    sampler: Sampler
    pruner: Pruner
    seed: int


def run_trial(
    plan: Plan,
    history: Sequence[TrialRecord],
    objective: Callable[..., float],
    inputs: Mapping[str, Any],
    number: int,
) -> TrialRecord:
    """Make one trial in this process, learning from those that have ended.

    The sampler is seeded by the plan and the number, so that a trial made again is the same. An objective that raises
    has failed, and the record says why; only Ctrl-C goes on its way.
    """
    optuna = _optuna()
    trial = _study(plan, history, number).ask()
    began = perf_counter()
    state: Literal["complete", "pruned", "failed"] = "failed"
    value, error = None, ""
    try:
        value = float(objective(trial, **inputs))
        state = "complete"
    except optuna.TrialPruned:
        state = "pruned"
    except Exception as raised:  # the objective is the user's code and may raise anything
        error = f"{type(raised).__name__}: {raised}"[:500]
    seconds = perf_counter() - began
    reported = dict(sorted(_frozen(trial).intermediate_values.items()))
    if state == "pruned":
        value = reported[max(reported)] if reported else None
    if value is not None and isnan(value):
        state, value, error = "failed", None, "the objective gave NaN"
    space = {name: optuna.distributions.distribution_to_json(each) for name, each in trial.distributions.items()}
    return TrialRecord(number, state, dict(trial.params), value, reported, seconds, error, space)


def importance(plan: Plan, trials: Sequence[TrialRecord]) -> dict[str, float]:
    """How much of the value's variance each parameter explains; empty where there are too few trials to tell."""
    complete = [each for each in trials if each.state == "complete"]
    if len(complete) < _TELLING_TRIALS or len({each.value for each in complete}) == 1:
        return {}
    optuna = _optuna()
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=plan.seed % 2**32)
    found = optuna.importance.get_param_importances(_study(plan, complete, 0), evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def _study(plan: Plan, history: Sequence[TrialRecord], number: int) -> Any:
    optuna = _optuna()
    seed = (plan.seed * 1_000_003 + number) % 2**32
    samplers, pruners = optuna.samplers, optuna.pruners
    study = optuna.create_study(
        direction=plan.direction,
        sampler=samplers.TPESampler(seed=seed) if plan.sampler == "tpe" else samplers.RandomSampler(seed=seed),
        pruner={
            "median": pruners.MedianPruner,
            "halving": pruners.SuccessiveHalvingPruner,
            "none": pruners.NopPruner,
        }[plan.pruner](),
    )
    study.add_trials([_past(optuna, each) for each in history if each.state != "failed"])
    return study


def _past(optuna: Any, record: TrialRecord) -> Any:
    complete = record.state == "complete"
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.PRUNED,
        value=record.value if complete else None,
        params=dict(record.params),
        distributions={name: optuna.distributions.json_to_distribution(each) for name, each in record.space.items()},
        intermediate_values=dict(record.reported),
    )


def _frozen(trial: Any) -> Any:
    """What the study knows of a trial that is under way."""
    return trial.study.get_trials(deepcopy=False)[-1]


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise Unavailable(
            "A search needs Optuna, which is not installed.",
            code="EXTRA_MISSING",
            remedy="pip install 'modelyard[search]'",
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
