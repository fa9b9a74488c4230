"""The `datasets` section of the project file."""

from pydantic import Field, FiniteFloat

from modelyard.core.settings import Section


class ColumnChecks(Section):
    """What is promised of one column. A share of rows up to `tolerance` may break it."""

    not_null: bool = Field(default=False, description="No missing values.")
    minimum: FiniteFloat | None = Field(None, description="No value below this.")
    maximum: FiniteFloat | None = Field(None, description="No value above this.")
    allowed: tuple[str, ...] | None = Field(None, description="No level but these.")
    unique: bool = Field(default=False, description="No value twice.")
    tolerance: float = Field(0.0, ge=0, le=1, description="Share of rows that may break the promise.")


class DatasetSettings(Section):
    """A dataset: where it comes from and what is promised of it."""

    source: str = Field(description="A file or URL, file.py:function that returns a table, or version:NAME@NUMBER.")
    event_time: str = Field(description="Column with the instant at which a row is predicted.")
    known_at: str = Field(description="Column with the instant at which the label becomes known.")
    label: str = Field(description="Column with the truth.")
    min_rows: int = Field(1, ge=1, description="Fewer rows than this fail.")
    checks: dict[str, ColumnChecks] = Field(default_factory=dict, description="Promises by column.")
