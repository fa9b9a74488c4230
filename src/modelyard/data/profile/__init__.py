"""The profile of a table: what is in it, how it is spread, what deserves a look."""

from .build import profile
from .page import profile_page
from .records import (
    Association,
    Column,
    Count,
    Finding,
    Histogram,
    Kind,
    Lengths,
    Level,
    Outliers,
    Profile,
    Quantities,
)

__all__ = [
    "Association",
    "Column",
    "Count",
    "Finding",
    "Histogram",
    "Kind",
    "Lengths",
    "Level",
    "Outliers",
    "Profile",
    "Quantities",
    "profile",
    "profile_page",
]
