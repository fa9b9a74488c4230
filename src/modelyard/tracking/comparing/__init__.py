"""Runs as they are in MLflow, whoever made them: read, found again, and set side by side.

Owns nothing that writes. Does not own making runs.
"""

from .compare import Comparison, compare_runs
from .courses import TrackedCourses, courses_of
from .page import comparison_page, comparison_picture
from .read import RunView, find_run, read_runs

__all__ = [
    "Comparison",
    "RunView",
    "TrackedCourses",
    "compare_runs",
    "comparison_page",
    "comparison_picture",
    "courses_of",
    "find_run",
    "read_runs",
]
