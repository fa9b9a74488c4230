"""The datasets that a project file declares: their rows, and what is promised of them."""

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa

from modelyard.core import Clock, InvalidInput, did_you_mean
from modelyard.data import (
    DatasetSettings,
    SchemaSettings,
    Validation,
    known_by,
    load_function,
    promises_of,
    read_table,
    validate_table,
)

from .project_file import LoadedFile


def dataset_settings(file: LoadedFile, name: str) -> DatasetSettings:
    """A dataset's section; InvalidInput with the nearest name when there is none."""
    declared = file.settings.datasets
    if name not in declared:
        raise InvalidInput(f"There is no dataset '{name}'.", remedy=did_you_mean(name, declared))
    return declared[name]


def event_time_of(file: LoadedFile, name: str) -> str:
    """The column with the instant of each row of a dataset; InvalidInput when none is declared."""
    column = dataset_settings(file, name).event_time
    if column is None:
        raise InvalidInput(
            f"A training window of dataset '{name}' is one of time, and it names no event_time.",
            code="NO_EVENT_TIME",
            remedy=f"Name the column with the instant of each row: datasets.{name}.event_time.",
        )
    return column


VERSION = "version:"
"""How a source begins that is a dataset version."""


def dataset_rows(file: LoadedFile, name: str, as_of: datetime, version: Callable[[str], pa.Table]) -> pa.Table:
    """The rows of a dataset whose labels were known at `as_of`; `version` gives those of NAME@NUMBER."""
    settings = dataset_settings(file, name)
    if ".py:" in settings.source:
        table: pa.Table = load_function(settings.source, file.folder)(as_of)
        return table
    if settings.source.startswith(VERSION):
        return _known(version(settings.source.removeprefix(VERSION)), settings, as_of)
    source = settings.source if "://" in settings.source else file.folder / settings.source
    return _known(read_table(source, settings.read.options()), settings, as_of)


def _known(rows: pa.Table, settings: DatasetSettings, as_of: datetime) -> pa.Table:
    return rows if settings.known_at is None else known_by(rows, settings.known_at, as_of)


def dataset_promises(file: LoadedFile, name: str) -> SchemaSettings:
    """What the project file, and the schema file it names, promise of a dataset."""
    return promises_of(dataset_settings(file, name), file.folder)


def validate_dataset(file: LoadedFile, name: str, rows: pa.Table, clock: Clock) -> Validation:
    """Check rows of a dataset against what is promised of it."""
    return validate_table(rows, dataset_promises(file, name), clock=clock)
