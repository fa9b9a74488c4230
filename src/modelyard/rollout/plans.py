"""What one rollout goes by: what was asked for, and else what the project file says."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from modelyard.core import InvalidInput, did_you_mean

from .records import Plan, Strategy
from .settings import DeploymentSettings, check_steps
from .strategies import STRATEGIES

ALL_STRATEGIES: tuple[Strategy, ...] = tuple(dict.fromkeys(("all-at-once", "shadow", *STRATEGIES)))
"""Every strategy. A shadow that nothing judges rides along until it is taken away."""


class Asked(msgspec.Struct, frozen=True):
    """What a start may ask for; None is as declared."""

    strategy: Strategy | None = None
    steps: tuple[int, ...] | None = None
    dwell: timedelta | None = None
    min_requests: int | None = None


def plan_of(settings: DeploymentSettings, asked: Asked) -> Plan:
    """The plan of a rollout; InvalidInput where what is asked for is no part of its strategy."""
    strategy = asked.strategy or settings.strategy
    _refuse_unused(strategy, asked)
    if asked.steps is not None:
        _checked(asked.steps)
    if asked.min_requests is not None and asked.min_requests < 1:
        raise InvalidInput(
            f"--min-requests {asked.min_requests} is no number of requests.", remedy="Ask for 1 or more."
        )
    drains = settings.serving.swap == "drain"  # memory holds no two versions
    window, warm = settings.label_window, settings.keep_warm
    return Plan(
        strategy=strategy,
        steps=asked.steps or settings.steps,
        dwell_s=(asked.dwell or settings.dwell).total_seconds(),
        min_requests=asked.min_requests or settings.min_requests,
        alpha=settings.alpha,
        acceptable=settings.acceptable,
        latency_objective_ms=None if settings.replays else settings.latency_objective_ms,
        sticky=settings.assign_by is not None and settings.assign == "sticky",
        keep_warm_s=warm.total_seconds() if warm is not None and not drains else 0.0,
        silent_s=settings.heartbeat_missing.total_seconds(),
        label_window_s=window.total_seconds() if window is not None else None,
        label_tolerance=settings.label_tolerance,
        prediction_drift=settings.prediction_drift,
        guardrails=settings.guardrails,
        answer_cost_micros=None if settings.answer_cost is None else round(settings.answer_cost * 1_000_000),
        treatment_percentage=settings.treatment_percentage,
        salt=settings.salt,
        response_diff=settings.response_diff.model_dump(mode="json") if strategy == "shadow" else {},
        experiment=settings.experiment.model_dump(mode="json") if strategy == "ab" else {},
        hidden=settings.assign_by in settings.serving.policy.private,
    )


def parse_steps(text: str) -> tuple[int, ...]:
    """Steps as people write them: `1,5,25,50,100`."""
    try:
        steps = tuple(int(each) for each in text.split(","))
    except ValueError:
        raise InvalidInput(f"{text[:60]!r} are no steps.", remedy="Write percentages: 1,5,25,50,100.") from None
    _checked(steps)
    return steps


def check_strategy(name: str) -> Strategy:
    """A strategy by its name."""
    found = next((each for each in ALL_STRATEGIES if each == name), None)
    if found is None:
        raise InvalidInput(f"There is no strategy '{name[:60]}'.", remedy=did_you_mean(name, ALL_STRATEGIES))
    return found


def _checked(steps: Sequence[int]) -> None:
    try:
        check_steps(tuple(steps))
    except ValueError as error:
        raise InvalidInput(f"Steps {','.join(map(str, steps[:20]))}: {error}.", remedy="Say: 1,5,25,50,100.") from None


def _refuse_unused(strategy: Strategy, asked: Asked) -> None:
    """An option that the strategy would ignore is a mistake."""
    unused = {
        "--steps": asked.steps is not None and strategy != "canary",
        "--dwell": asked.dwell is not None and strategy == "all-at-once",
        "--min-requests": asked.min_requests is not None and strategy in ("all-at-once", "blue-green", "rolling"),
    }
    if found := [option for option, is_so in unused.items() if is_so]:
        raise InvalidInput(
            f"{' and '.join(found)} mean{'s' if len(found) == 1 else ''} nothing to the strategy '{strategy}'.",
            remedy="Leave it out, or choose --strategy canary.",
        )
