"""The HTTP edge: who answers a path, who may, how much may be sent, and what an error looks like.

`HttpServer` is an ASGI application. Requests to our own endpoints that have arrived whole need none of that: the
connection hands them over by `begin`, and the answer is written when it is there.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httptools
import msgspec

from modelyard.access import KeyRing, Limits, Permission, PermissionDenied, Principal, authorize, source_of
from modelyard.core import Clock, Failed, Micros, ModelyardError, log_event
from modelyard.routing import Feed

from .chat import Embeddings, Gateway, chat_error
from .chat.contract import Caller, Outlet
from .dataplane import DataPlane
from .errors import BODY_LIMIT, NotServed, TooLarge, UnsupportedEncoding
from .native import Endpoint, Native
from .openapi import PAGES
from .opened import require_policies
from .outlets import AsgiOutlet
from .protocols import ROUTES, Call, RouteTable, allowing, own_error
from .protocols import Route as ProtocolRoute
from .requests import Receive, Request, Scope, Send
from .tracing import Tracing

ChatEndpoint = Callable[[Request, Caller, Outlet], None]
"""Takes a request, who asks it, and where the answer goes; an error of ours that it raises is an answer too."""

UNLIMITED = Limits(None, None)
"""Everybody as often as he likes."""

LEFT = "499"
"""What a request is counted under whose caller hung up before it was there."""

_MOST_LINES = 1_000
_JSON = (b"content-type", b"application/json")
_RETRY = (b"retry-after", b"1")
_BEARER = (b"www-authenticate", b"Bearer")
_ENCODE = msgspec.json.Encoder().encode


class _Left(Exception):
    """Whoever sends a body has hung up."""


@dataclass(frozen=True)
class Found:
    """Our own endpoint of a path, the permission it takes, and the deployment that the path names, if any."""

    endpoint: Endpoint | None
    permission: Permission | None
    deployment: str | None
    chat: ChatEndpoint | None = None


@dataclass(frozen=True)
class Line:
    """The first line of a request, taken apart, and our own endpoint of it, if it has one."""

    method: str
    path: str
    query: bytes
    found: Found | None


class _Reply:
    """The answer to a request of ours: encoded, counted and handed to the transport."""

    __slots__ = ("_began", "_found", "_path", "_plane", "_write")

    def __init__(self, plane: DataPlane, found: Found, path: str, write: Callable[[int, bytes], None]) -> None:
        self._began = time.perf_counter()
        self._plane = plane
        self._found = found
        self._path = path
        self._write = write

    def answer(self, value: dict[str, Any], status: int = 200) -> None:
        """Send JSON."""
        if self._found.permission is Permission.PREDICT:
            value["latency_ms"] = round((time.perf_counter() - self._began) * 1000, 3)
        try:
            body = _ENCODE(value)
        except Exception as error:  # the process edge: whatever cannot be encoded must not end the batch it ran with
            self.fail(error)
        else:
            self._send(status, body)

    def fail(self, error: Exception) -> None:
        """Send an error; only ours become answers by name, anything else is a 500 with its log line."""
        known = error if isinstance(error, ModelyardError) else _internal(self._path, error)
        refused = own_error(known)
        self._send(refused.status, refused.body)

    def _send(self, status: int, body: bytes) -> None:
        if self._found.permission is not None:
            self._plane.answered(self._found.deployment, str(status))
        self._write(status, body)


class _Caller:
    """Who asks, once he is known; None is everybody."""

    __slots__ = ("_permission", "_principal")

    def __init__(self, principal: Principal | None, permission: Permission) -> None:
        self._principal = principal
        self._permission = permission

    @property
    def scope(self) -> str:
        """His roles, the deployments that his key is for, and his groups."""
        who = self._principal
        if who is None:
            return ""
        return " ".join([*(role.value for role in who.roles), *sorted(who.deployments), "as", *sorted(who.groups)])

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of readers that he is in; none where everybody may ask."""
        return () if self._principal is None else self._principal.groups

    def permit(self, deployment: str) -> None:
        """PermissionDenied when he may not ask this deployment."""
        if self._principal is not None:
            authorize(self._principal, self._permission, deployment=deployment)

    def may(self, deployment: str) -> bool:
        """Whether he may ask this deployment."""
        try:
            self.permit(deployment)
        except PermissionDenied:
            return False
        return True


