"""Tree ensembles on treelite's interpreter (GTIL): no compiler, exact, small."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL_FILE = "model.treelite"


class TreeliteRuntime:
    """A treelite model, answering on the calling thread."""

    def __init__(self, model: Any, *, single: bool = False) -> None:
        from treelite import gtil  # noqa: PLC0415 - a server without tree models need not load the library

        self._model = model
        self._predict = gtil.predict
        self._single = single

    def scores(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._single:
            matrix = matrix.astype(np.float32).astype(np.float64)
        answer = self._predict(self._model, matrix, nthread=1)
        scores = np.asarray(answer, dtype=np.float64).reshape(len(matrix), -1)
        return scores[:, 1:] if scores.shape[1] == 2 else scores  # of two classes the second's score tells both

    def close(self) -> None:
        """Nothing: a model is memory."""


def load_treelite(folder: Path, *, single: bool = False) -> TreeliteRuntime:
    """Load `model.treelite` of a bundle; `single` casts its input to float32 first."""
    import treelite  # noqa: PLC0415 - see above

    return TreeliteRuntime(treelite.Model.deserialize(str(folder / MODEL_FILE)), single=single)
