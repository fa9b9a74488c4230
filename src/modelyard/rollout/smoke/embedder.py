"""An embedder's golden texts, asked of a running server."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Digest
from modelyard.inference import BundleInfo, golden_rows, worst_angle
from modelyard.routing import fingerprint

from .connection import Connection, Refused
from .records import Answered, other_version

_TOO_LONG = "context_length_exceeded"
"""How servers refuse a text that is longer than the embedder reads; golden texts are cut there, to prove the cut."""


def ask_embedder(server: Connection, digest: Digest, bundle: Path, info: BundleInfo) -> Answered:
    """Ask for the vector of each golden text and compare it by its angle; Unavailable when a request fails."""
    rows, expected = golden_rows(bundle, info)
    asked, worst, wrong = 0, 0.0, list[str]()
    for at, (text,) in enumerate(rows):
        if not text:
            continue
        answer = server.post("/v1/embeddings", {"model": server.deployment, "input": [text]})
        if isinstance(answer, Refused) and answer.code == _TOO_LONG:
            continue
        asked += 1
        if isinstance(answer, Refused):
            worst = math.inf
            wrong.append(f"text {at}: refused, {answer}")
            continue
        if (told := answer.get("system_fingerprint")) != fingerprint(digest):
            raise other_version(server.deployment, told, fingerprint(digest))
        vector = _vector(answer)
        error = worst_angle(expected[at : at + 1], vector)
        worst = max(worst, error)
        wrong += _wrong(at, vector, expected[at : at + 1], error, info.tolerance)
    return Answered(asked, len(rows) - asked, worst, wrong)


def _wrong(
    at: int, vector: NDArray[np.float64], expected: NDArray[np.float64], error: float, tolerance: float
) -> list[str]:
    if error <= tolerance:
        return []
    if vector.shape != expected.shape:
        return [f"text {at}: a vector of {vector.shape[1]} numbers instead of {expected.shape[1]}"]
    return [f"text {at}: its vector is off by {error:.2g} (one minus the cosine)"]


def _vector(answer: Mapping[str, Any]) -> NDArray[np.float64]:
    """The vector of one answer (1, dimension); NaN where something is no number."""
    try:
        (data,) = answer["data"]
        told = data["embedding"]
    except (KeyError, TypeError, ValueError):
        return np.empty((1, 0))
    several = told if isinstance(told, list) else [told]
    return np.array([[float(each) if isinstance(each, int | float) else math.nan for each in several]])
