"""Golden texts of an embedder: its vectors point where those of the bundle do."""

import base64
import binascii
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.inference import BundleInfo, golden_rows, worst_angle

from .connection import Asking, Refused
from .records import Answered, told_of

_NOT_ASKED = ("context_length_exceeded", "bad_request")
"""Codes of texts that a server has no vector of and the bundle has: longer ones than it reads, and empty ones."""


def ask_embedder(address: str, deployment: str, bundle: Path, info: BundleInfo, token: str = "") -> Answered:
    """Ask the vector of each golden text over HTTP, and compare its direction; Unavailable when a request fails.

    Skipped is what the server refuses as it refuses every caller: bundles have vectors of texts that were cut, too.
    """
    rows, expected = golden_rows(bundle, info)
    wrong: list[str] = []
    skipped, worst = 0, 0.0
    with Asking(address, deployment, token, "/v1/embeddings") as asking:
        for at, (text,) in enumerate(rows):
            answer = asking.answer({"model": deployment, "input": text, "encoding_format": "base64"})
            if isinstance(answer, Refused) and answer.code in _NOT_ASKED:
                skipped += 1
                continue
            error = math.inf if isinstance(answer, Refused) else worst_angle(expected[at : at + 1], _vector(answer))
            worst = max(worst, error)
            if not error <= info.tolerance:
                off = f"its vector is off by {error:.2g} (one minus the cosine)"
                wrong.append(f"text {at}: {f'refused, {answer.said}' if isinstance(answer, Refused) else off}")
    return told_of(len(rows) - skipped, skipped, worst, wrong)


def _vector(answer: Mapping[str, Any]) -> NDArray[np.float64]:
    """The vector of an answer to one text (1, dimension); empty where it has none."""
    try:
        (each,) = answer["data"]
        found = np.frombuffer(base64.b64decode(each["embedding"], validate=True), "<f4")
    except (KeyError, TypeError, ValueError, binascii.Error):
        found = np.empty(0)
    return found.astype(np.float64)[np.newaxis]
