"""Answers that are kept for those who ask exactly the same, with the same permissions, of the same bundle."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from modelyard.core import Digest
from modelyard.generation import Choice, PriceList, Target
from modelyard.journal import Guarded
from modelyard.routing import ServingPolicy

NO_PRICES = PriceList()
"""Those of an upstream that was never asked."""

MOST_BYTES = 64 << 20
"""Of the answers that one deployment keeps, however many they may be."""


@dataclass(frozen=True)
class Kept:
    """An answer as it left: its pieces (one of a whole answer), its text, why it ended, who made it, and what he takes.

    `exact` tells the request that it was made for, where others that say the same find it too.
    """

    pieces: tuple[tuple[Choice, ...], ...]
    text: str
    finish: str
    target: Target
    guarded: Guarded | None
    size: int
    exact: bytes = b""
    prices: PriceList = NO_PRICES


class AnswerCache:
    """The answers of one deployment, bounded in number, bytes and age; the least recently used goes first.

    One event loop's.
    """

    def __init__(
        self,
        entries: int,
        seconds: float,
        *,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.entries = entries
        self.seconds = seconds
        self._most_bytes = most_bytes
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, Kept]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes) -> Kept | None:
        """The answer to a request, if it is kept and not too old."""
        found = self._kept.get(key)
        if found is None:
            return None
        if self._clock() - found[0] > self.seconds:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: bytes, answer: Kept) -> None:
        """Keep an answer; one that is larger than all that may be kept is not."""
        if key in self._kept:
            self._drop(key)
        if answer.size > self._most_bytes:
            return
        self._kept[key] = self._clock(), answer
        self._bytes += answer.size
        while len(self._kept) > self.entries or self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        self._bytes -= self._kept.pop(key)[1].size


class AnswerCaches:
    """The caches of a gateway's deployments: of those that keep answers."""

    def __init__(self) -> None:
        self._caches: dict[str, AnswerCache] = {}

    def of(self, deployment: str, policy: ServingPolicy) -> AnswerCache | None:
        """That of a deployment, made anew when its bounds change; None where nothing is kept."""
        if policy.cache_answers == 0:
            return None
        known = self._caches.get(deployment)
        if known is None or (known.entries, known.seconds) != (policy.cache_answers, policy.cache_seconds):
            known = self._caches[deployment] = AnswerCache(policy.cache_answers, policy.cache_seconds)
        return known

    def forget_others(self, deployments: Collection[str]) -> None:
        """Forget what is kept for other deployments than these."""
        self._caches = {name: cache for name, cache in self._caches.items() if name in deployments}


def key_of(bundle: Digest, scope: str, request: bytes) -> bytes:
    """What tells requests apart: the bundle asked, the caller's permissions, and all that is sent up."""
    return hashlib.sha256(b"\0".join((bundle.encode(), scope.encode(), request))).digest()
