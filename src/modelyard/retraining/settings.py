"""The `retraining` section of the project file."""

from datetime import timedelta
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from modelyard.core.cron import CronText, ZoneName
from modelyard.core.durations import Duration
from modelyard.core.settings import Section

from .policy import Budget, QuietHours, Retry, TrainingWindow
from .triggers import Condition

_SHORT = ("drift_above", "drop_above", "schedule", "every")
"""The triggers of a policy without `when`: each alone is enough."""


class RetrainingSettings(Section):
    """When and how one model is retrained."""

    pipeline: str = Field(description="Pipeline that trains a candidate.")
    deployment: str = Field(description="Deployment it is for.")
    when: Condition | None = Field(
        None, description="Trigger that begins a cycle, in the place of the four that follow: one key, or any / all."
    )
    drift_above: float | None = Field(
        0.15, ge=0, description="Data drift score of a window that triggers; null: never."
    )
    drop_above: float | None = Field(
        0.05, ge=0, description="Performance below the baseline that triggers; null: never."
    )
    schedule: CronText | None = Field("0 2 * * 0", description="Cron schedule that triggers; null: never.")
    every: Duration | None = Field(None, description="Longest time without retraining; null: as long as it is well.")
    cooldown: Duration = Field(timedelta(days=7), description="Least time between two automatic cycles.")
    budget: Budget = Budget()
    quiet: tuple[QuietHours, ...] = Field((), description="Hours in which no automatic cycle begins.")
    timezone: ZoneName = Field("UTC", description="Time zone of schedules and quiet hours.")
    retry: Retry = Retry()
    window: TrainingWindow = TrainingWindow()

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        beside = [name for name in _SHORT if name in self.model_fields_set]
        if self.when is not None and beside:
            raise ValueError(f"{' and '.join(beside)} stand beside `when`: write them inside, under any or all")
        return self

    @property
    def trigger(self) -> Condition | None:
        """What begins a cycle, in its long form; None: only people do."""
        if self.when is not None:
            return self.when
        given = {name: getattr(self, name) for name in _SHORT}
        parts = tuple(Condition.model_validate({name: each}) for name, each in given.items() if each is not None)
        return Condition(any=parts) if parts else None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of schedules and quiet hours."""
        return ZoneInfo(self.timezone)
