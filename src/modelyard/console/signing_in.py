"""Signing in at an OpenID provider, as a browser goes through it: there, and back."""

import hashlib

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from modelyard.wiring import OidcSettings

from .api.session import set_cookie
from .identity import Identity, open_to_all
from .oidc import LASTS, OidcSignIn
from .pages.security import own_path

BEGIN, BACK = "/sign-in/oidc", "/sign-in/oidc/back"

_ON = (
    '<!doctype html><html lang="en"><head><title>Signed in</title>'
    '<meta http-equiv="refresh" content="0;url={0}"></head><body><p><a href="{0}">Go on</a></p></body></html>'
)
"""A page of our own that leads on: a browser sends the session's cookie from here, not from where it was sent here."""


def oidc_router(sign_in: OidcSignIn, settings: OidcSettings) -> APIRouter:
    """The way there, and the way back."""
    router = APIRouter(tags=["session"], include_in_schema=False, dependencies=[Depends(open_to_all)])

    @router.get(BEGIN)
    def begin(request: Request, following: str = "/") -> Response:
        own = settings.address or f"{request.url.scheme}://{request.headers['host']}"
        where, state = sign_in.begin(own.rstrip("/") + BACK, own_path(following))
        answer = RedirectResponse(where, status_code=303)
        seconds, secure = int(LASTS.total_seconds()), own.startswith("https:")
        # Lax: the browser must show it when the provider sends it back.
        answer.set_cookie(_cookie(request), state, seconds, path=BACK, secure=secure, httponly=True, samesite="lax")
        return answer

    @router.get(BACK)
    def back(request: Request, state: str = "", code: str = "") -> Response:
        identity: Identity = request.app.state.identity
        principal, following = sign_in.end(state, request.cookies.get(_cookie(request), ""), code)
        answer = HTMLResponse(_ON.format(_escaped(following)))
        answer.delete_cookie(_cookie(request), path=BACK)
        secure = (settings.address or str(request.url)).startswith("https:")
        set_cookie(answer, identity.cookie, identity.sessions.begin_elsewhere(principal), secure=secure)
        return answer

    return router


def _cookie(request: Request) -> str:
    """A name of this console's own."""
    identity: Identity = request.app.state.identity
    return f"modelyard_oidc_{hashlib.sha256(identity.cookie.encode()).hexdigest()[:8]}"


def _escaped(path: str) -> str:
    return path.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(";", "%3B")
