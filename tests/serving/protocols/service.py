"""A real data plane in a thread of its own, behind a throwaway HTTP edge and the gRPC server."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

from modelyard.access import NotAuthenticated, Permission
from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock, ModelyardError, SeededIds
from modelyard.history import PredictionLog
from modelyard.journal import Journal
from modelyard.online import LocalOnlineStore
from modelyard.routing import Arm, Feed, FeedFolder, Route, ServingPolicy
from modelyard.serving.dataplane import DataPlane
from modelyard.serving.deployments import Deployments
from modelyard.serving.metrics import Metrics
from modelyard.serving.protocols import ROUTES, Call, GrpcServer, Reply, RouteTable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROWS_LIMIT = 50
TABLE = RouteTable(ROUTES)


def live(bundle: BuiltBundle, version: str = "1", weight: float = 1.0) -> Arm:
    """The live arm."""
    return Arm("live", "live", version, bundle.digest, weight)


def route(name: str, *arms: Arm) -> Route:
    """The route of a deployment that takes event times from requests."""
    return Route(name, f"{name}-model", 1, arms, "salt", assign_by="customer", clock="request")


class Service:
    """Serves routes until closed; `ask` reaches the handlers without a socket."""

    def __init__(
        self,
        folder: Path,
        routes: tuple[Route, ...],
        bundles: tuple[BuiltBundle, ...],
        clock: ManualClock,
        policies: Mapping[str, ServingPolicy] | None = None,
    ):
        self._folder = folder
        feed = FeedFolder(folder / "feed")
        for bundle in bundles:
            feed.put_bundle(bundle.path, bundle.digest)
        declared = {each.deployment: ServingPolicy(rows_limit=ROWS_LIMIT) for each in routes} | dict(policies or {})
        feed.publish(Feed(1, routes, policies=declared))
        self._online = LocalOnlineStore(folder / "online")
        self._journal = Journal(folder / "journal", "server-1", clock)
        deployments = Deployments(feed, self._online)
        self.plane = DataPlane(deployments, self._journal, Metrics(), clock, SeededIds(0), "server-1")
        deployments.load()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.grpc_port = 0
        self.draining = False
        self.token: str | None = None
        self._started, self._ending = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def start(self) -> None:
        """Return when both ports answer."""
        self._thread.start()
        assert self._started.wait(10)

    def close(self) -> PredictionLog:
        """Stop, and give what was recorded."""
        self.loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)
        return PredictionLog(self._folder / "journal", self._folder / "log")

    def run(self, work: Awaitable[Any]) -> Any:
        """Do something on the service's loop."""

        async def whole() -> Any:
            return await work

        future: Future[Any] = asyncio.run_coroutine_threadsafe(whole(), self.loop)
        return future.result(20)

    def ask(
        self, method: str, path: str, body: object = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any, Reply]:
        """The reply to a request: its status, its JSON if it is some, and itself. Nothing but ours is caught."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = self.run(self.reply(Call(method, headers=headers or {}, body=raw, loopback=True), path))
        kind = reply.headers["content-type"]
        return (
            reply.status,
            json.loads(reply.body) if kind == "application/json" and reply.body.strip() else None,
            reply,
        )

    async def reply(self, call: Call, path: str) -> Reply:
        """What the HTTP edge does: find the route, hand over the call, put errors into the protocol's words."""
        try:
            found = TABLE.find(call.method, path)
        except ModelyardError as error:
            return Reply(404, {"content-type": "text/plain"}, str(error).encode())
        if found is None:
            return Reply(404, {"content-type": "text/plain"}, b"no such path")
        here, parts = found
        try:
            known = replace(call, parts=parts, rows_limit=ROWS_LIMIT, draining=self.draining)
            return await here.handler(self.plane, known)
        except ModelyardError as error:
            return here.error_reply(error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same as an ASGI application."""
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        call = Call(scope["method"], query=query, headers=headers, body=body, loopback=True)
        reply = await self.reply(call, scope["path"])
        sent = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        sent.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": sent})
        await send({"type": "http.response.body", "body": reply.body})

    def authorize(
        self, token: str | None, _permission: Permission, _deployment: str | None, _at: str, _for: str | None
    ) -> None:
        """Whether a token may, when one is asked for at all."""
        if self.token not in (None, token):
            raise NotAuthenticated("There is no such key.", remedy="Ask for one.")

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        config = uvicorn.Config(self, log_level="warning", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve(sockets=[self.listening]))
        self.grpc = GrpcServer(self.plane, self.authorize)
        self.grpc_port = await self.grpc.start("127.0.0.1", 0)
        while not server.started:
            await asyncio.sleep(0.01)
        self._started.set()
        await self._ending.wait()
        await self.grpc.stop(1)
        server.should_exit = True
        await serving
        self.plane.close()
        self._journal.close()
        self._online.close()
