"""What scoring adds to each row, as columns."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelyard.core import did_you_mean, to_micros
from modelyard.inference import BundleInfo

from .arrays import array_of, texts_of
from .errors import NotScorable

PREDICTION = "prediction"
"""The column, and the name in a message, of the class that a model answers, or the number."""

PREDICTED_AT = "predicted_at"
"""That of when it did."""

MODEL_VERSION = "model_version"
"""That of which version it was."""

PREDICTION_ID = "prediction_id"
"""That of what tells the prediction from all others."""

INSTANT = pa.timestamp("us", tz="UTC")


def score_names(info: BundleInfo) -> tuple[str, ...]:
    """The columns of scores: `score` is the second class's probability, `score_CLASS` one of several classes'.

    Where a model answers a number, that is the prediction.
    """
    if info.task == "regression":
        return ()
    return ("score",) if info.task == "binary" else tuple(f"score_{each}" for each in info.classes)


def answer_fields(info: BundleInfo, *, ids: bool) -> list[pa.Field]:
    """All columns that scoring adds, in their order."""
    prediction = pa.float64() if info.task == "regression" else pa.string()
    return [
        *([pa.field(PREDICTION_ID, pa.string())] if ids else []),
        pa.field(PREDICTION, prediction),
        *(pa.field(name, pa.float64()) for name in score_names(info)),
        pa.field(PREDICTED_AT, INSTANT),
        pa.field(MODEL_VERSION, pa.string()),
    ]


def answer_columns(
    info: BundleInfo, scores: NDArray[np.float64], *, ids: Sequence[str] | None, at: datetime, version: str
) -> list[pa.Array]:
    """The values of `answer_fields` for rows with these scores (n_rows, n_scores); texts as dictionaries."""
    rows = len(scores)
    return [
        *([] if ids is None else [texts_of(ids)]),
        predictions(info, scores),
        *(array_of(scores[:, at], pa.float64()) for at, _ in enumerate(score_names(info))),
        array_of(np.full(rows, to_micros(at)), INSTANT),
        pa.DictionaryArray.from_arrays(array_of(np.zeros(rows, np.int32), pa.int32()), texts_of([version])),
    ]


def predictions(info: BundleInfo, scores: NDArray[np.float64]) -> pa.Array:
    """The classes that scores stand for, as `Bundle.label_of` tells them, or the numbers themselves."""
    if info.task == "regression":
        return array_of(scores[:, 0], pa.float64())
    chosen = scores[:, 0] > 0.5 if info.task == "binary" else np.argmax(scores, axis=1)
    narrow, kind = (np.int8, pa.int8()) if len(info.classes) <= 128 else (np.int32, pa.int32())
    return pa.DictionaryArray.from_arrays(array_of(chosen.astype(narrow), kind), texts_of(info.classes))


def check_columns(columns: Sequence[str], info: BundleInfo, kept: Sequence[str], *, ids: bool) -> None:
    """NotScorable when rows lack a field of the model, or what is kept of them has the name of a column that is added.

    Also when a column is to be kept that there is not.
    """
    if strange := [name for name in kept if name not in columns]:
        raise NotScorable(f"There is no column '{strange[0]}' to keep.", remedy=did_you_mean(strange[0], columns))
    if lacking := [name for name in info.signature.names if name not in columns]:
        raise NotScorable(
            f"The input lacks {len(lacking)} of the model's {len(info.signature.names)} fields: "
            f"{', '.join(lacking)[:300]}.",
            context={"lacking": lacking[:20]},
            remedy=f"{did_you_mean(lacking[0], columns)} Features that are joined by time need --entities.",
        )
    added = [each.name for each in answer_fields(info, ids=ids)]
    if taken := [name for name in added if name in kept]:
        raise NotScorable(
            f"The input has a column '{taken[0]}', which scoring adds.",
            context={"columns": taken},
            remedy="Rename it, or keep only some of the input's columns: --keep NAME,NAME",
        )
