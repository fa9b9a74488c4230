"""What a protocol is to the HTTP edge: a table of routes, each from a call to a reply. Knows no server.

A handler is a coroutine function of the data plane and a `Call`; it is safe to run many at once on the plane's event
loop. It answers with a `Reply` or raises a ModelyardError, which the route's `error_reply` puts into the words that
the protocol's clients read.
"""

import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, TypeVar

import msgspec

from modelyard.access import NotAuthenticated, Permission, RateLimited
from modelyard.core import Conflict, Forbidden, InvalidInput, ModelyardError, NotFound, Unavailable

from ..dataplane import DataPlane
from ..errors import BadRequest, MethodNotAllowed, TooLarge, UnsupportedEncoding
from ..strict import refuse_deep_nesting, refuse_repeated_names
from ..where import path_of

Shape = TypeVar("Shape")

STATUSES: tuple[tuple[type[ModelyardError], int], ...] = (
    (TooLarge, 413),
    (UnsupportedEncoding, 415),
    (NotAuthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (MethodNotAllowed, 405),
    (Conflict, 409),
    (InvalidInput, 400),
    (RateLimited, 429),
    (Unavailable, 503),
)
"""The HTTP status of each branch of the error tree; the first that fits decides."""

JSON = "application/json"
_ENCODE = msgspec.json.Encoder().encode
_CONSTANTS = {"NaN": None, "Infinity": inf, "-Infinity": -inf}


@dataclass(frozen=True)
class Call:
    """One request. `parts` are the path's, `headers` have lower-case names, and `body` is whole.

    `loopback`: the client is on this machine. `draining`: the server is about to end. `rows_limit`: the most rows one
    request may have.
    """

    method: str = "GET"
    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    loopback: bool = False
    draining: bool = False
    rows_limit: int = 1000

    @property
    def key(self) -> str | None:
        """The assignment key that the caller names, if any."""
        return self.query.get("user_id", self.headers.get("x-entity-id"))


@dataclass(frozen=True)
class Reply:
    """The answer: `headers` have lower-case names and lack the length, which the edge knows."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Handler = Callable[[DataPlane, Call], Awaitable[Reply]]


@dataclass(frozen=True)
class Route:
    """Who answers a method and path. `template` has parts in braces; a part has neither slash nor colon.

    The part `model` is the deployment, for whoever asks for the permission; without it the only one is meant.
    `permission` None leaves the path open to everyone, with or without a key; `serving.opened` must say so once more.
    """

    method: str
    template: str
    handler: Handler
    permission: Permission | None
    error_reply: Callable[[ModelyardError], Reply]


class RouteTable:
    """Finds routes by path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(_pattern(route.template), route) for route in routes]

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route of a decoded path with the parts it matched; None when no template fits.

        When the path is there for other methods only, the route found says so, in its protocol's words.
        """
        others: list[Route] = []
        for pattern, route in self._routes:
            if (match := pattern.fullmatch(path)) is None:
                continue
            if route.method == method:
                return route, match.groupdict()
            others.append(route)
        return (_refusing(others, method, path), {}) if others else None


def allowing(methods: Collection[str], method: str, path: str) -> MethodNotAllowed:
    """The error of a path that is there for other methods only; where GET may come, so may HEAD."""
    known = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
    return MethodNotAllowed(
        f"{path[:80]} is not for {method[:20]}.",
        context={"allow": ", ".join(known)},
        remedy=f"It is for {', '.join(known)}.",
    )


def _refusing(others: Sequence[Route], method: str, path: str) -> Route:
    error = allowing([route.method for route in others], method, path)

    async def refuse(_plane: DataPlane, _call: Call) -> Reply:
        reply = others[0].error_reply(error)
        return replace(reply, headers={**reply.headers, "allow": str(error.context["allow"])})

    return Route(method, path, refuse, None, others[0].error_reply)


def json_reply(value: Any, status: int = 200) -> Reply:
    """A reply in JSON."""
    return Reply(status, {"content-type": JSON}, _ENCODE(value))


def status_of(error: ModelyardError) -> int:
    """The HTTP status of an error."""
    return next((status for branch, status in STATUSES if isinstance(error, branch)), 500)


def sentence(error: ModelyardError) -> str:
    """An error in one string: where, what, and what to do."""
    path = str(error.context.get("path", ""))
    where = f"{path}: " if path and path not in error.message else ""
    return f"{where}{error}"


def own_error(error: ModelyardError) -> Reply:
    """An error as our own paths say it: `{"error": {"code", "message", "remedy", "path"?}}`."""
    described = {"code": error.code, "message": error.message, "remedy": error.remedy}
    if path := error.context.get("path"):
        described["path"] = str(path)
    return json_reply({"error": described}, status_of(error))


def text_error(error: ModelyardError) -> Reply:
    """An error as `{"error": "text"}`, which clients of Open Inference servers and of TensorFlow Serving read."""
    return json_reply({"error": sentence(error)}, status_of(error))


def decode_json(kind: type[Shape], body: bytes, remedy: str) -> Shape:
    """A body as a struct; BadRequest says where it does not fit, or which name is written twice.

    NaN, which many clients write although JSON has no such value, becomes null. An infinity stays one, for the field
    that it is meant for to refuse.
    """
    refuse_deep_nesting(body)
    try:
        decoded = _decoded(body)
        refuse_repeated_names(body, _names_in(decoded))
        return msgspec.convert(decoded, kind, strict=True)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        text = str(error)
        raise BadRequest(
            f"The body is not what this path takes: {text[:300]}.",
            context={"path": path_of(text, body)},
            remedy=remedy,
        ) from error


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        if b"NaN" not in body and b"Infinity" not in body:
            raise
    decoded: object = json.loads(body.decode(), parse_constant=_CONSTANTS.get)
    _ENCODE(decoded)  # raises for half a surrogate pair, which Python's decoder lets pass
    return decoded


def _names_in(value: object) -> int:
    """How many names JSON has; at times too few, which only costs a second look."""
    if isinstance(value, dict):
        return len(value) + sum(_names_in(each) for each in value.values() if isinstance(each, dict | list))
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return sum(_names_in(each) for each in value)
    return 0


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(f"(?P<{each}>[^/:]+)" if at % 2 else re.escape(each) for at, each in enumerate(pieces)))
