"""The console as one application: control API, sessions, health, and the pages that are given to it."""

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from logging import ERROR

from fastapi import APIRouter, Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from modelyard.access import Limits, NotAuthenticated, RouteWithoutPolicy, is_loopback, load_pepper, source_of
from modelyard.core import InvalidInput, ModelyardError, did_you_mean, log_event
from modelyard.wiring import Project

from .api import answer, operations_router, result, session_router
from .api.inputs import complaint
from .desk import Desk, pages_ask
from .errors import InternalError, NoSuchRoute, WrongMethod
from .guard import Guard
from .identity import Identity, Needs, open_to_all
from .oidc import OidcSignIn
from .pages import pages as own_pages
from .projects import Projects
from .sessions import Sessions
from .signing_in import oidc_router

SIGN_IN = "/sign-in"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def application(project: Project, *routers: APIRouter, pages: Callable[[Desk], APIRouter] | None = None) -> FastAPI:
    """The application of a project, to be served by any ASGI server; RouteWithoutPolicy when a route of it is open by
    oversight.

    `pages` makes the pages' router of a desk, which tells them who asks and carries out what they do; by default they
    are the console's own. Further `routers` depend on `Needs(permission)` or `open_to_all`, route by route. The project
    is the application's own from here on: its records from any thread, and every request opens it anew for its caller.
    """
    settings = project.settings.control
    projects = Projects(project)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()
        projects.close()

    app = FastAPI(
        title="Modelyard control API",
        description="Every command that can be asked from elsewhere, as on the command line.",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    limits = Limits(settings.per_key, settings.per_source)
    pepper = load_pepper(project.run_folder / "pepper")
    app.state.projects = projects
    app.state.identity = Identity(
        Sessions(project.records, project.clock, pepper, lambda used: project.feed.write_uses("console", used)),
        project.principal,
        authentication=settings.authentication,
        cookie=_cookie(project),
        limits=limits,
        clock=project.clock,
    )
    desk = Desk(projects, app.state.identity)
    own = partial(own_pages, cookie=app.state.identity.cookie, elsewhere=settings.oidc is not None)
    shown = (pages or own)(desk)
    app.include_router(shown, dependencies=[Depends(pages_ask)])
    signing = (
        []
        if settings.oidc is None
        else [oidc_router(OidcSignIn(settings.oidc, project.records, project.clock), settings.oidc)]
    )
    for router in (operations_router(projects), session_router(), _own_router(app), *signing, *routers):
        app.include_router(router)
    _answer_errors(app)
    _require_policies(app.routes)
    hosts = {*settings.hosts, settings.host if ":" not in settings.host else f"[{settings.host.strip('[]')}]"}
    app.add_middleware(
        Guard,
        hosts=hosts | ({*_LOOPBACK} if is_loopback(settings.host) else set()),
        secure=bool(settings.certificate),
        admit=lambda request: limits.of_source(
            _source(request, behind_proxy=settings.behind_proxy), project.clock.monotonic()
        ),
        behind_proxy=settings.behind_proxy,
    )
    return app


def _source(request: Request, *, behind_proxy: bool) -> str:
    """The address of who asks."""
    peer = "" if request.client is None else request.client.host
    return source_of(peer, request.headers.get("x-forwarded-for"), behind_proxy=behind_proxy)


def _own_router(app: FastAPI) -> APIRouter:
    """Whether it is up, and what it takes."""
    router = APIRouter(tags=["console"])

    @router.get("/healthz", summary="Whether the console is up.", dependencies=[Depends(open_to_all)])
    async def healthz() -> Response:
        return result({"status": "up", "pid": os.getpid()})

    @router.get("/api/v1/openapi.json", summary="This document.", dependencies=[Depends(Needs(None))])
    async def document() -> Response:
        return result(app.openapi())

    return router


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(ModelyardError)
    async def refused(request: Request, error: ModelyardError) -> Response:
        if isinstance(error, NotAuthenticated) and _for_a_person(request):
            return RedirectResponse(f"{SIGN_IN}?next={request.url.path}", status_code=303)
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def unusable(request: Request, error: RequestValidationError) -> Response:
        return answer(complaint(error.errors(), _fields(request)))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return answer(_meant(request, error))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        log_event("console", "a request failed", level=ERROR, path=request.url.path, error=repr(error))
        return answer(InternalError("The console failed.", remedy="See console.log in the workspace's folder run."))


def _meant(request: Request, error: HTTPException) -> ModelyardError:
    if isinstance(error.__cause__, ModelyardError):
        return error.__cause__
    path = request.url.path[:200]
    if error.status_code == 405:
        return WrongMethod(f"{request.method} is not how {path} is asked.", remedy="GET reads, POST does.")
    if error.status_code == 404:
        known = [each.path for each in iter_route_contexts(request.app.routes) if each.path is not None]
        return NoSuchRoute(f"Nothing stands at {path}.", remedy=did_you_mean(path, known, shown=5))
    return InvalidInput(f"The request cannot be read: {error.detail}.", code="UNREADABLE", remedy="Send JSON.")


def _for_a_person(request: Request) -> bool:
    """Whether a browser asks for a page."""
    page = request.method == "GET" and not request.url.path.startswith("/api/")
    return page and "text/html" in request.headers.get("accept", "")


def _fields(request: Request) -> list[str]:
    """The fields that a route takes."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return []
    taken = [*route.dependant.query_params, *route.dependant.body_params]
    return [name for each in taken for name in getattr(each.field_info.annotation, "model_fields", {each.name: 0})]


def _require_policies(routes: Sequence[BaseRoute]) -> None:
    """Every route says who may call it; files that were installed are for all."""
    for each in iter_route_contexts(routes):
        route = each.original_route
        if isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            continue
        if isinstance(route, APIRoute) and any(map(_is_policy, _calls(each.dependant))):
            continue
        raise RouteWithoutPolicy(
            f"The route {getattr(route, 'path', route)!r} says of nobody that he may call it.",
            remedy="Give it the dependency Needs(permission), or open_to_all.",
        )


def _calls(dependant: Dependant) -> Iterator[object]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _is_policy(call: object) -> bool:
    return isinstance(call, Needs) or call in (open_to_all, pages_ask)


def _cookie(project: Project) -> str:
    """A name of this workspace's own: cookies know no ports, and another project's console may be beside it."""
    digest = hashlib.sha256(str(project.workspace.resolve()).encode()).hexdigest()
    return f"modelyard_session_{digest[:8]}"
