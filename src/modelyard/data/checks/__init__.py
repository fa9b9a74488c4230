"""Declared checks: what was promised of a table, compiled to one pass over its batches."""

from .infer import Inferred, infer_schema
from .result import CheckResult, FailingRow, Outcome, Validation
from .run import check_batches
from .table import check_table, validate_table

__all__ = [
    "CheckResult",
    "FailingRow",
    "Inferred",
    "Outcome",
    "Validation",
    "check_batches",
    "check_table",
    "infer_schema",
    "validate_table",
]
