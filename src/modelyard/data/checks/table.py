"""Checks of a table that is at hand."""

from collections.abc import Mapping

import pyarrow as pa

from modelyard.core import Clock, Judgement
from modelyard.data.schema.settings import ColumnChecks, SchemaSettings

from .result import Validation
from .run import check_batches


def check_table(table: pa.Table, checks: Mapping[str, ColumnChecks], *, min_rows: int = 1) -> Judgement:
    """Judge a table by its promises; every broken one is a reason with the column, the count and the share of rows.

    NaN is no value: it is missing, like null. Missing values break `not_null` alone. A promise that the column's type
    cannot keep (a minimum of text) fails. Without rows there is nothing to judge: inconclusive, if not a failure.
    """
    return validate_table(table, SchemaSettings(columns=dict(checks), min_rows=min_rows)).judgement


def validate_table(table: pa.Table, promised: SchemaSettings, *, clock: Clock | None = None) -> Validation:
    """Check a table against a schema; see `check_batches`."""
    return check_batches(table.schema, table.to_batches(), promised, clock=clock)
