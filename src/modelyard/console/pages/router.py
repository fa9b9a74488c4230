"""The pages as routes: who asks, what is shown or done, and what is said when that goes wrong."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, StreamingResponse

from modelyard.access import NotAuthenticated, Permission, PermissionDenied, Principal, authorize
from modelyard.core import InvalidInput, ModelyardError

from ..api import status_of
from ..desk import Desk
from . import alerts, audit, drift, features, judging, loop, models, overview, reference, rollouts, runs, settings
from .frame import Action, Ask, Document, Download, Page, Params
from .rendering import shown_page
from .security import HEADERS, KEPT_APART, Said, Seals, own_path
from .static import static_file

SAID = "modelyard_said"
"""The cookie that holds what became of the form before."""

_ROOMS = (overview, models, rollouts, alerts, drift, loop, runs, features, judging, audit, settings, reference)
_LOOK_S, _SHARE, _LIFE_S, _FORM = 1.0, 0.05, 300.0, 64 * 1024


def pages(desk: Desk, cookie: str, *, elsewhere: bool = False) -> APIRouter:
    """The router of the console's pages, to be included at `/` behind the `Guard`.

    `cookie` names the one that holds what `desk.begin` gives. `elsewhere`: one may sign in at a provider, too.
    """
    return _Site(desk, cookie, elsewhere=elsewhere).router


class _Site:
    def __init__(self, desk: Desk, cookie: str, *, elsewhere: bool) -> None:
        self._desk = desk
        self._elsewhere = elsewhere
        self._seals = Seals(secrets.token_bytes(32))
        self._key = cookie
        self.router = APIRouter(include_in_schema=False)
        for room in _ROOMS:
            for page in room.PAGES:
                self._get(page.path, self._page(page))
                self._get(f"/live{page.path}", self._live(page))
            for document in getattr(room, "DOCUMENTS", ()):
                self._get(document.path, self._document(document))
            for download in getattr(room, "DOWNLOADS", ()):
                self._get(download.path, self._download(download))
            for action in getattr(room, "ACTIONS", ()):
                self.router.add_api_route(action.path, self._action(action), methods=["POST"])
        self._get("/static/{digest}/{name}", _static)
        self._get("/sign-in", self._sign_in_page)
        self.router.add_api_route("/sign-in", self._sign_in, methods=["POST"])
        self.router.add_api_route("/sign-out", self._sign_out, methods=["POST"])

    def _get(self, path: str, answer: Callable[..., Any]) -> None:
        self.router.add_api_route(path, answer, methods=["GET"], response_model=None)

    def _page(self, page: Page) -> Callable[[Request], Any]:
        def answer(request: Request) -> Response:
            principal: Principal | None = None
            try:
                principal = self._principal(request)
                values = page.load(self._ask(principal), _params(request))
            except ModelyardError as error:
                return self._wrong(request, principal, error)
            quiet = "x-live" in request.headers
            said = None if quiet else self._seals.open_said(request.cookies.get(SAID))
            live = f"/live{request.url.path}" + (f"?{request.url.query}" if request.url.query else "")
            shell = self._shell(request, principal) | {"nav": page.nav, "mark": _mark(values), "live": live}
            response = HTMLResponse(shown_page(page.template, values | shell | {"said": said}), headers=HEADERS)
            if said is not None:
                response.delete_cookie(SAID, path="/")
            return response

        return answer

    def _document(self, document: Document) -> Callable[[Request], Any]:
        def answer(request: Request) -> Response:
            principal: Principal | None = None
            try:
                principal = self._principal(request)
                content = document.load(self._ask(principal), _params(request))
            except ModelyardError as error:
                return self._wrong(request, principal, error)
            return Response(content, media_type=document.media, headers=HEADERS)

        return answer

    def _download(self, download: Download) -> Callable[[Request], Any]:
        """Whatever a step wrote may be in it: a browser keeps it, and opens none of it as a page of ours."""

        def answer(request: Request) -> Response:
            principal: Principal | None = None
            try:
                principal = self._principal(request)
                path, name, media = download.load(Ask(self._desk, principal), _params(request))
            except ModelyardError as error:
                return self._wrong(request, principal, error)
            return FileResponse(path, media_type=media, filename=name, headers={**HEADERS, **KEPT_APART})

        return answer

    def _action(self, action: Action) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            return await run_in_threadpool(carried_out, request, await _form(request))

        def carried_out(request: Request, form: dict[str, str]) -> Response:
            principal: Principal | None = None
            try:
                principal = self._principal(request)
                self._seals.check_token(principal, form.get("token", ""))
                params = form | {name: str(value) for name, value in request.path_params.items()}
                where = action.back(params)
            except ModelyardError as error:
                return self._wrong(request, principal, error)
            said: Said
            try:
                result = self._desk.carry_out(action.operation, action.given(params), principal)
                said = ("good", action.done(result, params), "")
            except ModelyardError as error:
                said = ("bad", error.message, error.remedy)
            response = RedirectResponse(where, status_code=303, headers=HEADERS)
            response.set_cookie(
                SAID, self._seals.seal_said(said), max_age=60, httponly=True, samesite="strict", path="/"
            )
            return response

        return answer

    def _live(self, page: Page) -> Callable[[Request], Any]:
        """Marks of what a page shows, each time it changes; looking takes at most a small share of a processor."""

        def answer(request: Request) -> Response:
            params = _params(request)
            try:
                ask = self._ask(self._principal(request))
                page.load(ask, params)
            except (NotAuthenticated, PermissionDenied) as error:  # who may not look is told so, once
                return self._wrong(request, None, error)
            except ModelyardError:  # and who may is told below, for as long as it lasts
                pass

            async def marks() -> AsyncIterator[str]:
                yield "retry: 2000\n\n"
                began, last = time.monotonic(), ""
                while time.monotonic() - began < _LIFE_S and not await request.is_disconnected():
                    looked = time.monotonic()
                    try:
                        mark = _mark(await run_in_threadpool(page.load, ask, params))
                    except ModelyardError as error:
                        mark = error.code
                    yield f"data: {mark}\n\n" if mark != last else ": as before\n\n"
                    last = mark
                    await asyncio.sleep(max(_LOOK_S, (time.monotonic() - looked) / _SHARE))

            return StreamingResponse(marks(), media_type="text/event-stream", headers=HEADERS)

        return answer

    def _sign_in_page(self, request: Request) -> Response:
        return self._signing_in(request, None, 200)

    async def _sign_in(self, request: Request) -> Response:
        form = await _form(request)
        try:
            key = form.get("key", "").strip()
            if not key:
                raise InvalidInput("No key was given.", remedy="Make one: modelyard key create --name NAME.")
            token = await run_in_threadpool(self._desk.begin, key)
        except ModelyardError as error:
            return self._signing_in(request, error, 401)
        response = RedirectResponse(own_path(form.get("next", "")), status_code=303, headers=HEADERS)
        secure = request.url.scheme == "https"
        response.set_cookie(self._key, token, httponly=True, samesite="strict", secure=secure, path="/")
        return response

    async def _sign_out(self, request: Request) -> Response:
        if token := request.cookies.get(self._key):
            await run_in_threadpool(self._desk.end, token)
        response = RedirectResponse("/sign-in", status_code=303, headers=HEADERS)
        response.delete_cookie(self._key, path="/")
        return response

    def _principal(self, request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        shown = token.strip() if scheme.lower() == "bearer" else request.cookies.get(self._key)
        return self._desk.authenticate(shown or None)

    def _ask(self, principal: Principal) -> Ask:
        """What a page asks by: whoever looks at one must be allowed to, also where it asks for nothing."""
        authorize(principal, Permission.READ)
        return Ask(self._desk, principal)

    def _wrong(self, request: Request, principal: Principal | None, error: ModelyardError) -> Response:
        status = status_of(error)
        if status == 401:
            return self._signing_in(request, error, status)
        shell = self._shell(request, principal) | {"nav": "", "mark": "", "live": "", "said": None}
        body = shown_page("error.html.j2", {"error": error, "status": status} | shell)
        return HTMLResponse(body, status_code=status, headers=HEADERS)

    def _signing_in(self, request: Request, error: ModelyardError | None, status: int) -> Response:
        shell = self._shell(request, None) | {"nav": "", "mark": "", "live": "", "said": None}
        asked = "/" if request.method == "POST" else request.url.path
        following = own_path(request.query_params.get("next", "" if asked == "/sign-in" else asked))
        body = shown_page(
            "sign_in.html.j2", {"error": error, "following": following, "elsewhere": self._elsewhere} | shell
        )
        return HTMLResponse(body, status_code=status, headers=HEADERS)

    def _shell(self, request: Request, principal: Principal | None) -> dict[str, Any]:
        return {
            "project": self._desk.name,
            "principal": principal,
            "signed_in": self._key in request.cookies,
            "token": self._seals.token(principal) if principal is not None else "",
        }


def _params(request: Request) -> Params:
    """Query and path; what the path says counts."""
    path = {name: str(value) for name, value in request.path_params.items()}
    return dict(request.query_params) | path


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; what is too long is none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _FORM:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))


def _mark(values: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(values, enc_hook=str)).hexdigest()[:16]


def _static(request: Request, digest: str, name: str) -> Response:
    found = static_file(name)
    if found is None or not found.digest.startswith(digest):
        return Response("There is no such file.", status_code=404, media_type="text/plain", headers=HEADERS)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=found.media, headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.body, media_type=found.media, headers=headers)
