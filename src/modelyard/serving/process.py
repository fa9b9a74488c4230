"""One server process: compose the data plane, follow the feed, answer until told to stop."""

import asyncio
import gc
import math
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from logging import WARNING

import uvicorn

from modelyard.access import Limits, load_pepper
from modelyard.core import Clock, Forbidden, IdSource, Micros, log_event, to_micros
from modelyard.core.processes import when_parent_ends
from modelyard.core.usage import cpu_seconds, memory_bytes
from modelyard.journal import Durability, Journal
from modelyard.online import LOCAL, OnlineStore, OnlineUnavailable, open_online_store
from modelyard.routing import FeedFolder, ServerStatus

from .connection import Connection, sweep
from .dataplane import DataPlane
from .deployments import Deployments
from .http import HttpServer
from .metrics import Metrics, answer_scrapes
from .protocols import GrpcServer
from .settings import ServerOptions
from .tracing import Tracing

FOLLOW_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
SKETCH_SECONDS = 60.0
FRESHNESS_SECONDS = 5.0
STAND_BY_SECONDS = 5.0
KEEP_ALIVE_SECONDS = 75  # what load balancers expect: the client side closes first
_LOCAL = ("127.0.0.1", "localhost", "::1")


class ServerProcess:
    """The parts of one server and the tasks beside its requests."""

    def __init__(self, options: ServerOptions, clock: Clock, ids: IdSource) -> None:
        self._options = options
        self._clock = clock
        self._feed = FeedFolder(options.feed)
        self._online = _online_store(options)
        durability: Durability = "power" if options.durability == "power" else "process"
        self._journal = Journal(options.journal, options.name, clock, durability=durability)
        self._deployments = Deployments(
            self._feed, self._online, only=options.only, probe=options.probe, server=options.name
        )
        self._metrics = Metrics(self._deployments.routes)
        self._tracing = Tracing(options.traces, options.traces_share, options.name) if options.traces else None
        self._pepper = load_pepper(options.pepper) if options.pepper else None
        self._plane = DataPlane(
            self._deployments, self._journal, self._metrics, clock, ids, options.name, self._tracing, self._pepper
        )
        self._http = HttpServer(
            self._plane,
            clock,
            pepper=self._pepper,
            limits=Limits(options.per_key, options.per_source),
            behind_gateway=options.behind_gateway or options.behind_proxy,
            environment=os.environ,
            journal=options.journal,
            durable=durability == "power",
        )
        self._grpc = GrpcServer(self._plane, self._http.authorize)
        self._started = to_micros(clock.now())
        self._stopping = asyncio.Event()
        self._ailing: dict[str, str] = {}
        self._port = options.port

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or, when asked to, the end of standard input; then drain and close."""
        self._deployments.load()
        self._refuse_open_doors()
        self._http.gateway.resume()
        _spare_the_collector()
        await self._start_grpc()
        server = self._uvicorn()
        address = (self._options.host, self._options.port)
        listening = socket.create_server(address, backlog=2048, reuse_port=self._options.worker is not None)
        self._port = listening.getsockname()[1]
        if self._options.worker is None:
            answer_scrapes(
                self._options.host, self._options.metrics_port, self._metrics.registry, tls=self._options.tls
            )
        self._quicken()
        tasks = [
            asyncio.create_task(each)
            for each in (
                self._follow(),
                self._beat(),
                self._plane.shadows.run(),
                self._sweep(server),
                self._freshen(),
                self._stand_by(),
            )
        ]
        self._listen_for_the_end(asyncio.get_running_loop())
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await asyncio.wait([serving, asyncio.create_task(self._stopping.wait())], return_when="FIRST_COMPLETED")
        self._http.draining = True
        server.should_exit = True
        await self._drain(serving)
        await self._http.gateway.close()
        await self._http.embeddings.close()
        for task in tasks:
            task.cancel()
        self._close()

    async def _drain(self, serving: asyncio.Task[None]) -> None:
        """Let what was admitted end, over both transports."""
        seconds = self._options.drain_seconds
        with suppress(asyncio.TimeoutError):
            await asyncio.gather(self._grpc.stop(seconds), asyncio.wait_for(serving, seconds))

    async def _start_grpc(self) -> None:
        if self._options.grpc_port is not None:
            shared = self._options.worker is not None
            await self._grpc.start(
                self._options.host, self._options.grpc_port, share_port=shared, tls=self._options.tls
            )

    def _uvicorn(self) -> uvicorn.Server:
        config = uvicorn.Config(
            self._http,
            http=Connection,
            ssl_certfile=self._options.certificate,
            ssl_keyfile=self._options.private_key,
            proxy_headers=False,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=math.ceil(self._options.drain_seconds),
            server_header=False,
            date_header=False,
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours stop more than the listener
        return server

    async def _follow(self) -> None:
        """Follow the feed; bundles are loaded in a thread while requests go on."""
        segments = self._feed.segments_asked()
        while True:
            if (asked := self._feed.segments_asked()) != segments:
                segments = asked
                self._attempt("segment not ended", self._journal.rotate)
            loaded = self._deployments.load
            if self._deployments.changed() and await asyncio.to_thread(self._attempt, "route not loaded", loaded):
                self._quicken()
                self._report()
                log_event("serving", "route loaded", generations=self._generations())
            await asyncio.sleep(FOLLOW_SECONDS)

    def _quicken(self) -> None:
        """Have trees compiled beside the requests, in a thread that need not end before this process does."""
        threading.Thread(target=self._deployments.quicken, name="quicken", daemon=True).start()

    async def _beat(self) -> None:
        sketched = self._clock.monotonic()
        while True:
            self._report()
            if self._deployments.retired or self._clock.monotonic() - sketched >= SKETCH_SECONDS:
                self._plane.journal_sketches()
                sketched = self._clock.monotonic()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _freshen(self) -> None:
        """Show how fresh the features are, beside the requests: the store may be slow to answer, or away."""
        while True:
            with suppress(OnlineUnavailable):  # whoever asks for features is told
                for view, seconds in (await asyncio.to_thread(self._freshness)).items():
                    self._metrics.fresh(view, seconds)
            await asyncio.sleep(FRESHNESS_SECONDS)

    async def _stand_by(self) -> None:
        """Keep arms that get nothing at the ready."""
        while True:
            await asyncio.sleep(STAND_BY_SECONDS)
            await asyncio.to_thread(self._deployments.try_standing_by)

    def _freshness(self) -> dict[str, float]:
        """How long ago each view that models read was known to be complete, or last pushed to."""
        found = {}
        for name, table in self._deployments.tables().items():
            state = self._online.state(table)
            known = [each for each in (state.until_us, state.newest_us) if each is not None]
            if known:
                found[name] = max(0.0, (self._clock.micros() - max(known)) / 1e6)
        return found

    async def _sweep(self, server: uvicorn.Server) -> None:
        """End the connections of those who take too long to send what they began."""
        while True:
            await asyncio.sleep(1)
            await sweep(
                server.server_state.connections,
                receive_seconds=self._options.receive_seconds,
                idle_seconds=KEEP_ALIVE_SECONDS,
            )

    def _report(self) -> None:
        """Say how this server is, as far as the disk takes it, and do what is due between requests."""
        self._attempt("status not written", self._write_status)
        self._attempt("uses of keys not noted", self._note_uses)
        self._plane.report()

    def _attempt(self, what: str, act: Callable[[], object]) -> bool:
        """Do what the disk may refuse: who follows routes and writes held records must not end with it.

        What fails again and again is logged once for each reason.
        """
        try:
            act()
        except OSError as error:
            if self._ailing.get(what) != str(error):
                self._ailing[what] = str(error)
                log_event("serving", what, level=WARNING, error=str(error))
            return False
        self._ailing.pop(what, None)
        return True

    def _write_status(self) -> None:
        now: Micros = to_micros(self._clock.now())
        feed = self._deployments.feed
        self._feed.write_status(
            ServerStatus(
                server=self._options.name,
                pid=os.getpid(),
                address=f"{'http' if self._options.tls is None else 'https'}://{self._options.host}:{self._port}",
                started_us=self._started,
                heartbeat_us=now,
                feed_revision=feed.revision if feed is not None else 0,
                generations=self._generations(),
                arms=self._deployments.statuses(),
                cpu_seconds=cpu_seconds(),
                memory_bytes=memory_bytes(),
                queue_rows=self._plane.waiting,
            )
        )

    def _note_uses(self) -> None:
        """Note which keys were seen since the last time, beside the feed; no request waits for it."""
        used, self._http.used = self._http.used, {}
        if used:
            self._feed.write_uses(self._options.name, used)

    def _generations(self) -> dict[str, int]:
        return {name: each.route.generation for name, each in self._deployments.current.items()}

    def _refuse_open_doors(self) -> None:
        feed = self._deployments.feed
        if self._options.host in _LOCAL or self._options.behind_gateway:
            return
        if feed is not None and feed.authentication:
            return
        raise Forbidden(
            f"Listening on {self._options.host} without authentication is refused.",
            code="OPEN_DOOR",
            remedy="Set security.authentication: true in modelyard.yaml, or listen on 127.0.0.1.",
        )

    def _listen_for_the_end(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        if self._options.exit_with_parent:
            when_parent_ends(lambda: self._stop_from_thread(loop))

    def _stop_from_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop may have ended first
            loop.call_soon_threadsafe(self._stopping.set)

    def _close(self) -> None:
        self._note_uses()
        self._plane.close()
        self._journal.close()
        if self._tracing is not None:
            self._tracing.close()
        self._feed.remove_status(self._options.name)
        self._online.close()


def _online_store(options: ServerOptions) -> OnlineStore:
    address = LOCAL if options.online_address is None else options.online_address.read_text()
    return open_online_store(address, options.online, readonly=True)


def _spare_the_collector() -> None:
    """What stands after the start stays: let the garbage collector neither walk it nor come by every few requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
