"""The `deployments` section of the project file."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from modelyard.core.durations import Duration
from modelyard.core.settings import Section

Strategy = Literal["all-at-once", "canary", "shadow"]
"""How a new version takes over; a shadow never does."""


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
    acceptable: float = Field(0.01, gt=0, lt=1, description="Bad rate a canary must prove to stay below.")

    @property
    def model_name(self) -> str:
        """The model."""
        return self.model.partition("@")[0]

    @property
    def alias(self) -> str:
        """The alias it follows."""
        return self.model.partition("@")[2]
