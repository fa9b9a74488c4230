"""The `log` and `labels` sections of the project file."""

from datetime import timedelta
from typing import Self

from pydantic import Field, SecretStr, model_validator

from modelyard.core.durations import Duration
from modelyard.core.settings import Section

from .labels import LabelColumns
from .retention import RetentionSettings


class LogSettings(Section):
    """The prediction log."""

    retention: RetentionSettings = RetentionSettings()


class LabelSettings(Section):
    """Where the labels of a deployment come from, besides `POST /feedback`, and how they find their predictions."""

    source: str | None = Field(None, description="Files with labels: a file, glob, folder or URL.")
    dataset: str | None = Field(None, description="A dataset of this file, by name.")
    query: str | None = Field(None, description="A query with labels, in the `database`.")
    database: SecretStr | None = Field(
        None, description="DuckDB file or URL of SQLAlchemy; null: DuckDB without a file, for queries that name files."
    )
    label: str = Field("label", description="Column with the truth.")
    prediction_id: str | None = Field(None, description="Column with the prediction's id; or entity and at.")
    entity: str | None = Field(None, description="Column with the entity, as the prediction log has it.")
    at: str | None = Field(None, description="Column with the instant at which the label is true.")
    available_at: str | None = Field(None, description="Column with the instant from which the label is known.")
    tolerance: Duration = Field(
        timedelta(hours=1), description="A label of an entity is of its last answer, no longer before `at` than this."
    )
    every: Duration = Field(timedelta(hours=1), description="How often the control process looks for new labels.")
    lookback: Duration = Field(
        timedelta(days=7), description="With available_at: rows that were available so long before the newest are read."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [name for name in ("source", "dataset", "query") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("labels come from one of source, dataset and query")
        if self.database is not None and self.query is None:
            raise ValueError("database goes with query")
        if (self.prediction_id is None) == (self.entity is None):
            raise ValueError("labels are joined by prediction_id, or by entity and at: name one of the two")
        if self.entity is not None and self.at is None:
            raise ValueError("labels are joined by entity and at: name the column `at` too")
        return self

    @property
    def columns(self) -> LabelColumns:
        """Which columns hold what."""
        return LabelColumns(
            label=self.label,
            prediction_id=self.prediction_id,
            entity=self.entity,
            at=self.at,
            available_at=self.available_at,
            tolerance=self.tolerance,
        )
