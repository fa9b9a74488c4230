"""The study of a search, in a file that outlives the process, and one trial of it. All that touches Optuna is here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal

from modelyard.core import Unavailable

from .result import TrialRecord

Sampler = Literal["tpe", "random"]
Pruner = Literal["median", "halving", "none"]
Direction = Literal["minimize", "maximize"]

_PLACE = "place"
"""The attribute that says which of the search's trials one is: a trial whose process was killed is made again."""

_ERROR = "error"
_TELLING_TRIALS = 8
"""Complete trials below which importance is guesswork."""

_QUIET_TRIALS = 5
"""Trials that the median pruner lets run to their end before it compares."""


@dataclass(frozen=True)
class Plan:
    """What every process that works on a study has to know."""

    storage: Path
    direction: Direction
    sampler: Sampler
    pruner: Pruner
    seed: int


def open_study(plan: Plan, place: int = 0) -> Any:
    """The study, made if there is none. Its sampler is seeded for one place, so that a trial made again is the same."""
    optuna = _optuna()
    seed = (plan.seed * 1_000_003 + place) % 2**32
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
    }
    pruners = {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=_QUIET_TRIALS),
        "halving": optuna.pruners.SuccessiveHalvingPruner,
        "none": optuna.pruners.NopPruner,
    }
    return optuna.create_study(
        storage=f"sqlite:///{plan.storage}",
        study_name="search",
        direction=plan.direction,
        sampler=samplers[plan.sampler](),
        pruner=pruners[plan.pruner](),
        load_if_exists=True,
    )


def run_trial(plan: Plan, objective: Callable[..., float], inputs: Mapping[str, Any], place: int) -> None:
    """Make one trial, in whatever process this is; the study's file says how it went.

    A trial that raises has failed, and says why; only Ctrl-C goes on its way.
    """
    optuna = _optuna()
    states = optuna.trial.TrialState
    study = open_study(plan, place)
    trial = study.ask()
    trial.set_user_attr(_PLACE, place)
    try:
        value = float(objective(trial, **inputs))
    except optuna.TrialPruned:
        study.tell(trial, state=states.PRUNED)
        return
    except Exception as error:  # the objective is the user's code and may raise anything; the trial says what
        trial.set_user_attr(_ERROR, f"{type(error).__name__}: {error}"[:500])
        study.tell(trial, state=states.FAIL)
        return
    if isnan(value):
        trial.set_user_attr(_ERROR, "the objective gave NaN")
    study.tell(trial, None if isnan(value) else value, state=states.FAIL if isnan(value) else states.COMPLETE)


def trials_by_place(plan: Plan) -> dict[int, TrialRecord]:
    """The trials that have ended by themselves. One whose process was killed has not, and is not among them."""
    found = {}
    for each in open_study(plan).get_trials(deepcopy=False):
        place = each.user_attrs.get(_PLACE)
        if place is not None and each.state.is_finished() and _ended_itself(each):
            found[int(place)] = _record(int(place), each)
    return found


def importance(plan: Plan) -> dict[str, float]:
    """How much of the value's variance each parameter explains; empty where there are too few trials to tell."""
    optuna = _optuna()
    study = open_study(plan)
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < _TELLING_TRIALS or len({each.value for each in complete}) == 1:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=plan.seed % 2**32)
    return {
        name: float(share)
        for name, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()
    }


def forget_cut_off(plan: Plan) -> None:
    """Close the trials whose processes are gone, so that samplers do not wait for them."""
    optuna = _optuna()
    study = open_study(plan)
    for each in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(each.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def _ended_itself(trial: Any) -> bool:
    return trial.state.name in ("COMPLETE", "PRUNED") or _ERROR in trial.user_attrs


def _record(place: int, trial: Any) -> TrialRecord:
    states: dict[str, Literal["complete", "pruned", "failed"]] = {"COMPLETE": "complete", "PRUNED": "pruned"}
    reported = dict(sorted(trial.intermediate_values.items()))
    state = states.get(trial.state.name, "failed")
    last = reported[max(reported)] if reported and state == "pruned" else None
    return TrialRecord(
        number=place,
        state=state,
        params=dict(trial.params),
        value=trial.value if state == "complete" else last,
        reported=reported,
        seconds=trial.duration.total_seconds() if trial.duration is not None else 0.0,
        error=str(trial.user_attrs.get(_ERROR, "")),
    )


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
