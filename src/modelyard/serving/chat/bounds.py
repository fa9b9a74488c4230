"""How many copies of chats shadows may answer: each costs what an answer does."""

from collections import Counter

from modelyard.core import Clock, Digest
from modelyard.routing import Arm, ServingPolicy

from ..shadowing import Dropped, Rate


class CopyBounds:
    """Counts the copies of every shadow, by its bundle. One event loop's."""

    def __init__(self, clock: Clock, at_once: int) -> None:
        """Of one shadow `at_once` are under way at most, and no more than its deployment lets wait."""
        self._clock = clock
        self._at_once = at_once
        self._under_way: Counter[Digest] = Counter()
        self._rates: dict[tuple[Digest, float | None], Rate] = {}

    def begin(self, arm: Arm, policy: ServingPolicy) -> Dropped | None:
        """Count a copy as under way; why it is dropped, when it is."""
        if self._under_way[arm.bundle] >= min(self._at_once, policy.shadow_queue):
            return "queue"
        now, rate = self._clock.monotonic(), (arm.bundle, policy.shadow_per_second)
        if not self._rates.setdefault(rate, Rate(policy.shadow_per_second, now)).allows(now):
            return "cap"
        self._under_way[arm.bundle] += 1
        return None

    def end(self, arm: Arm) -> None:
        """It was answered, or given up."""
        self._under_way[arm.bundle] -= 1
