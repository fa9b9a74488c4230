"""What knowing who asks costs a request, in CPU time: `python -m benchmarks.knowing`.

A thousand keys, each asked with in turn; then the same with both limits, which never refuse here.
"""

import sys
import time

from modelyard.access import KeyRing, Limits, Permission, Role, authorize, mint_key
from modelyard.core import Micros

from .figures import Figure, Target

KEYS, REQUESTS = 1_000, 200_000
PEPPER = b"p" * 32
REACH_US, SHARE = 10.0, 0.25
"""Microseconds that a request may cost in all, and how much of it limits may add."""


def main() -> int:
    """Print the microseconds of a request; 1 when they are more than is to be reached."""
    without, limited = _costs(REQUESTS)
    met = limited <= REACH_US and limited <= without * (1 + SHARE)
    told = f"who asks: {without:.2f} us a request, {limited:.2f} us with limits of keys and addresses"
    print(f"{told} (<= {REACH_US:g}, and {SHARE:.0%} more: {'met' if met else 'missed'})")  # noqa: T201 - what it is for
    return int(not met)


def short() -> list[Figure]:
    """A tenth of the requests."""
    without, limited = _costs(REQUESTS // 10)
    return [
        Figure("who asks", "a request's key and limits", limited, "us", Target("<=", REACH_US)),
        Figure("who asks", "with limits / without", limited / without, target=Target("<=", 1 + SHARE)),
    ]


def _costs(requests: int) -> tuple[float, float]:
    """Microseconds of a request without limits and with, the best of five."""
    minted = [mint_key(f"k{at}", Role.SERVICE, PEPPER, now=Micros(0), created_by="bench") for at in range(KEYS)]
    tokens, ring = [token for token, _ in minted], KeyRing([key for _, key in minted], PEPPER)
    without = min(_us(ring, tokens, Limits(None, None), requests) for _ in range(5))
    return without, min(_us(ring, tokens, Limits(1e9, 1e9), requests) for _ in range(5))


def _us(ring: KeyRing, tokens: list[str], limits: Limits, requests: int) -> float:
    began = time.process_time()
    for at in range(requests):
        limits.of_source("10.0.0.1", began)
        principal = ring.authenticate(tokens[at % KEYS], Micros(at))
        limits.of_key(principal.name, began)
        authorize(principal, Permission.PREDICT, deployment="shop")
    return (time.process_time() - began) / requests * 1e6


if __name__ == "__main__":
    sys.exit(main())
