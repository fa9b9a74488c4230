"""The `retraining` section of the project file."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from modelyard.core.cron import CronText, ZoneName
from modelyard.core.durations import Duration
from modelyard.core.settings import Section
from modelyard.pipelines import REINDEX

from .policy import Budget, QuietHours, Retry, TrainingWindow
from .triggers import Condition

_SHORT = ("drift_above", "drop_above", "changed_documents", "schedule", "every")
"""The triggers of a policy without `when`: each alone is enough."""

_DOCUMENTS = "changed_documents"


class JudgeSettings(Section):
    """Who judges the answers of a suite, as the metric `judge`; without 50 labels that agree he decides nothing."""

    prompt: str = Field(description="Prompt that he is: prompts:/NAME/3.")
    target: str = Field(description="Model that it is put to: UPSTREAM/MODEL.")
    labels: str | None = Field(
        None, description="What people said of the same answers: queue:NAME, or a file, from the project file's folder."
    )


class ReindexSettings(Section):
    """What is learnt where answers rest on documents, and the gate: answers to a suite, beside the live version's."""

    documents: tuple[Path, ...] = Field(
        min_length=1, description="Files and folders, from the project file's; together they are the whole index."
    )
    suite: Path = Field(description="Suite of answers that the live version and the candidate are asked.")
    scorers: tuple[str, ...] = Field(
        (), description="Metrics of your own: scorers.py:function, or package.module:function."
    )
    judge: JudgeSettings | None = Field(None, description="A judge of the answers, whose metric is `judge`.")
    least: dict[str, float] = Field(default_factory=dict, description="METRIC: the least that its mean surely is.")
    most: dict[str, float] = Field(default_factory=dict, description="METRIC: the most that its mean surely is.")
    better_by: dict[str, float] = Field(
        default_factory=dict,
        description="METRIC: by more than this it is surely better than the live version's; below 0: no worse by more.",
    )
    repeat: int = Field(1, ge=1, le=100, description="So many times each case is asked.")
    at_once: int = Field(1, ge=1, le=256, description="So many cases are asked together.")
    deadline: Duration = Field(timedelta(minutes=2), description="How long an answer may take.")

    @model_validator(mode="after")
    def _is_a_gate(self) -> Self:
        if not (self.least or self.most or self.better_by):
            raise ValueError("a gate without a limit lets everything pass: write least, most or better_by")
        return self


class RetrainingSettings(Section):
    """When and how one model is retrained."""

    pipeline: str | None = Field(None, description="Pipeline that trains a candidate.")
    reindex: ReindexSettings | None = Field(
        None, description="Of an application, in the place of `pipeline`: a candidate is it on a new index."
    )
    deployment: str = Field(description="Deployment it is for.")
    when: Condition | None = Field(
        None, description="Trigger that begins a cycle, in the place of the five that follow: one key, or any / all."
    )
    drift_above: float | None = Field(
        0.15, ge=0, description="Data drift score of a window that triggers; null: never."
    )
    drop_above: float | None = Field(
        0.05, ge=0, description="Performance below the baseline that triggers; null: never."
    )
    changed_documents: int | None = Field(
        1, ge=1, description="Documents other than the live index knows that trigger, with `reindex`; null: never."
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

    @model_validator(mode="after")
    def _learns_one_way(self) -> Self:
        if (self.pipeline is None) == (self.reindex is None):
            raise ValueError("write either `pipeline`, for a model, or `reindex`, for an application")
        if self.reindex is not None:
            if "window" in self.model_fields_set:
                raise ValueError("`window` is for pipelines: an index has the documents that there are")
            return self
        declared = () if self.when is None else tuple(each.kind for each in self.when.leaves())
        if _DOCUMENTS in self.model_fields_set or _DOCUMENTS in declared:
            raise ValueError(f"{_DOCUMENTS} is for applications: it needs `reindex`")
        return self

    @property
    def learns_by(self) -> str:
        """The pipeline that a cycle runs."""
        return self.pipeline or REINDEX

    def params(self, model: str, as_of: datetime) -> dict[str, Any]:
        """What that pipeline is given. Rows are as of an instant; documents are as they are."""
        return {"model": model} if self.reindex is not None else {"as_of": as_of, **self.window.params}

    @property
    def trigger(self) -> Condition | None:
        """What begins a cycle, in its long form; None: only people do."""
        if self.when is not None:
            return self.when
        given = {name: getattr(self, name) for name in _SHORT if name != _DOCUMENTS or self.reindex is not None}
        parts = tuple(Condition.model_validate({name: each}) for name, each in given.items() if each is not None)
        return Condition(any=parts) if parts else None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of schedules and quiet hours."""
        return ZoneInfo(self.timezone)
