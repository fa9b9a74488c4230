"""The `datasets` section of the project file."""

from pydantic import Field

from .schema.settings import ColumnChecks, TablePromises


class DatasetSettings(TablePromises):
    """A dataset: where it comes from and what is promised of it."""

    source: str = Field(description="A file or URL, or file.py:function that returns an Arrow table.")
    event_time: str = Field(description="Column with the instant at which a row is predicted.")
    known_at: str = Field(description="Column with the instant at which the label becomes known.")
    label: str = Field(description="Column with the truth.")
    min_rows: int = Field(1, ge=1, description="Fewer rows than this fail.")
    schema_file: str | None = Field(
        None, alias="schema", description="Schema file with promises; those below stand in place of its own."
    )
    checks: dict[str, ColumnChecks] = Field(default_factory=dict, description="Promises by column.")
