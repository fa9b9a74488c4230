"""A predictor's golden rows, asked of a running server."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Value
from modelyard.inference import BundleInfo, golden_rows, label_of, worst_error

from .connection import Connection, Refused
from .records import Answered, other_version

_SHOWN = 5


def ask_predictor(server: Connection, version: str, bundle: Path, info: BundleInfo) -> Answered:
    """Ask each golden row and compare scores and classes; Unavailable when a request fails."""
    rows, expected = golden_rows(bundle, info)
    sendable = [at for at, row in enumerate(rows) if _sendable(row)]
    wrong: list[str] = []
    worst = 0.0
    for at in sendable:
        sent = {"features": [_plain(each) for each in rows[at]]}
        answer = server.post(f"/deployments/{server.deployment}/predict", sent)
        if isinstance(answer, Refused):
            worst = math.inf
            wrong.append(f"row {at}: refused, {answer}")
            continue
        if answer.get("model_version") != version:
            raise other_version(server.deployment, answer.get("model_version"), version)
        error = worst_error(expected[at : at + 1], _scores(answer, info), info.floor)
        worst = max(worst, error)
        wrong += _wrong(at, answer, expected[at], error, info)
    return Answered(len(sendable), len(rows) - len(sendable), worst, wrong)


def _wrong(
    at: int, answer: Mapping[str, Any], expected: NDArray[np.float64], error: float, info: BundleInfo
) -> list[str]:
    if not error <= info.tolerance:
        told = ", ".join(f"{each:.6g}" for each in expected[:_SHOWN])
        return [f"row {at}: {_said(answer)} instead of {told} (off by {error:.2g}, relative)"]
    if info.task == "regression" or answer.get("prediction") == label_of(info, _scores(answer, info)[0]):
        return []
    return [f"row {at}: class {str(answer.get('prediction'))[:40]!r} does not fit its own scores"]


def _scores(answer: Mapping[str, Any], info: BundleInfo) -> NDArray[np.float64]:
    """The scores of one answer (1, k); NaN where it has none."""
    value = answer.get("prediction") if info.task == "regression" else answer.get("probability")
    several = value if isinstance(value, list) else [value]
    numbers = [float(each) if isinstance(each, int | float) else math.nan for each in several]
    return np.array([numbers], dtype=np.float64)


def _said(answer: Mapping[str, Any]) -> str:
    return str(answer.get("probability", answer.get("prediction")))[:80]


def _plain(value: Value) -> Any:
    """A value as JSON carries it; None for a number that is missing."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value


def _sendable(row: Sequence[Value]) -> bool:
    """JSON knows no infinities, and tensors with NaN come from no client."""
    return all(
        bool(np.isfinite(each).all()) if isinstance(each, np.ndarray) and each.dtype.kind == "f"
        else not (isinstance(each, float) and math.isinf(each))
        for each in row
    )  # fmt: skip
