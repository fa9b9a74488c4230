"""Schemas: what may be promised of a table, in files and from and to pandera."""

from .file import read_schema, write_schema
from .pandera_in import from_pandera
from .pandera_out import to_pandera
from .settings import ColumnChecks, Relation, SchemaSettings, Severity, TablePromises, UniqueTogether

__all__ = [
    "ColumnChecks",
    "Relation",
    "SchemaSettings",
    "Severity",
    "TablePromises",
    "UniqueTogether",
    "from_pandera",
    "read_schema",
    "to_pandera",
    "write_schema",
]
