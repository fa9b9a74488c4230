"""What a model is worth on labelled rows: metrics, slices, the points of every figure, and the figures.

Owns judging answers against labels, and keeping what was found. Does not own runs: those log it as well.
"""

from .declared import Declared, with_declared
from .evaluate import How, evaluate
from .figures import figures_of
from .groups import FEW
from .kept import Evaluations
from .measure import Columns
from .page import evaluation_page, groups_part
from .records import CurvePoints, Evaluation, Gap, Group, GroupTable, Importance, Rate, Residuals, Slice

__all__ = [
    "FEW",
    "Columns",
    "CurvePoints",
    "Declared",
    "Evaluation",
    "Evaluations",
    "Gap",
    "Group",
    "GroupTable",
    "How",
    "Importance",
    "Rate",
    "Residuals",
    "Slice",
    "evaluate",
    "evaluation_page",
    "figures_of",
    "groups_part",
    "with_declared",
]
