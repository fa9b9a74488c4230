"""Which arm a key belongs to: a stable hash, so that growing an arm moves only new keys onto it."""

from functools import lru_cache
from hashlib import blake2b

from .errors import InvalidRoute
from .records import Arm, Route

_BITS = 53  # of a float64: with one more, the last keys would be rounded to 1
_ROUNDING = 1e-9
_SPAN = float(1 << _BITS)


def assign(route: Route, key: str) -> Arm:
    """The arm that answers for `key`: always the same one while weights stay, at any server, in any process.

    Keys are spread over [0, 1) by BLAKE2b of salt and key; each arm takes its interval of `intervals`. A growing arm
    keeps the keys it has.
    """
    point = _point(route.salt, key)
    for arm, lower, upper in intervals(route):
        if lower <= point < upper:
            return arm
    return route.live


def place_of(route: Route, key: str) -> float:
    """Where in [0, 1) a key falls."""
    return _point(route.salt, key)


@lru_cache(maxsize=1024)
def intervals(route: Route) -> tuple[tuple[Arm, float, float], ...]:
    """The part of [0, 1), from a lower bound to below an upper one, that each arm but the live one answers for.

    Canaries take the beginning, arms of tests the end, each in their order; the live arm answers for what is between.
    So a canary beside a test takes no keys of it, and leaves none to it. Of several of one kind, those further inside
    give way to one that grows further outside: with three arms or more beside each other no rule that knows only the
    weights can keep all keys (two halves of the third would have to be each other's rest).
    """
    taken: list[tuple[Arm, float, float]] = []
    lower, upper = 0.0, 1.0
    for arm in route.arms:
        if arm.role == "canary":
            taken.append((arm, lower, lower + arm.weight))
            lower += arm.weight
        elif arm.role == "arm":
            taken.append((arm, upper - arm.weight, upper))
            upper -= arm.weight
    return tuple(taken)


def assignment_key(route: Route, entity: str | None, prediction_id: str) -> str:
    """What a row is assigned by: its entity where entities stay on their arms, else the prediction itself."""
    return entity if entity is not None and route.sticky else prediction_id


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
    wrong += [f"arm {each.name!r} has weight {each.weight}" for each in route.arms if not _is_share(each.weight)]
    if abs(total - 1) > _ROUNDING:
        wrong.append(f"the weights of the answering arms sum to {total:g}")
    if wrong:
        raise InvalidRoute(
            f"The route of '{route.deployment}' cannot be served: {'; '.join(wrong)}.",
            context={"deployment": route.deployment, "wrong": wrong},
            remedy="One live arm, unique names, weights in [0, 1] that sum to 1 without the shadows.",
        )
    return route


def _is_share(weight: float) -> bool:
    """Whether a weight is one: what is left by others may be off by what was rounded."""
    return -_ROUNDING <= weight <= 1 + _ROUNDING


def _point(salt: str, key: str) -> float:
    digest = blake2b(key.encode(), digest_size=8, key=_hash_key(salt)).digest()
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) / _SPAN


@lru_cache(maxsize=1024)
def _hash_key(salt: str) -> bytes:
    return blake2b(salt.encode(), digest_size=32).digest()
