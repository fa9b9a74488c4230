"""The page that asks for a key, for people whose browser carries no session."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from jinja2 import Environment, PackageLoader
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from modelyard.access import NotAuthenticated

from .api.session import set_cookie
from .identity import Caller, Identity, Needs, open_to_all

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"

_PAGES = Environment(loader=PackageLoader("modelyard.console"), autoescape=True, trim_blocks=True)


def sign_in_router() -> APIRouter:
    """The page, what it sends, and leaving."""
    router = APIRouter(include_in_schema=False)

    @router.get(SIGN_IN, dependencies=[Depends(open_to_all)])
    async def page(following: str = "/") -> Response:
        return _page(following)

    @router.post(SIGN_IN, dependencies=[Depends(open_to_all)])
    async def sign_in(request: Request) -> Response:
        sent = parse_qs((await request.body()).decode("utf-8", "replace"))
        key, following = (sent.get(name, [""])[0] for name in ("key", "next"))
        identity: Identity = request.app.state.identity
        try:
            token, _ = await run_in_threadpool(identity.sessions.begin, key.strip())
        except NotAuthenticated as error:
            return _page(following, error.message, status=401)
        answer = RedirectResponse(_own_path(following), status_code=303)
        set_cookie(answer, identity.cookie, token, secure=request.url.scheme == "https")
        return answer

    @router.post(SIGN_OUT)
    async def sign_out(request: Request, _: Annotated[Caller, Depends(Needs(None))]) -> Response:
        identity: Identity = request.app.state.identity
        await run_in_threadpool(identity.sessions.end, request.cookies.get(identity.cookie, ""))
        answer = RedirectResponse(SIGN_IN, status_code=303)
        answer.delete_cookie(identity.cookie, path="/")
        return answer

    return router


def _page(following: str, wrong: str = "", *, status: int = 200) -> Response:
    text = _PAGES.get_template("sign_in.html.j2").render(following=_own_path(following), wrong=wrong)
    return HTMLResponse(text, status)


def _own_path(path: str) -> str:
    """A path of this console, whatever was asked for: nobody is sent to another site from here."""
    own = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    return path if own else "/"
