"""What the project file says of a deployment's experiments."""

from datetime import timedelta

from pydantic import Field

from modelyard.core.durations import Duration
from modelyard.core.settings import Section

from .records import Correction


class ExperimentSettings(Section):
    """What the arms of an A/B test are compared by."""

    metrics: tuple[str, ...] = Field(
        (),
        description="NAME[:KIND]: business outcomes by name, or label, correct, score, error, latency_ms; of "
        "language models unsupported_rate, abstention_rate, llm_cost, thumbs.",
    )
    guardrails: tuple[str, ...] = Field((), description="The same, which may not get worse by more than the margin.")
    lower_is_better: tuple[str, ...] = Field((), description="Metrics and guardrails of which less is better.")
    covariates: tuple[str, ...] = Field(
        (), description="Known before: features, or OUTCOME.before; they reduce variance (CUPED)."
    )
    segments: tuple[str, ...] = Field((), description="Features to show by their levels.")
    within: Duration | None = Field(
        None, description="Outcomes count so long after a unit's first request; units that are younger wait."
    )
    planned: int | None = Field(None, ge=2, description="Units of both arms at the planned end; 10000 otherwise.")
    alpha: float = Field(0.05, gt=0, lt=1, description="Chance of telling a difference that is not there.")
    correction: Correction = Field("holm", description="For several metrics: holm or benjamini-hochberg.")
    margin: float = Field(0.05, ge=0, lt=1, description="Worsening that a guardrail may show, relative.")
    every: Duration = Field(timedelta(minutes=10), description="How often a running test is analysed at most.")
    promote: bool = Field(default=False, description="Whether a winner takes over by itself.")
