"""What is asked for and answered when predictions are explained."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Scale = Literal["probability", "log-odds", "value", "log"]
"""What contributions add up to.

`probability`: the score itself, for forests and trees that vote. `log-odds`: of the second class of two; of more, one
number a class, whose softmax the scores are. `value`: the score of a regression. `log`: its natural logarithm.
"""


@dataclass(frozen=True)
class Contributions:
    """Why a model answered n rows as it did: `base + values.sum(axis=1)` is its answer on `scale`.

    `base`: float64 (n, outputs), the answer where nothing is known of a row, equal in all rows. `values`: float64
    (n, n_fields, outputs), fields in the signature's order; positive ones raised the answer. `outputs` is 1 for binary
    tasks and regression, the number of classes else. Missing fields contribute like others; no number is NaN but where
    the model's own answer overflows.
    """

    base: NDArray[np.float64]
    values: NDArray[np.float64]
    scale: Scale


class ExplainInfo(msgspec.Struct, frozen=True):
    """The contents of `explain.json`: what `explain.npz` holds, or why there is none.

    `kind` None means that the bundle cannot explain, for the reason in `why_not`. `rounds`: the model rounds what it
    sees to float32 first. `error`: the worst relative difference between the model's scores and what base and
    contributions add up to.
    """

    version: int
    kind: Literal["trees", "linear"] | None = None
    scale: Scale | None = None
    rounds: bool = False
    error: float | None = None
    why_not: str = ""
