"""The `retraining` section of the project file."""

from datetime import timedelta

from pydantic import Field

from modelyard.core.durations import Duration
from modelyard.core.settings import Section


class RetrainingSettings(Section):
    """When and how one model is retrained."""

    pipeline: str = Field(description="Pipeline that trains a candidate.")
    deployment: str = Field(description="Deployment it is for.")
    drift_above: float | None = Field(0.15, description="Data drift score of a window that triggers; null: never.")
    drop_above: float | None = Field(0.05, description="Performance below the baseline that triggers; null: never.")
    every: Duration | None = Field(None, description="Longest time without retraining; null: as long as it is well.")
    cooldown: Duration = Field(timedelta(days=7), description="Least time between two automatic cycles.")
