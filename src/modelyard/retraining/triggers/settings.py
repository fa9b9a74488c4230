"""How a trigger is declared: a mapping with one key, which `any` and `all` combine."""

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from modelyard.core.cron import CronText
from modelyard.core.durations import Duration
from modelyard.core.settings import Section


class Condition(Section):
    """One trigger, or several combined: exactly one of these keys."""

    drift_above: float | None = Field(None, ge=0, description="The data drift score of the newest window is above.")
    drifted_features: int | None = Field(None, ge=1, description="So many features of the newest window drifted.")
    drop_above: float | None = Field(None, ge=0, description="Realised performance is so much below the baseline.")
    estimated_drop_above: float | None = Field(
        None, ge=0, description="The same of estimated performance, as long as labels tell nothing."
    )
    new_rows: int | None = Field(None, ge=1, description="So many rows became known since the champion was trained.")
    changed_documents: int | None = Field(
        None, ge=1, description="So many documents are other than those that the live version's index was made of."
    )
    schedule: CronText | None = Field(None, description="An instant of this cron schedule came since the last cycle.")
    every: Duration | None = Field(None, description="So long ago the last cycle began, or there was none.")
    alert: str | None = Field(None, description="The alert of this name fires for the deployment.")
    webhook: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description="Somebody fired it under this name: modelyard retrain trigger.",
    )
    any: tuple["Condition", ...] | None = Field(None, min_length=1, description="One of these fires.")
    all: tuple["Condition", ...] | None = Field(None, min_length=1, description="All of these fire.")

    @model_validator(mode="after")
    def _only_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            known = ", ".join(type(self).model_fields)
            came = f"here are {', '.join(given)}" if given else "here is none"
            raise ValueError(f"a trigger has exactly one key of {known}; {came}. Combine several by any or all")
        return self

    @property
    def kind(self) -> str:
        """The key that is given."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    def leaves(self) -> Iterator["Condition"]:
        """The triggers that combine nothing."""
        parts = self.any or self.all
        if parts is None:
            yield self
            return
        for each in parts:
            yield from each.leaves()
