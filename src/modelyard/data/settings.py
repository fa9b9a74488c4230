"""The `datasets` section of the project file."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from modelyard.core import InvalidInput
from modelyard.core.settings import Section

from .reading import NULLS, Format, ReadOptions, parse_type
from .schema import ColumnChecks, SchemaSettings, TablePromises, read_schema


class ReadSettings(Section):
    """How the files of a dataset are read. What is left out is detected."""

    format: Format | None = Field(None, description="csv, tsv, json, jsonl, parquet or arrow.")
    delimiter: str | None = Field(None, description="The character between CSV fields.")
    encoding: str | None = Field(None, description="The encoding of text, such as cp1252.")
    header: bool | None = Field(None, description="Whether the first CSV record holds the names of the columns.")
    quote: str | None = Field(None, description="The character around CSV fields; empty when there is none.")
    nulls: tuple[str, ...] = Field(NULLS, description="What stands for a missing value in CSV.")
    types: dict[str, str] = Field(
        default_factory=dict,
        description="Types by column: int64, float64, string, bool, date32, timestamp[us, UTC], decimal128(10,2), …",
    )

    @model_validator(mode="after")
    def _has_a_meaning(self) -> Self:
        try:
            self.options()
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return self

    def options(self) -> ReadOptions:
        """The same for `open_data`."""
        types = {name: parse_type(each) for name, each in self.types.items()}
        return ReadOptions(
            self.format, self.delimiter, self.encoding, self.header, self.quote, nulls=self.nulls, types=types
        )


class DatasetSettings(TablePromises):
    """A dataset: where it comes from and what is promised of it."""

    source: str = Field(
        description="A file, glob, folder or URL, file.py:function that returns a table, or version:NAME@NUMBER.",
    )
    version: str | None = Field(
        None,
        description="file.py:function that says, as text, which version a source that is a function gives now. Without "
        "it such a source is read by every run.",
    )
    read: ReadSettings = Field(default_factory=ReadSettings, description="How its files are read.")
    event_time: str | None = Field(
        None, description="Column with the instant at which a row is predicted; features from views are joined by it."
    )
    known_at: str | None = Field(
        None,
        description="Column with the instant at which the label becomes known; without it every row's label is known.",
    )
    label: str = Field(description="Column with the truth.")
    min_rows: int = Field(1, ge=1, description="Fewer rows than this fail.")
    schema_file: str | None = Field(
        None, alias="schema", description="Schema file with promises, to which those here are added."
    )
    checks: dict[str, ColumnChecks] = Field(
        default_factory=dict, description="Promises by column; a column here stands in place of the schema file's."
    )

    @model_validator(mode="after")
    def _reads_files(self) -> Self:
        if ".py:" in self.source and self.read != ReadSettings():
            raise ValueError("read: is for files, and the source is a function. Leave it out, or read in the function.")
        return self

    @model_validator(mode="after")
    def _needs_to_say_its_version(self) -> Self:
        if self.version is not None and ".py:" not in self.source:
            raise ValueError(
                "version: is for a source that is a function; others have versions of their own. Leave it out."
            )
        return self


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
