"""Who is asking, and sessions for browsers: begun with a key, ended by leaving."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from modelyard.access import ROLE_PERMISSIONS

from ..identity import Caller, Identity, Needs, open_to_all
from ..sessions import LASTS
from .answers import result
from .routes import PREFIX

PATH = f"{PREFIX}/session"


class SignIn(BaseModel):
    """Who signs in."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(description="An API key.", max_length=200)


def session_router() -> APIRouter:
    """Sign in, see who one is, leave."""
    router = APIRouter(tags=["session"])

    @router.get(PATH, summary="Who asks: name, roles, permissions; of a session also its CSRF token.")
    async def who(caller: Annotated[Caller, Depends(Needs(None))]) -> Response:
        return result(_told(caller))

    @router.post(PATH, summary="Begin a session with an API key; sets its cookie.", dependencies=[Depends(open_to_all)])
    def sign_in(request: Request, given: SignIn) -> Response:
        identity: Identity = request.app.state.identity
        token, principal = identity.sessions.begin(given.key)
        answer = result(_told(Caller(principal, "session", identity.sessions.csrf(token))))
        set_cookie(answer, identity.cookie, token, secure=request.url.scheme == "https")
        return answer

    @router.delete(PATH, summary="End the session.", dependencies=[Depends(Needs(None))])
    def leave(request: Request) -> Response:
        identity: Identity = request.app.state.identity
        identity.sessions.end(request.cookies.get(identity.cookie, ""))
        answer = result({"left": True})
        answer.delete_cookie(identity.cookie, path="/")
        return answer

    return router


def set_cookie(answer: Response, name: str, token: str, *, secure: bool) -> None:
    """The cookie of a session: no script reads it, and no other site's page sends it."""
    seconds = int(LASTS.total_seconds())
    answer.set_cookie(name, token, max_age=seconds, path="/", secure=secure, httponly=True, samesite="strict")


def _told(caller: Caller) -> dict[str, object]:
    principal = caller.principal
    permissions = sorted({each.value for role in principal.roles for each in ROLE_PERMISSIONS[role]})
    return {
        "name": principal.name,
        "roles": [each.value for each in principal.roles],
        "permissions": permissions,
        "deployments": list(principal.deployments),
        "by": caller.by,
        "csrf": caller.csrf,
    }
