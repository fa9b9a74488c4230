"""The `deployments` section of the project file."""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modelyard.core.durations import Duration
from modelyard.core.settings import Section
from modelyard.routing import ServingPolicy

from .experiments.settings import ExperimentSettings
from .generated import GeneratedGuardrail
from .records import Strategy
from .responses.settings import ResponseBounds


class ServingSettings(Section):
    """How servers treat the requests of a deployment."""

    body_limit: int = Field(1 << 20, ge=1, description="Bytes that one request may have.")
    rows_limit: int = Field(1000, ge=1, description="Rows that one request may have.")
    cache_answers: int = Field(0, ge=0, description="Answers kept for rows that come again; 0: none.")
    cache_seconds: float = Field(60.0, gt=0, description="How long such an answer is kept.")
    log_features: float = Field(1.0, ge=0, le=1, description="Share of predictions logged with their features.")
    redact: tuple[str, ...] = Field((), description="Features whose values are never logged.")
    hash: tuple[str, ...] = Field((), description="Request fields logged as a keyed hash; features: not at all.")
    truncate: tuple[str, ...] = Field((), description="Request fields logged cut short; features: not at all.")
    when_log_fails: Literal["fail_closed", "degrade"] = Field(
        "fail_closed", description="Whether predictions that cannot be logged are refused, or answered nevertheless."
    )
    log_text: Literal["full", "redacted", "hash", "off"] = Field(
        "off",
        description="Whether texts of language models are logged: in full, without personal data, hashed, or not.",
    )
    budget: float | None = Field(
        None, gt=0, le=1e9, description="The most that a language model's answers may cost in a period; none: no bound."
    )
    budget_period: Literal["day", "month", "ever"] = Field("month", description="The period of the budget, in UTC.")
    swap: Literal["side-by-side", "drain"] = Field(
        "side-by-side", description="Load a new version beside the old one, or after it where memory holds no two."
    )
    overrides: bool = Field(default=False, description="Let testers name the arm that answers: X-Modelyard-Arm.")
    shadow_per_second: float | None = Field(
        None,
        gt=0,
        description="The most rows (of an embedder: requests) a second that one server copies to a shadow; none: all.",
    )
    shadow_queue: int = Field(10_000, ge=1, description="Copies that may wait for a shadow; more are dropped.")

    @property
    def policy(self) -> ServingPolicy:
        """The same, as servers read it in the feed."""
        micros = None if self.budget is None else round(self.budget * 1_000_000)
        return ServingPolicy(**self.model_dump(exclude={"budget"}), budget_micros=micros)


def check_steps(steps: tuple[int, ...]) -> tuple[int, ...]:
    """The steps themselves; ValueError unless they are percentages that grow and end with 100."""
    if not steps or steps[-1] != 100:
        raise ValueError("the last step is 100, all of the traffic")
    if steps[0] < 1 or any(one >= other for one, other in pairwise(steps)):
        raise ValueError("steps are percentages from 1 on, each greater than the one before")
    return steps


class DeploymentSettings(Section):
    """A deployment: which alias it follows, and how a new version takes over."""

    model: str = Field(description="Model and alias it follows, as name@alias.", pattern=r"^[^@]+@[^@]+$")
    assign_by: str | None = Field(None, description="Request field that keeps a caller on one arm.")
    assign: Literal["sticky", "request"] = Field(
        "sticky", description="Whether a caller stays on one arm, or each request is assigned for itself."
    )
    clock: Literal["system", "request"] = Field(
        "system", description="Where event time comes from; with `request`, a replay, no latency is judged."
    )
    strategy: Strategy = Field("all-at-once", description="How a new version takes over unless told otherwise.")
    steps: Annotated[tuple[int, ...], AfterValidator(check_steps)] = Field(
        (1, 5, 25, 50, 100), description="Canary shares in percent, ending with 100."
    )
    dwell: Duration = Field(timedelta(minutes=10), description="The least time at each step, of observed time.")
    min_requests: int = Field(
        500, ge=1, description="Canary requests needed before it may take over; entities, with `assign_by`."
    )
    keep_warm: Duration | None = Field(
        timedelta(minutes=10), description="How long the version before stays loaded after a rollout took over."
    )
    heartbeat_missing: Duration = Field(
        timedelta(seconds=30), description="A server silent for so long takes the rollout under way back."
    )
    label_window: Duration | None = Field(
        None, description="Wrong answers count against a canary when labels have had so long to come, for both arms."
    )
    label_tolerance: float = Field(
        0.0, ge=0, description="How far a number may be from its label before the answer is wrong."
    )
    prediction_drift: float | None = Field(
        None, gt=0, lt=1, description="A canary whose answers are spread differently by so much goes back; 0 to 1."
    )
    guardrails: tuple[GeneratedGuardrail, ...] = Field(
        (),
        description="What also takes a language model's candidate back: unsupported_rate, abstention_rate, llm_cost, "
        "thumbs.",
    )
    answer_cost: float | None = Field(
        None,
        gt=0,
        description="With `llm_cost` there: an answer that costs more is a bad event; in the prices' currency.",
    )
    treatment_percentage: int = Field(20, ge=1, le=99, description="Share of an A/B test's new version, in percent.")
    salt: str = Field("", description="Spreads entities anew while a rollout lasts; none: as ever.")
    latency_objective_ms: float = Field(200.0, gt=0, description="A slower answer is a bad event.")
    alpha: float = Field(0.01, gt=0, lt=1, description="Chance of taking back a canary that is as good as live.")
    serving: ServingSettings = Field(ServingSettings(), description="How servers treat its requests.")
    acceptable: float = Field(0.01, gt=0, lt=1, description="Bad rate a canary must prove to stay below.")
    needs_smoke: bool = Field(
        default=True, description="Whether deploy takes to production only what answered its golden rows in staging."
    )
    experiment: ExperimentSettings = Field(
        ExperimentSettings(), description="What the arms of an A/B test are compared by."
    )
    response_diff: ResponseBounds = Field(ResponseBounds(), description="What a shadow's answers may differ by.")

    @model_validator(mode="after")
    def _no_time_where_requests_are_replayed(self) -> Self:
        judged = (*self.experiment.metrics, *self.experiment.guardrails)
        asked = {
            "response_diff.slow": self.response_diff.slow is not None,
            "latency_ms in experiment": any(each.partition(":")[0] == "latency_ms" for each in judged),
        }
        if self.replays and any(asked.values()):
            named = " and ".join(name for name, is_so in asked.items() if is_so)
            raise ValueError(
                f"{named}: clock: request is for replays, whose requests come faster or slower than they did; what "
                "their answers take tells nothing, and is not judged"
            )
        return self

    @model_validator(mode="after")
    def _guardrails_know_what_they_need(self) -> Self:
        if "llm_cost" in self.guardrails and self.answer_cost is None:
            raise ValueError("the guardrail llm_cost needs `answer_cost`: what one answer may cost")
        if "thumbs" in self.guardrails and self.label_window is None:
            raise ValueError("the guardrail thumbs needs `label_window`: how long people have to say what they think")
        if len(set(self.guardrails)) < len(self.guardrails):
            raise ValueError("a guardrail is named twice")
        return self

    @property
    def replays(self) -> bool:
        """Whether its requests are replayed: their event time is their own, and what they take is no evidence."""
        return self.clock == "request"

    @property
    def model_name(self) -> str:
        """The model."""
        return self.model.partition("@")[0]

    @property
    def alias(self) -> str:
        """The alias it follows."""
        return self.model.partition("@")[2]
