"""The `datasets` section of the project file."""

from pathlib import Path

from pydantic import Field

from .schema import ColumnChecks, SchemaSettings, TablePromises, read_schema


class DatasetSettings(TablePromises):
    """A dataset: where it comes from and what is promised of it."""

    source: str = Field(description="A file or URL, or file.py:function that returns an Arrow table.")
    event_time: str = Field(description="Column with the instant at which a row is predicted.")
    known_at: str = Field(description="Column with the instant at which the label becomes known.")
    label: str = Field(description="Column with the truth.")
    min_rows: int = Field(1, ge=1, description="Fewer rows than this fail.")
    schema_file: str | None = Field(
        None, alias="schema", description="Schema file with promises, to which those here are added."
    )
    checks: dict[str, ColumnChecks] = Field(
        default_factory=dict, description="Promises by column; a column here stands in place of the schema file's."
    )


def promises_of(settings: DatasetSettings, folder: Path) -> SchemaSettings:
    """Everything promised of a dataset: by its section, and by the schema file that it names in `folder`.

    What the section says of a column, of `max_rows` or `extra_columns` stands in place of the file's; of two
    `min_rows` the larger holds; relations and keys are added. InvalidInput when the file is not there or not right.
    """
    filed = SchemaSettings() if settings.schema_file is None else read_schema(folder / settings.schema_file)
    own = settings.model_fields_set
    return SchemaSettings(
        min_rows=max(settings.min_rows, filed.min_rows or 0),
        max_rows=settings.max_rows if "max_rows" in own else filed.max_rows,
        extra_columns=settings.extra_columns if "extra_columns" in own else filed.extra_columns,
        unique_together=(*filed.unique_together, *settings.unique_together),
        relations=(*filed.relations, *settings.relations),
        columns={**filed.columns, **settings.checks},
    )
