"""A console for tests: the real application behind a real server, on a port of its own."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import APIRouter, FastAPI

from modelyard.console import Desk, application
from modelyard.core import Clock, ManualClock
from modelyard.operations import carry_out, keys
from modelyard.wiring import Project


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found


@dataclass
class Console:
    """A console that is up."""

    port: int
    folder: Path
    clock: Clock
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, given: Any = None, **headers: str) -> Answer:
        """One request: `given` as the query of a GET, as JSON of anything else; bytes are sent as they are."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        body = given if isinstance(given, bytes) else None
        if method == "GET" and given:
            path = f"{path}?{urlencode(given, doseq=True)}"
        elif body is None and given is not None:
            body, sent = json.dumps(given).encode(), {"content-type": "application/json", **sent}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, given: Any = None, **headers: str) -> Answer:
        return self.ask("GET", path, given, **headers)

    def post(self, path: str, given: Any = None, **headers: str) -> Answer:
        return self.ask("POST", path, {} if given is None else given, **headers)

    def key(self, role: str, *deployments: str, days: int | None = None) -> str:
        """A new key of a role."""
        project = Project(self.folder, clock=self.clock, environment={})
        made = carry_out(
            keys.create_key, project, keys.CreateKey(role, role, deployments, None if days is None else f"{days}d")
        )
        project.close()
        return str(made["key"])


@contextmanager
def console_of(
    folder: Path,
    clock: ManualClock | None = None,
    *routers: APIRouter,
    pages: Callable[[Desk], APIRouter] | None = None,
) -> Iterator[Console]:
    """The console of the project in a folder, for as long as the block lasts."""
    project = Project(folder, clock=clock, environment={})
    app = application(project, *routers, pages=pages)
    try:
        with serving(app) as port:
            yield Console(port, folder, project.clock, app.state.identity.cookie)
    finally:
        project.close()


@contextmanager
def serving(app: FastAPI) -> Iterator[int]:
    """An application on a free port, for as long as the block lasts."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", proxy_headers=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    listening.listen(64)  # who asks before the server is ready waits
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
