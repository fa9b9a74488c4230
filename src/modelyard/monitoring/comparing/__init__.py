"""Two tables compared: which columns drifted, by how much, and how sure that is.

Owns the verdict on columns of any two tables. Does not own windows of the log, nor how files are read.
"""

from .compare import compare_columns, compare_data
from .numbers import judge_numbers
from .options import METHODS, CompareOptions
from .page import comparison_page
from .power import Planted, power_lines, power_table
from .quick import DriftResult, detect_drift, monitor_features
from .records import ColumnDrift, Comparison, Joint

__all__ = [
    "METHODS",
    "ColumnDrift",
    "CompareOptions",
    "Comparison",
    "DriftResult",
    "Joint",
    "Planted",
    "compare_columns",
    "compare_data",
    "comparison_page",
    "detect_drift",
    "judge_numbers",
    "monitor_features",
    "power_lines",
    "power_table",
]
