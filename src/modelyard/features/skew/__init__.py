"""Training-serving skew: what was served, against what training would see at the same instant."""

from .changed import kept_functions
from .check import SkewQuestion, check_skew
from .records import CAUSES, Cause, SkewColumn, SkewExample, SkewReport
from .served import ServedDeployments, VersionPlan

__all__ = [
    "CAUSES",
    "Cause",
    "ServedDeployments",
    "SkewColumn",
    "SkewExample",
    "SkewQuestion",
    "SkewReport",
    "VersionPlan",
    "check_skew",
    "kept_functions",
]