class HttpServer:
    """The ASGI application. Every path has a policy; one without stops the start.

    `used` says when each key was last seen, by its id; whoever wants to know takes it away.
    """

    def __init__(
        self,
        plane: DataPlane,
        clock: Clock,
        *,
        pepper: bytes | None,
        limits: Limits = UNLIMITED,
        behind_gateway: bool = False,
        environment: Mapping[str, str] = MappingProxyType({}),
        journal: Path | None = None,
        durable: bool = False,
    ) -> None:
        """`environment`, `journal` and `durable` are the gateway's."""
        self.used: dict[str, Micros] = {}
        self._limits = limits
        self._behind = behind_gateway
        self._plane = plane
        self._clock = clock
        self._pepper = pepper
        self._ring: tuple[Feed, KeyRing] | None = None
        self._native = Native(plane)
        self.gateway = Gateway(plane, environment, journal=journal, durable=durable)
        self.embeddings = Embeddings(plane)
        self._chats: Mapping[tuple[str, str], ChatEndpoint] = {
            ("POST", "/v1/chat/completions"): self.gateway.chat,
            ("POST", "/v1/embeddings"): self.embeddings.embed,
            ("GET", "/v1/models"): self.gateway.models,
        }
        self._protocols = RouteTable((*ROUTES, *PAGES))
        require_policies(self.policies)
        self._lines: dict[tuple[bytes, bytes], Line] = {}

    @property
    def draining(self) -> bool:
        """Whether the server is about to end, and says so."""
        return self._native.draining

    @draining.setter
    def draining(self, draining: bool) -> None:
        self._native.draining = draining

    @property
    def endpoints(self) -> tuple[tuple[str, str], ...]:
        """Method and path of each endpoint of our own; each also stands below `/deployments/NAME`."""
        return (*self._native.endpoints, *self._chats)

    @property
    def policies(self) -> Iterator[tuple[str, Permission | None]]:
        """Each route, `METHOD TEMPLATE`, with the permission that it takes; None where it is open to everybody."""
        yield from ((f"{method} {path}", each[1]) for (method, path), each in self._native.endpoints.items())
        yield from ((f"{method} {path}", Permission.PREDICT) for method, path in self._chats)
        yield from ((f"{each.method} {each.template}", each.permission) for each in (*ROUTES, *PAGES))

    @property
    def traced(self) -> bool:
        """Whether requests are shown to a collector of traces."""
        return self._plane.tracing is not None

    def find(self, method: str, path: str) -> Found | None:
        """Our own endpoint of a path, which may stand below a deployment's name; None without one."""
        if (found := self._found(method, path, None)) is not None:
            return found
        if path.startswith("/deployments/"):
            deployment, _, tail = path.removeprefix("/deployments/").partition("/")
            return self._found(method, f"/{tail}", deployment)
        return None

    def _found(self, method: str, path: str, deployment: str | None) -> Found | None:
        if (own := self._native.endpoints.get((method, path))) is not None:
            return Found(*own, deployment)
        if (chat := self._chats.get((method, path))) is not None:
            return Found(None, Permission.PREDICT, deployment, chat)
        return None

    def line(self, method: bytes, url: bytes) -> Line:
        """A request's first line, taken apart: once for those that come all day, whose endpoint never changes."""
        known = self._lines.get((method, url))
        if known is None:
            parsed = httptools.parse_url(url)
            verb, path = method.decode("ascii"), parsed.path.decode("ascii")
            known = Line(verb, path, parsed.query or b"", self.find(verb, path))
            if len(self._lines) < _MOST_LINES:
                self._lines[method, url] = known
        return known

    def begin(self, found: Found, request: Request, outlet: Outlet) -> None:
        """Answer a request that has arrived whole, now or when its rows have been scored. Never raises."""
        if found.chat is not None:
            self._begin_chat(found, request, outlet)
            return
        reply = _Reply(self._plane, found, request.path, outlet.write)
        try:
            self._admit(request, found.permission)
            self._check_size(found, request, len(request.body))
            self._answer_by(found, request, reply)
        except Exception as error:  # the process edge: the caller gets no traceback, the log does
            reply.fail(error)

    def _answer_by(self, found: Found, request: Request, reply: _Reply) -> None:
        assert found.endpoint is not None  # noqa: S101 - a path of ours is a chat's or has an endpoint
        found.endpoint(request, reply)

    def _begin_chat(self, found: Found, request: Request, outlet: Outlet, caller: Caller | None = None) -> None:
        """The same of a chat, whose errors are as OpenAI's clients read them; `caller` where he is known by now."""
        try:
            caller = caller or self._known(request)
            self._check_size(found, request, len(request.body))
            assert found.chat is not None  # noqa: S101 - see `begin`
            found.chat(request, caller, outlet)
        except Exception as error:  # the process edge, as above
            self._refuse_chat(request, outlet, error)
        else:
            if request.method == "GET":
                self._plane.answered(found.deployment, "200")

    def _refuse_chat(self, request: Request, outlet: Outlet, error: Exception) -> None:
        """Tell an error, and count it as the deployment's that is asked."""
        known = error if isinstance(error, ModelyardError) else _internal(request.path, error)
        status, body = chat_error(known)
        self._plane.answered(request.asked, str(status))
        outlet.write(status, body)

    def _known(self, request: Request) -> _Caller:
        """Who asks, and that he may ask some deployment here; whether this one, he is asked once it is known."""
        if (encoding := request.header(b"content-encoding")) not in (None, "identity"):
            raise UnsupportedEncoding(f"The body is encoded as {encoding!r:.40}.", remedy="Send it as it is.")
        if not self._limits.any and not self._guarded():
            return _Caller(None, Permission.PREDICT)
        forwarded = request.header(b"x-forwarded-for")
        principal = self._authenticate(request.token, request.source, forwarded)
        if principal is not None:
            served = self._plane.deployments.current
            own = [name for name in served if not principal.deployments or name in principal.deployments]
            authorize(principal, Permission.PREDICT, deployment=next(iter(own or served), None))
        return _Caller(principal, Permission.PREDICT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in its own protocol's words."""
        if scope["type"] != "http":
            return
        if self._plane.tracing is None:
            await self._dispatch(scope, receive, send)
        else:
            await self._traced(self._plane.tracing, scope, receive, send)

    def authorize(
        self, token: str | None, permission: Permission, deployment: str | None, source: str, forwarded: str | None
    ) -> None:
        """Whether the bearer of a token, at an address, may do something to a deployment, now: returns, or raises
        RateLimited or Forbidden's children.
        """
        principal = self._authenticate(token, source, forwarded)
        if principal is not None:
            name = deployment or self._plane.deployments.find(None).route.deployment
            authorize(principal, permission, deployment=name)

    def _authenticate(self, token: str | None, source: str, forwarded: str | None) -> Principal | None:
        """Who bears a token; None where nobody is asked for one."""
        monotonic = self._clock.monotonic()
        self._limits.of_source(source_of(source, forwarded, behind_proxy=self._behind), monotonic)
        feed = self._guarded()
        if feed is None:
            return None
        if self._ring is None or self._ring[0] is not feed:
            self._ring = feed, KeyRing(feed.keys, self._pepper or b"")
        now = self._clock.micros()
        principal = self._ring[1].authenticate(token, now)
        self._limits.of_key(principal.name, monotonic)
        self.used[principal.name] = now
        return principal

    async def _traced(self, tracing: Tracing, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer inside a span; health checks and the like are not worth one."""
        if scope["method"] != "POST":
            await self._dispatch(scope, receive, send)
            return
        headers = {str(name, "latin-1"): str(value, "latin-1") for name, value in scope["headers"]}
        facts = {"http.request.method": scope["method"], "url.path": scope["path"]}
        with tracing.request(f"{scope['method']} {scope['path']}", headers, **facts) as span:

            async def tell(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._dispatch(scope, receive, tell)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = "GET" if scope["method"] == "HEAD" else scope["method"], scope["path"]
        try:
            native = self.find(method, path)
            foreign = self._foreign(method, path) if native is None else None
        except ModelyardError as error:
            allow = [(b"allow", str(error.context["allow"]).encode())] if "allow" in error.context else []
            refused = own_error(error)
            await _respond(send, refused.status, refused.body, _JSON, *allow)
            return
        if native is not None and native.chat is not None:
            await self._answer_chat(native, Request(scope, native.deployment), receive, send)
        elif native is not None:
            await self._answer(native, Request(scope, native.deployment), receive, send)
        elif foreign is not None:
            await self._answer_foreign(scope, *foreign, receive, send)

    def _foreign(self, method: str, path: str) -> tuple[ProtocolRoute, Mapping[str, str]]:
        """The route of a protocol; NotServed, or MethodNotAllowed where a path of ours is for other methods."""
        if (found := self._protocols.find(method, path)) is not None:
            return found
        tail = f"/{path.split('/', 3)[3]}" if path.startswith("/deployments/") and path.count("/") > 2 else path
        if others := [known for known, there in self.endpoints if there == tail]:
            raise allowing(others, method, path)
        known = ", ".join(f"{method} {path}" for method, path in self.endpoints)
        raise NotServed(
            f"There is no {method} {path[:80]}.",
            remedy=f"There are: {known}; and the paths of the Open Inference, TensorFlow Serving and MLflow protocols.",
        )

    async def _answer(self, found: Found, request: Request, receive: Receive, send: Send) -> None:
        answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        reply = _Reply(self._plane, found, request.path, lambda *answer: _settle(answered, answer))
        try:
            self._admit(request, found.permission)
            request.body = await self._read(found, request, receive)
            self._answer_by(found, request, reply)
        except _Left:
            self.left(found)
            return
        except Exception as error:  # the process edge: the caller gets no traceback, the log does
            reply.fail(error)
        await _respond(send, *await answered, _JSON)

    async def _answer_chat(self, found: Found, request: Request, receive: Receive, send: Send) -> None:
        """A chat that came in pieces, or over what the short way is not for."""
        outlet = AsgiOutlet(send)
        try:
            caller = self._known(request)  # whoever may not is sent away before his body is read
            request.body = await self._read(found, request, receive)
        except _Left:
            self.left(found)
            return
        except Exception as error:  # the process edge, as above
            self._refuse_chat(request, outlet, error)
        else:
            self._begin_chat(found, request, outlet, caller)
        await outlet.run(receive)

    async def _answer_foreign(
        self, scope: Scope, route: ProtocolRoute, parts: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
        request = Request(scope, parts.get("model"))
        try:
            self._admit(request, route.permission)
            reply = await route.handler(self._plane, await self._call(request, parts, receive))
        except _Left:
            self._plane.answered(request.deployment, LEFT)
            return
        except ModelyardError as error:
            reply = route.error_reply(error)
        except Exception as error:  # the process edge, as above
            reply = route.error_reply(_internal(request.path, error))
        if route.permission is not None:
            self._plane.answered(request.deployment, str(reply.status))
        kind = (b"content-type", reply.headers.get("content-type", "application/json").encode())
        more = [(name.encode(), value.encode()) for name, value in reply.headers.items() if name != "content-type"]
        await _respond(send, reply.status, reply.body, kind, *more)

    async def _call(self, request: Request, parts: Mapping[str, str], receive: Receive) -> Call:
        return Call(
            method=request.method,
            parts=parts,
            query=request.query,
            headers={str(name, "latin-1"): str(value, "latin-1") for name, value in request.headers.items()},
            body=await self._read(None, request, receive),
            loopback=request.loopback,
            draining=self.draining,
            rows_limit=self._plane.deployments.policy(request.deployment).rows_limit,
        )

    def _admit(self, request: Request, permission: Permission | None) -> None:
        """Whoever may not, or comes when too much waits, is sent away before his body is looked at."""
        if permission is None:
            return
        if self._limits.any or self._guarded():
            self.authorize(
                request.token, permission, request.deployment, request.source, request.header(b"x-forwarded-for")
            )
        if permission is Permission.PREDICT and request.method == "POST":
            self._plane.admit(self._plane.deployments.find(request.deployment))
        if (encoding := request.header(b"content-encoding")) not in (None, "identity"):
            raise UnsupportedEncoding(
                f"The body is encoded as {encoding!r:.40}.", remedy="Send it as it is, without Content-Encoding."
            )

    def _guarded(self) -> Feed | None:
        """The feed, when it asks for keys."""
        feed = self._plane.deployments.feed
        return feed if feed is not None and feed.authentication else None

    async def _read(self, found: Found | None, request: Request, receive: Receive) -> bytes:
        """The body; _Left when its sender hangs up before its end."""
        if (told := request.headers.get(b"content-length", b"")).isdigit():
            self._check_size(found, request, int(told))
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Left
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            self._check_size(found, request, size)
        return b"".join(parts) if len(parts) > 1 else bytes(parts[0])

    def _check_size(self, found: Found | None, request: Request, size: int) -> None:
        """TooLarge where a body is more than its deployment takes; where the body names that, more than any does."""
        deployments = self._plane.deployments
        if found is not None and found.chat is not None and request.deployment is None:
            limit = deployments.largest_body
        else:
            limit = deployments.policy(request.deployment).body_limit
        if size > limit:
            raise TooLarge(
                f"The body is larger than {limit} bytes.",
                remedy=f"Send fewer rows or shorter texts in each request. {BODY_LIMIT}",
            )

    def left(self, found: Found) -> None:
        """Count a caller who hung up before all of his request was there."""
        if found.permission is not None:
            self._plane.answered(found.deployment, LEFT)


def _settle(future: "asyncio.Future[tuple[int, bytes]]", answer: tuple[int, bytes]) -> None:
    if not future.done():  # its caller may have gone
        future.set_result(answer)


def _internal(path: str, error: Exception) -> ModelyardError:
    log_event("serving", "request failed", path=path, error=repr(error))
    return Failed("The server failed.", code="INTERNAL", remedy="See the server's log.")


async def _respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    given = [*headers, *extra_headers(status), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})


def extra_headers(status: int) -> list[tuple[bytes, bytes]]:
    """What HTTP wants said with a status."""
    if status in (429, 503):
        return [_RETRY]
    return [_BEARER] if status == 401 else []
