"""What every request passes and every answer carries, before and after any route."""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard.core import ModelyardError

from .api.answers import answer
from .errors import BodyTooLarge, ForeignOrigin, UnknownHost
from .identity import SAFE

LARGEST_BODY = 1 << 20
"""Bytes that a request may carry."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load: nothing but the console's own; a page that needs more says so itself."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""What every answer carries, unless the route says otherwise."""


class Guard:
    """Refuses names that are not ours and pages that are not ours, bounds what is sent, and adds the headers.

    A page of another site reaches a console on loopback through its visitor's browser, under a name of its own that
    leads to 127.0.0.1: the Host header tells. What it sends under our name carries its Origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        secure: bool,
        admit: Callable[[Request], None] = lambda _: None,
        behind_proxy: bool = False,
    ) -> None:
        """`admit` raises for who asks too often. `behind_proxy`: what is in front says how it was asked itself."""
        self._behind = behind_proxy
        self._app = app
        self._admit = admit
        self._hosts = frozenset(each.lower() for each in hosts)
        self._headers = {**HEADERS, **({"strict-transport-security": "max-age=31536000"} if secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._lacking(message["headers"])]
            await send(message)

        if self._behind and (told := Request(scope).headers.get("x-forwarded-proto")) in ("http", "https"):
            scope = {**scope, "scheme": told}
        request = Request(scope)
        try:
            self._admit(request)
            self._check(request)
        except ModelyardError as error:
            await answer(error)(scope, receive, sending)
            return
        await self._app(scope, _bounded(receive), sending)

    def _lacking(self, there: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name.decode().lower() for name, _ in there}
        return [(name.encode(), value.encode()) for name, value in self._headers.items() if name not in names]

    def _check(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if _name(host) not in self._hosts:
            raise UnknownHost(
                f"The console is not known as '{host[:80]}'.",
                remedy="Call it by its address, or add the name: control.hosts in modelyard.yaml.",
            )
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            raise BodyTooLarge(
                f"A request of {length[:20]} bytes is too large.", remedy=f"Send at most {LARGEST_BODY}."
            )
        site = request.headers.get("sec-fetch-site", "none")
        asks = request.method not in SAFE or request.url.path.startswith("/api/")
        origin = request.headers.get("origin")
        own = origin is None or (urlsplit(origin).netloc == host and urlsplit(origin).scheme == request.url.scheme)
        if asks and (not own or site not in ("none", "same-origin")):
            raise ForeignOrigin(
                f"A page of '{(origin or site)[:80]}' may not ask here.", remedy="Ask from the console's own pages."
            )


def _name(host: str) -> str:
    """A host without its port, in small letters."""
    bare = host.lower()
    if bare.startswith("["):
        return bare.partition("]")[0] + "]"
    return bare.partition(":")[0]


def _bounded(receive: Receive) -> Receive:
    """What is received, up to the limit, whatever length was told."""
    taken = 0

    async def bounded() -> Any:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY:
            raise BodyTooLarge("The request is too large.", remedy=f"Send at most {LARGEST_BODY} bytes.")
        return message

    return bounded
