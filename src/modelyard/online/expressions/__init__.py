"""Expressions over the values of a row: `amount / coalesce(total, 1)`, one compiled form for columns and for requests.

Owns their grammar, their kinds and what every operator makes of values that are missing. Needs numpy alone.
"""

from .columns import EXACT, Column, Kind, as_column, as_values
from .compile import Formula, compile_expression, names_in
from .functions import FUNCTIONS
from .program import Program, needed

__all__ = [
    "EXACT",
    "FUNCTIONS",
    "Column",
    "Formula",
    "Kind",
    "Program",
    "as_column",
    "as_values",
    "compile_expression",
    "names_in",
    "needed",
]
