"""What each field contributed to a prediction, from the structure of the model itself.

`explain.json` says whether a bundle can tell, and on which scale; `explain.npz` holds the structure as arrays. Bundles
without these files, among them all that were built before there were any, are as valid as before.
"""

from .columns import Columns
from .file import EXPLAIN_ARRAYS, EXPLAIN_FILE, EXPLAIN_VERSION, Explainer, load_explainer, pack_explainer, read_info
from .linear import LinearModel
from .records import Contributions, ExplainInfo, Scale
from .trees import TreeModel

__all__ = [
    "EXPLAIN_ARRAYS",
    "EXPLAIN_FILE",
    "EXPLAIN_VERSION",
    "Columns",
    "Contributions",
    "ExplainInfo",
    "Explainer",
    "LinearModel",
    "Scale",
    "TreeModel",
    "load_explainer",
    "pack_explainer",
    "read_info",
]
