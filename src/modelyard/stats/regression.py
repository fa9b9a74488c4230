"""How far predicted values are from true ones."""

import numpy as np
from numpy.typing import ArrayLike


def regression_metrics(predictions: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Errors of predictions (n,) against labels (n,), in the label's unit; empty without rows.

    `mae`, `rmse`, `median_absolute_error`; `bias`, the mean of prediction minus label; `r2`, the share of the labels'
    variance that is explained, left out when they have none.
    """
    p, y = np.asarray(predictions, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if len(y) == 0:
        return {}
    errors = p - y
    spread = float(np.sum((y - y.mean()) ** 2))
    metrics = {
        "mae": float(np.mean(np.abs(errors))),
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "median_absolute_error": float(np.median(np.abs(errors))),
        "bias": float(errors.mean()),
    }
    return metrics | ({"r2": 1 - float(np.sum(errors**2)) / spread} if spread > 0 else {})
