"""How often somebody may ask: so many requests a second, and some at once, each for himself."""

from .errors import RateLimited

BURST_SECONDS = 2.0
"""What was not asked for in the last seconds may be asked for at once."""

_MOST = 10_000
_ROUNDING = 1e-6


class RateLimit:
    """A bound for each of many names, such as keys or addresses: a token bucket, kept as one number a name.

    The number is when the name's bucket will be full again (the generic cell rate algorithm, ITU-T I.371): asking costs
    a look into a dict and a store, and no lock. Two threads at the same instant may let one request too many pass.
    Names that have been silent are forgotten, so that strangers cannot fill the memory.
    """

    __slots__ = ("_burst", "_each", "_full_at", "_what")

    def __init__(self, per_second: float, what: str) -> None:
        self._each = 1.0 / per_second
        self._burst = max(BURST_SECONDS, self._each) - self._each + _ROUNDING
        self._full_at: dict[str, float] = {}
        self._what = what

    def admit(self, name: str, now: float) -> None:
        """Count a request at a monotonic time in seconds; RateLimited when it is one too many."""
        full_at = self._full_at.get(name, 0.0)
        if full_at - now > self._burst:
            raise RateLimited(
                f"This {self._what} asks more than {1 / self._each:g} times a second.",
                context={"seconds": round(full_at - now - self._burst, 3)},
                remedy="Wait a second, and ask more slowly.",
            )
        if name not in self._full_at and len(self._full_at) >= _MOST:
            self._forget(now)
        self._full_at[name] = (full_at if full_at > now else now) + self._each

    def _forget(self, now: float) -> None:
        """Those whose buckets are full; where that leaves too many, the half that came first."""
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        if len(self._full_at) >= _MOST:
            self._full_at = dict(list(self._full_at.items())[_MOST // 2 :])


class Limits:
    """The bounds of a door: of each address that asks, and of each key. None leaves them out."""

    __slots__ = ("_key", "_source", "any")

    def __init__(self, per_key: float | None, per_source: float | None) -> None:
        self.any = per_key is not None or per_source is not None
        self._key = None if per_key is None else RateLimit(per_key, "key")
        self._source = None if per_source is None else RateLimit(per_source, "address")

    def of_source(self, source: str, now: float) -> None:
        """Count a request of an address, before anything is done for it."""
        if self._source is not None:
            self._source.admit(source, now)

    def of_key(self, key_id: str, now: float) -> None:
        """Count a request of a key that is known."""
        if self._key is not None:
            self._key.admit(key_id, now)


def source_of(peer: str, forwarded: str | None, *, behind_proxy: bool) -> str:
    """The address that asks: the peer's; behind a proxy of ours the last one that it says it speaks for."""
    if not behind_proxy or not forwarded:
        return peer
    return forwarded.rpartition(",")[2].strip()[:64] or peer
