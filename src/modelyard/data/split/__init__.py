"""Parts of a table: by time, by chance, by group, by level; and whether one part tells of another."""

from .leaks import check_leaks
from .time import known_by, split_by_time

__all__ = ["check_leaks", "known_by", "split_by_time"]
