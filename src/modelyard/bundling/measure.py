"""What one row costs, at the batch sizes that serving meets."""

import time

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import Runtime

BATCHES = (1, 10, 100, 1000)

_BUDGET_S = 0.04
_REPEATS = 50
_TOO_LONG_S = 0.5


def cost_per_row(runtime: Runtime, matrix: NDArray[np.float64]) -> dict[str, float]:
    """Microseconds a row by size of batch, the best of as many calls as fit in a few hundredths of a second.

    The best, not the mean: other work on the machine can only add. A size that would take half a second is left out.
    """
    costs: dict[str, float] = {}
    last = 0.0
    for size in BATCHES:
        if last * size > _TOO_LONG_S:
            break
        batch = np.ascontiguousarray(np.resize(matrix, (size, matrix.shape[1])))
        runtime.scores(batch)
        best, began = float("inf"), time.perf_counter()
        for _ in range(_REPEATS):
            start = time.perf_counter()
            runtime.scores(batch)
            end = time.perf_counter()
            best = min(best, end - start)
            if end - began > _BUDGET_S:
                break
        last = best / size
        costs[str(size)] = round(last * 1e6, 3)
    return costs
