"""Parts of a table: by chance, time, group or level; and whether one part tells of another."""

from .between import check_split
from .folds import folds
from .leaks import check_leaks
from .split import split
from .time import known_by, split_by_time
from .window import WEIGHT, training_window

__all__ = [
    "WEIGHT",
    "check_leaks",
    "check_split",
    "folds",
    "known_by",
    "split",
    "split_by_time",
    "training_window",
]
