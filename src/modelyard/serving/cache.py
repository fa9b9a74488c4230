"""Scores of rows that came before, for as long as they may be used again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class ScoreCache:
    """The scores of one bundle by encoded row, bounded in number and age; the least recently used goes first.

    Rows are told apart bit by bit after encoding, where missing values and unknown levels have one spelling each. Safe
    for several threads.
    """

    def __init__(self, entries: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.entries = entries
        self.seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, list[float]]] = OrderedDict()
        self._lock = threading.Lock()

    def scores(self, matrix: Matrix, model: Callable[[Matrix], Matrix]) -> tuple[Matrix, int]:
        """The scores of encoded rows (n, fields), and how many of them were known; `model` is asked for the others.

        What is not finite is handed on and not kept.
        """
        keys = [row.tobytes() for row in matrix]
        now = self._clock()
        known = self._known(keys, now)
        asked = [at for at, scores in enumerate(known) if scores is None]
        if not asked:
            return np.array(known), len(keys)
        fresh = model(matrix[asked] if len(asked) < len(keys) else matrix)
        self._keep([keys[at] for at in asked], fresh, now)
        if len(asked) == len(keys):
            return fresh, 0
        scores = np.empty((len(keys), fresh.shape[1]))
        scores[asked] = fresh
        for at, each in enumerate(known):
            if each is not None:
                scores[at] = each
        return scores, len(keys) - len(asked)

    def __len__(self) -> int:
        return len(self._kept)

    def _known(self, keys: list[bytes], now: float) -> list[list[float] | None]:
        with self._lock:
            return [self._one(key, now) for key in keys]

    def _one(self, key: bytes, now: float) -> list[float] | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if now - found[0] > self.seconds:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def _keep(self, keys: list[bytes], scores: Matrix, now: float) -> None:
        finite = np.atleast_1d(np.isfinite(scores).all(axis=1)).tolist()
        with self._lock:
            for key, fine, each in zip(keys, finite, scores.tolist(), strict=True):
                if fine:
                    self._kept[key] = (now, each)
                    self._kept.move_to_end(key)
            while len(self._kept) > self.entries:
                self._kept.popitem(last=False)
