"""Which entities a rollout has counted already, in bounded memory."""

import base64
from collections.abc import Mapping
from hashlib import blake2b

import numpy as np

SEEN, ON_CANDIDATE, BAD = 1, 2, 4
"""Marks: the entity was counted; on the candidate's arm; had a bad event of the n-th guardrail (BAD << n)."""

MOST = 1 << 15
"""So many entities are remembered at most; beyond, every second one is left out from then on, and again."""

_SPAN = 1 << 64
_WIDE = "2:"
"""Begins what has marks of two bytes."""


class Entities:
    """Entities by a 64-bit hash, with marks.

    When there are more than can be remembered, those whose hash is in the upper half count no more, then those in the
    upper half of what is left, and so on: who is left out depends on the hash alone, which is another one than the one
    that assigns arms, so that what is counted stays a fair sample. `changed` holds what is new since it was taken.
    """

    def __init__(self, salt: str, marks: Mapping[int, int] | None = None) -> None:
        self._key = blake2b(salt.encode(), digest_size=32).digest()
        self._marks = dict(marks or {})
        self._below = _SPAN
        self.changed: dict[int, int] = {}
        self._fit()

    def __len__(self) -> int:
        return len(self._marks)

    @property
    def marks(self) -> Mapping[int, int]:
        """All that is remembered, by hash."""
        return self._marks

    def first(self, entity: str, mark: int) -> bool:
        """Whether an entity gets a mark for the first time; False also for one that is left out."""
        found = int.from_bytes(blake2b(entity.encode(), digest_size=8, key=self._key).digest(), "big")
        before = self._marks.get(found, 0)
        if found >= self._below or before & mark:
            return False
        self._marks[found] = self.changed[found] = before | mark
        if len(self._marks) > MOST:
            self._fit()
        return True

    def _fit(self) -> None:
        """Leave out upper halves until the rest can be remembered."""
        while len(self._marks) > MOST:
            self._below //= 2
            self._marks = {found: mark for found, mark in self._marks.items() if found < self._below}
            self.changed = {found: mark for found, mark in self.changed.items() if found < self._below}


def packed(marks: Mapping[int, int]) -> str:
    """Entities as text: 10 bytes each, in base64, behind what says so."""
    hashes = np.fromiter(marks.keys(), np.uint64, len(marks))
    raw = hashes.tobytes() + np.fromiter(marks.values(), np.uint16, len(marks)).tobytes()
    return _WIDE + base64.b64encode(raw).decode()


def unpacked(text: str) -> dict[int, int]:
    """The inverse of `packed`; also of what releases wrote that knew fewer marks, in 9 bytes each."""
    kind: type[np.uint16 | np.uint8] = np.uint16 if text.startswith(_WIDE) else np.uint8
    raw = base64.b64decode(text.removeprefix(_WIDE))
    many = len(raw) // (8 + np.dtype(kind).itemsize)
    hashes, marks = np.frombuffer(raw, np.uint64, many), np.frombuffer(raw, kind, many, offset=8 * many)
    return dict(zip(hashes.tolist(), marks.tolist(), strict=True))
