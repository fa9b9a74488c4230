"""Reading: any file of rows as a stream of Arrow batches, strictly.

Owns files of rows: what they are, how they are written, and the one error when they cannot be read. Guesses nothing
silently (`Reading.facts`, `Reading.columns`) and changes no value.
"""

from .facts import ColumnFacts, Damage, FileFacts
from .options import NULLS, Format, ReadOptions, parse_type
from .reading import Reading, open_data, read_table

__all__ = [
    "NULLS",
    "ColumnFacts",
    "Damage",
    "FileFacts",
    "Format",
    "ReadOptions",
    "Reading",
    "open_data",
    "parse_type",
    "read_table",
]
