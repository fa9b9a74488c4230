"""Response diff: what a shadow would have answered, beside what was answered; pairs of records to a verdict and a page.

Owns what is concluded and how it is said. Does not own the arithmetic (`stats`), copying requests (`serving`) or what
follows from a verdict (`rollout`).
"""

from .diff import COLUMNS, count_pairs, diff_responses, measure
from .judging import judged
from .page import response_page
from .records import Example, Level, Look, Measured, PairCounts, ResponseDiff, Spread
from .settings import ResponseBounds

__all__ = [
    "COLUMNS",
    "Example",
    "Level",
    "Look",
    "Measured",
    "PairCounts",
    "ResponseBounds",
    "ResponseDiff",
    "Spread",
    "count_pairs",
    "diff_responses",
    "judged",
    "measure",
    "response_page",
]
