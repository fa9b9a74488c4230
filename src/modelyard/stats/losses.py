"""How wrong each answer was: the stream that estimates and detectors of concept drift learn from."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def answer_losses(task: str, scores: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """The loss (n,) of answers with `scores` (n, k) and `labels` (n,), NaN where either is not known.

    0 for a right class and 1 for a wrong one, which is right above .5 of one score, else where it is greatest; |error|
    in the label's unit for `regression`.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    unknown = np.isnan(y) | np.isnan(s).any(axis=1)
    if task == "regression":
        found = np.abs(s[:, 0] - y)
    else:
        said = s[:, 0] > 0.5 if s.shape[1] == 1 else np.where(unknown[:, None], 0.0, s).argmax(axis=1)
        found = (said != y).astype(np.float64)
    found[unknown] = np.nan
    return found
