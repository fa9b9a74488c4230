"""Which arm a key belongs to: a stable hash, so that growing an arm moves only new keys onto it."""

from functools import lru_cache
from hashlib import blake2b

from .errors import InvalidRoute
from .records import Arm, Route

_SPAN = float(1 << 64)


def assign(route: Route, key: str) -> Arm:
    """The arm that answers for `key`: always the same one while weights stay, at any server, in any process.

    Keys are spread over [0, 1) by BLAKE2b of salt and key. The other arms take the beginning of the interval in their
    order, the live arm takes the rest: a growing canary keeps the keys it has.
    """
    point = _point(route.salt, key)
    upper = 0.0
    for arm in route.arms:
        if arm.role in ("live", "shadow"):
            continue
        upper += arm.weight
        if point < upper:
            return arm
    return route.live


def shadows(route: Route, key: str) -> tuple[Arm, ...]:
    """The shadow arms that get a copy of the request of `key`."""
    return tuple(
        arm
        for arm in route.arms
        if arm.role == "shadow" and (arm.weight >= 1 or _point(f"{route.salt}/{arm.name}", key) < arm.weight)
    )


def pseudonym(route: Route, key: str) -> str:
    """A name for a key that tells it from others and does not give it away: 128 bits, the same for one salt."""
    return blake2b(key.encode(), digest_size=16, key=_hash_key(f"{route.salt}/pseudonym")).hexdigest()


def check_route(route: Route) -> Route:
    """`route` itself when its arms add up; else InvalidRoute says everything that is wrong."""
    names = [arm.name for arm in route.arms]
    answering = [arm for arm in route.arms if arm.role != "shadow"]
    total = sum(arm.weight for arm in answering)
    wrong = []
    if (live := sum(arm.role == "live" for arm in route.arms)) != 1:
        wrong.append(f"it has {live} live arms instead of one")
    if twice := {name for name in names if names.count(name) > 1}:
        wrong.append(f"arm names are used twice: {', '.join(sorted(twice))}")
    wrong += [f"arm {arm.name!r} has weight {arm.weight}" for arm in route.arms if not 0 <= arm.weight <= 1]
    if abs(total - 1) > 1e-9:
        wrong.append(f"the weights of the answering arms sum to {total:g}")
    if wrong:
        raise InvalidRoute(
            f"The route of '{route.deployment}' cannot be served: {'; '.join(wrong)}.",
            context={"deployment": route.deployment, "wrong": wrong},
            remedy="One live arm, unique names, weights in [0, 1] that sum to 1 without the shadows.",
        )
    return route


def _point(salt: str, key: str) -> float:
    return int.from_bytes(blake2b(key.encode(), digest_size=8, key=_hash_key(salt)).digest(), "big") / _SPAN


@lru_cache(maxsize=1024)
def _hash_key(salt: str) -> bytes:
    return blake2b(salt.encode(), digest_size=32).digest()
