"""One HTTP request, as ASGI hands it over: what endpoints need of it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LOOPBACK = ("127.", "::1")


class Request:
    """One request: what the endpoint needs of it. `deployment` is the one that its path names, `asked` that or the one
    that its body does, once it is read.
    """

    def __init__(self, scope: Scope, deployment: str | None) -> None:
        self.deployment = deployment
        self.asked = deployment
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.body = b""
        self._scope = scope

    def asks(self, deployment: str | None) -> None:
        """Its body names this deployment; the path's, if it has one, goes before it."""
        self.asked = self.deployment or deployment

    def header(self, name: bytes) -> str | None:
        """A header by its lower-case name."""
        value = self.headers.get(name)
        return None if value is None else str(value, "latin-1")

    @property
    def method(self) -> str:
        """GET or POST."""
        return str(self._scope["method"])

    @property
    def path(self) -> str:
        """The path, decoded."""
        return str(self._scope["path"])

    @property
    def query(self) -> dict[str, str]:
        """What stands behind the question mark; of a name written twice the last counts."""
        raw = self._scope["query_string"]
        return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}

    @property
    def loopback(self) -> bool:
        """Whether the client is on this machine."""
        client = self._scope.get("client")
        return client is not None and str(client[0]).startswith(_LOOPBACK)

    @property
    def source(self) -> str:
        """The address of who asks, or of what speaks for him."""
        client = self._scope.get("client")
        return "" if client is None else str(client[0])

    @property
    def user(self) -> str | None:
        """The assignment key that the caller names, if any."""
        named = self.query.get("user_id")
        return named if named is not None else self.header(b"x-entity-id")

    @property
    def token(self) -> str | None:
        """The bearer token."""
        scheme, _, token = (self.header(b"authorization") or "").partition(" ")
        return token if scheme.lower() == "bearer" else None
