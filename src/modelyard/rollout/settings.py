"""The `deployments` section of the project file."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from modelyard.core.durations import Duration
from modelyard.core.settings import Section
from modelyard.routing import ServingPolicy

Strategy = Literal["all-at-once", "canary", "shadow"]
"""How a new version takes over; a shadow never does."""


class ServingSettings(Section):
    """How servers treat the requests of a deployment."""

    body_limit: int = Field(1 << 20, ge=1, description="Bytes that one request may have.")
    rows_limit: int = Field(1000, ge=1, description="Rows that one request may have.")
    cache_answers: int = Field(0, ge=0, description="Answers kept for rows that come again; 0: none.")
    cache_seconds: float = Field(60.0, gt=0, description="How long such an answer is kept.")
    log_features: float = Field(1.0, ge=0, le=1, description="Share of predictions logged with their features.")
    redact: tuple[str, ...] = Field((), description="Features whose values are never logged.")
    when_log_fails: Literal["fail_closed", "degrade"] = Field(
        "fail_closed", description="Whether predictions that cannot be logged are refused, or answered nevertheless."
    )
    swap: Literal["side-by-side", "drain"] = Field(
        "side-by-side", description="Load a new version beside the old one, or after it where memory holds no two."
    )

    @property
    def policy(self) -> ServingPolicy:
        """The same, as servers read it in the feed."""
        return ServingPolicy(**self.model_dump())


class DeploymentSettings(Section):
    """A deployment: which alias it follows, and how a new version takes over."""

    model: str = Field(description="Model and alias it follows, as name@alias.", pattern=r"^[^@]+@[^@]+$")
    assign_by: str | None = Field(None, description="Request field that keeps a caller on one arm.")
    clock: Literal["system", "request"] = Field("system", description="Where event time comes from.")
    strategy: Strategy = Field("all-at-once", description="How a new version takes over unless told otherwise.")
    steps: tuple[int, ...] = Field((1, 5, 25, 50, 100), description="Canary shares in percent, ending with 100.")
    dwell: Duration = Field(timedelta(minutes=10), description="The least time at each step.")
    min_requests: int = Field(500, ge=1, description="Canary requests needed before it may take over.")
    latency_objective_ms: float = Field(200.0, gt=0, description="A slower answer is a bad event.")
    alpha: float = Field(0.01, gt=0, lt=1, description="Chance of taking back a canary that is as good as live.")
    serving: ServingSettings = Field(ServingSettings(), description="How servers treat its requests.")
    acceptable: float = Field(0.01, gt=0, lt=1, description="Bad rate a canary must prove to stay below.")

    @property
    def model_name(self) -> str:
        """The model."""
        return self.model.partition("@")[0]

    @property
    def alias(self) -> str:
        """The alias it follows."""
        return self.model.partition("@")[2]
