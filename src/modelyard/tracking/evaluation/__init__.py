"""What a model is worth on labelled rows: metrics, slices, the points of every figure, and the figures.

Owns judging answers against labels. Does not own where the result is kept: a run logs it.
"""

from .evaluate import evaluate
from .figures import figures_of
from .measure import Columns
from .page import evaluation_page
from .records import CurvePoints, Evaluation, Importance, Residuals, Slice

__all__ = [
    "Columns",
    "CurvePoints",
    "Evaluation",
    "Importance",
    "Residuals",
    "Slice",
    "evaluate",
    "evaluation_page",
    "figures_of",
]
