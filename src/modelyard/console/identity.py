"""Who asks, and whether he may: the one way from a request to a principal."""

from dataclasses import dataclass
from hmac import compare_digest
from typing import Literal
from urllib.parse import parse_qs

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from modelyard.access import Limits, NotAuthenticated, Permission, Principal, authorize, is_loopback, key_id_of
from modelyard.core import Clock

from .errors import NoCsrfToken
from .sessions import Sessions

CSRF_HEADER = "X-CSRF-Token"
"""The header with which a session's pages prove themselves; forms send a field `csrf` instead."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@dataclass(frozen=True)
class Caller:
    """Who asks: by being on this machine, by an API key, or by a session."""

    principal: Principal
    by: Literal["machine", "key", "session"]
    csrf: str = ""


class Identity:
    """Tells who asks.

    A key counts first, then a session; who shows neither is the user that runs the console, where that is not ruled
    out (`control.authentication`), and only when he comes over loopback and no proxy says that it speaks for another.
    """

    def __init__(
        self,
        sessions: Sessions,
        local: Principal,
        *,
        authentication: bool,
        cookie: str,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self.sessions = sessions
        self._limits = limits
        self._clock = clock
        self.cookie = cookie
        self._local = local
        self._authentication = authentication

    async def caller(self, request: Request) -> Caller:
        """Who asks; NotAuthenticated when that cannot be told, NoCsrfToken when it might be another's doing."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return await self._of_key(scheme, key.strip())
        if token := request.cookies.get(self.cookie, ""):
            return await self._of_session(request, token)
        return Caller(self.local(here=is_of_this_machine(request)), "machine")

    def of_token(self, token: str) -> Principal:
        """Who shows an API key, or the token of a session; RateLimited when he does too often."""
        principal = self.sessions.holder(token) if key_id_of(token) else self.sessions.of(token)
        self._limits.of_key(principal.name, self._clock.monotonic())
        return principal

    def local(self, *, here: bool) -> Principal:
        """The user that runs the console, for who asks here, on its machine; NotAuthenticated for everybody else."""
        if self._authentication or not here:
            raise NotAuthenticated("This console asks for an API key.", remedy="Send 'Authorization: Bearer KEY'.")
        return self._local

    async def _of_key(self, scheme: str, key: str) -> Caller:
        if scheme.lower() != "bearer":
            raise NotAuthenticated(
                f"Keys are not sent as '{scheme[:20]}' here.", remedy="Send 'Authorization: Bearer KEY'."
            )
        return Caller(await run_in_threadpool(self.of_token, key), "key")

    async def _of_session(self, request: Request, token: str) -> Caller:
        principal, expected = await run_in_threadpool(self.of_token, token), self.sessions.csrf(token)
        if request.method not in SAFE and not compare_digest(await _sent(request), expected):
            raise NoCsrfToken(
                "The request does not carry the token of its session.",
                remedy=f"Send the header {CSRF_HEADER}, or a field csrf: GET /api/v1/session tells it.",
            )
        return Caller(principal, "session", expected)


def is_of_this_machine(request: Request) -> bool:
    """Whether a request comes over loopback, and no proxy says that it speaks for another."""
    client = request.client.host if request.client is not None else ""
    return is_loopback(client) and not any(name in request.headers for name in _FORWARDED)


async def _sent(request: Request) -> str:
    """The token that came with a request; ASCII, so that it can be compared."""
    sent = request.headers.get(CSRF_HEADER, "")
    if not sent and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        sent = parse_qs((await request.body()).decode("utf-8", "replace")).get("csrf", [""])[0]
    return sent if sent.isascii() else ""


class Needs:
    """The policy of a route, as a dependency: whoever asks must have this permission; gives the caller.

    Without a permission it is enough to be known.
    """

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Caller:
        identity: Identity = request.app.state.identity
        caller = await identity.caller(request)
        if self.permission is not None:
            authorize(caller.principal, self.permission)
        request.state.caller = caller
        return caller


async def open_to_all() -> None:
    """The policy of a route that tells nothing and changes nothing: anybody may call it."""
