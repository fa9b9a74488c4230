"""Who may what: every route and command, every role, every key that does not count, against one file that was read."""

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import MISSING, fields
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlencode

import click
import grpc
import msgspec
import pytest
from click.testing import CliRunner
from fastapi.routing import iter_route_contexts

from modelyard.access import (
    ROLE_PERMISSIONS,
    Permission,
    Principal,
    Role,
    RouteWithoutPolicy,
    StoredKey,
    authorize,
    load_pepper,
    local_principal,
    mint_key,
)
from modelyard.bundling import BuiltBundle
from modelyard.cli import permitting
from modelyard.cli.root import root
from modelyard.console import application
from modelyard.console.api.routes import path_of
from modelyard.console.pages.security import Seals
from modelyard.control import free_port
from modelyard.core import ManualClock, Micros, ModelyardError, to_micros
from modelyard.operations import Operation, catalogue, write_template
from modelyard.routing import KeyEntry
from modelyard.serving.http import HttpServer
from modelyard.serving.opened import OPEN_TO_ALL, require_policies
from modelyard.serving.protocols.grpc_server import _PROTOCOLS
from modelyard.wiring import KEYS, Project

from ..conftest import NOON
from ..console.serving import console_of
from ..serving.harness import Server, live
from . import matrix
from .matrix import FILES, HOLDERS, Line

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

Asks = Callable[[str, str, str | None], str]
"""A route asked by a holder with a token; what came of it: `may`, `401`, `403`."""

NOW = to_micros(NOON)
HOUR = 3_600_000_000


def test_every_route_and_command_stands_in_the_matrix() -> None:
    """A new one, one that is gone, or one that takes another permission: change the file, and have it read."""
    assert [line[:3] for line in matrix.written()] == matrix.declared()


def test_the_matrix_follows_from_what_roles_may() -> None:
    """No cell was widened by hand; of commands only roles are told, for keys are not shown on the command line."""
    for line in matrix.written():
        if line.permission == FILES:
            assert set(line.cells) == {"may"}, line
            continue
        cells = matrix.by_rule(line.permission, lambda role, permission: permission in ROLE_PERMISSIONS[role])
        assert line.cells == (("-", *cells[1:6], "-", "-", "-") if line.face == "command" else cells), line


def test_the_matrix_has_every_route_that_the_applications_have(tmp_path: Path) -> None:
    """Whoever adds one beside the tables that the matrix is made of is found, too."""
    write_template("minimal", tmp_path)
    project = Project(tmp_path, clock=ManualClock(NOON), environment={})
    app = application(project)
    shown = {
        f"{method} {each.path}"
        for each in iter_route_contexts(app.routes)
        for method in getattr(each.original_route, "methods", ())
        if method != "HEAD"
    }
    project.close()
    known = {line.route for line in matrix.written() if line.face in ("api", "page")}
    assert shown == known
    plane: Any = None
    server = HttpServer(plane, ManualClock(NOON), pepper=None)
    served = {f"{name} {_or_open(permission)}" for name, permission in server.policies}
    assert served <= {f"{line.route} {line.permission}" for line in matrix.written() if line.face == "server"}


def _or_open(permission: Permission | None) -> str:
    return matrix.OPEN if permission is None else permission.value


def test_a_route_of_the_server_that_nobody_opened_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a permission it must be written down twice that it is open; over gRPC, too."""
    with pytest.raises(ModelyardError, match=r"GET /secrets says of nobody") as told:
        require_policies([("GET /health", None), ("GET /secrets", None)])
    assert told.value.code == "ROUTE_WITHOUT_POLICY"
    plane: Any = None  # nothing is asked of it before it serves
    monkeypatch.setattr("modelyard.serving.opened.OPEN_TO_ALL", OPEN_TO_ALL - {"GET /ping"})
    with pytest.raises(ModelyardError, match="GET /ping says of nobody"):
        HttpServer(plane, ManualClock(NOON), pepper=None)


def test_a_command_that_says_nothing_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even its help: the noun is refused as soon as it is found."""
    group = click.Group("key", commands={"leak": click.Command("leak", callback=lambda: None)})
    monkeypatch.setattr("modelyard.cli.key.command", group)
    told = CliRunner().invoke(root, ["key", "leak"])
    assert isinstance(told.exception, RouteWithoutPolicy)
    permitting.takes(None)(group.commands["leak"])
    assert CliRunner().invoke(root, ["key", "leak"]).exit_code == 0


# Asking everything, in earnest.


def tokens(pepper: bytes, keep: Callable[[StoredKey, str], object]) -> dict[str, list[str | None]]:
    """For each holder its tokens: one of the role, or, of keys that do not count, one of every role."""
    found: dict[str, list[str | None]] = {"none": [None]}
    for role, kind in itertools.product(Role, ("good", "expired", "revoked", "elsewhere")):
        token, key = mint_key(f"{kind}-{role}", role, pepper, now=Micros(NOW - HOUR), created_by="test")
        if kind == "expired":
            key = replace_key(key, expires_us=Micros(NOW - 1))
        if kind == "revoked":
            key = replace_key(key, revoked_us=Micros(NOW - 1))
        if kind == "elsewhere":
            key = replace_key(key, deployments=("elsewhere",))
        keep(key, kind)
        found.setdefault(role.value if kind == "good" else kind, []).append(token)
    return found


def replace_key(key: StoredKey, **changes: Any) -> StoredKey:
    return msgspec.structs.replace(key, **changes)


def compared(faces: set[str], ask: Asks, held: Mapping[str, list[str | None]], told: Path) -> None:
    """Ask every route of some faces as everybody; the lines of the file must say what came of it."""
    expected = [line for line in matrix.written() if line.face in faces]
    found = []
    for line in expected:
        cells = tuple(
            "/".join(sorted({ask(line.route, holder, token) for token in held[holder]})) for holder in HOLDERS
        )
        found.append(Line(*line[:3], cells))
    matrix.write(found, told)
    assert found == expected, f"what is the case stands in {told}"


def outcome(status: int) -> str:
    return str(status) if status in (401, 403) else "may"


@pytest.mark.long
def test_the_server_answers_as_the_matrix_says(tmp_path: Path, built: BuiltBundle) -> None:
    """A real process, over HTTP and gRPC: nobody else gets past the door, whatever he sends."""
    pepper, entries = load_pepper(tmp_path / "pepper"), list[KeyEntry]()

    def keep(key: StoredKey, kind: str) -> None:
        expires = Micros(1) if kind == "expired" else None  # the server's clock is the machine's
        if kind != "revoked":
            entries.append(KeyEntry(key.key_id, key.digest, key.role.value, key.deployments, expires))

    held = tokens(pepper, keep)
    grpc_port = free_port()
    server = Server(tmp_path, options=(f"--pepper={tmp_path / 'pepper'}", f"--grpc-port={grpc_port}"))
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built), keys=tuple(entries), authentication=True)
    server.start()
    client = HTTPConnection("127.0.0.1", server.port, timeout=20)

    def ask(route: str, _: str, token: str | None) -> str:
        method, path = route.split()
        for name, value in {"model": "fraud", "version": "1", "label": "live"}.items():
            path = path.replace(f"{{{name}}}", value)
        client.request(method, path, b"" if method == "POST" else None, bearer(token))
        answer = client.getresponse()
        answer.read()
        return outcome(answer.status)

    try:
        compared({"server"}, ask, held, tmp_path / "server.csv")
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            compared({"grpc"}, lambda route, _, token: over_grpc(channel, route, token), held, tmp_path / "grpc.csv")
    finally:
        client.close()
        server.stop()


def over_grpc(channel: grpc.Channel, route: str, token: str | None) -> str:
    service, _, name = route.partition("/")
    request = _PROTOCOLS[service][name].request() if service in _PROTOCOLS else None
    if request is not None and "model_name" in request.DESCRIPTOR.fields_by_name:
        request.model_name = "fraud"
    elif request is not None and "model_spec" in request.DESCRIPTOR.fields_by_name:
        request.model_spec.name = "fraud"
    raw = b"" if request is None else request.SerializeToString()
    metadata = tuple((each.lower(), value) for each, value in bearer(token).items())
    if name == "ModelStreamInfer":
        stream = channel.stream_stream(f"/{route}", lambda each: each, lambda each: each)
        (answer,) = stream(iter([raw]), metadata=metadata, timeout=10)
        said = bytes(answer).decode("utf-8", "replace")
        return "401" if "API key" in said else "403" if re.search("may not|is for elsewhere", said) else "may"
    try:
        channel.unary_unary(f"/{route}", lambda each: each, lambda each: each)(raw, metadata=metadata, timeout=10)
    except grpc.RpcError as error:
        refused = {grpc.StatusCode.UNAUTHENTICATED: "401", grpc.StatusCode.PERMISSION_DENIED: "403"}
        return refused.get(error.code(), "may")
    return "may"


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@pytest.mark.long
def test_the_console_answers_as_the_matrix_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """API and pages of the real application over HTTP; what may be done is asked so that it does nothing."""
    with guarded(tmp_path, monkeypatch) as (port, held, seals):
        ask = Asker(port, seals, str(held["operator"][0]))
        with closing(ask.client):
            compared({"api"}, ask.api, held, tmp_path / "api.csv")
            compared({"page"}, ask.page, held, tmp_path / "page.csv")


@contextmanager
def guarded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, dict[str, list[str | None]], Seals]]:
    """A console that asks for keys, with one of every kind, and what seals its forms."""
    write_template("minimal", folder / "shop")
    with (folder / "shop" / "modelyard.yaml").open("a") as file:
        file.write("\ncontrol: {authentication: true}\n")
    clock = ManualClock(NOON)
    project = Project(folder / "shop", clock=clock, environment={})
    with project.records.transaction() as tx:
        held = tokens(
            load_pepper(project.run_folder / "pepper"),
            lambda key, _: tx.put(KEYS, key.key_id, msgspec.to_builtins(key)),
        )
    project.close()
    monkeypatch.setattr("modelyard.console.pages.router.secrets.token_bytes", lambda count: b"s" * count)

    with console_of(folder / "shop", clock) as console:
        yield console.port, held, Seals(b"s" * 32)


class Asker:
    """Asks the console, in ways that change nothing."""

    def __init__(self, port: int, seals: Seals, good: str) -> None:
        self._seals = seals
        self._good = good
        self._operations = {path_of(each): each for each in catalogue()}
        self.client = HTTPConnection("127.0.0.1", port, timeout=60)

    def api(self, route: str, holder: str, token: str | None) -> str:
        """Who may is told that there is no such field; whether it is about his deployment only a right input tells."""
        method, path = route.split()
        body: dict[str, Any] = {"key": self._good} if route == "POST /api/v1/session" else {}
        if (operation := self._operations.get(path)) is not None:
            body = least(operation) if holder == "elsewhere" else {"no_such_field": 1}
        if method == "GET":
            path, sent = f"{path}?{urlencode(body, doseq=True)}", None
        else:
            sent = json.dumps(body)
        return outcome(self._ask(method, path, sent, token, "application/json")[0])

    def page(self, route: str, _: str, token: str | None) -> str:
        """Of forms the next page tells what became of them."""
        method, path = route.split()
        path = re.sub(r"\{\w+\}", "shop", path) + ("?r.shop=on" if path.endswith("/runs/compare") else "")
        form = {"key": self._good, "token": "" if token is None else self._seals.token(holder_of(token))}
        sent = urlencode(form) if method == "POST" else None
        status, cookies = self._ask(method, path, sent, token, "application/x-www-form-urlencoded")
        said = next((each for each in cookies if each.startswith("modelyard_said=")), None)
        if said is None or '""' in said:
            return outcome(status)
        kind, text, _ = json.loads(base64.urlsafe_b64decode(said.partition("=")[2].strip('"').partition(".")[0]))
        return "403" if kind == "bad" and re.search(r" may not | is for elsewhere", text) else "may"

    def _ask(self, method: str, path: str, sent: str | None, token: str | None, kind: str) -> tuple[int, list[str]]:
        self.client.request(method, path, sent, {**bearer(token), "Content-Type": kind})
        answer = self.client.getresponse()
        told = {name.lower(): value for name, value in answer.headers.items()}
        if answer.headers.get_content_type() == "text/event-stream":
            answer.close()  # it would go on
            self.client.close()
        else:
            guarded_page(answer.headers.get_content_type(), told, answer.read().decode("utf-8", "replace"))
        return answer.status, answer.headers.get_all("set-cookie") or []


def guarded_page(kind: str, headers: Mapping[str, str], body: str) -> None:
    """No page, whoever gets it and whatever it says, runs a script that does not come from the console's own files."""
    if kind != "text/html":
        return
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert headers["x-content-type-options"] == "nosniff"
    scripts = re.findall(r"<script\b[^>]*>", body)
    assert [each for each in scripts if "src=" not in each and "application/json" not in each] == []
    assert not re.search(r"\son\w+\s*=\s*[\"']", body)


def holder_of(token: str) -> Principal:
    return Principal(token.split("_")[1], (), "key")


def least(operation: Operation[Any]) -> dict[str, Any]:
    """The smallest input that an operation takes, about the deployment of another."""
    kinds, found = get_type_hints(operation.input_type), {}
    for each in fields(operation.input_type):
        if each.name == "deployment":
            found[each.name] = ["shop"] if kinds[each.name] is not str and "tuple" in str(kinds[each.name]) else "shop"
        elif each.default is MISSING and each.default_factory is MISSING:
            found[each.name] = _value(kinds[each.name])
    return found


def _value(kind: Any) -> Any:
    if "tuple" in str(kind):
        return ["x"]
    return {} if "Mapping" in str(kind) or "dict" in str(kind) else 1 if kind in (int, float) else "x"


@pytest.mark.long
def test_the_command_line_obeys_as_the_matrix_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command with its arguments, as a user of each role; whoever is let in is stopped right behind the door."""
    write_template("minimal", tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    catalogue()  # what is imported later would take the stand-ins for what they stand for
    matrix.commands()
    opened = {role: AsRole(tmp_path / "shop", role) for role in Role}
    for place in DOORS:
        monkeypatch.setattr(place, stopping)
    for line in matrix.written():
        if line.face != "command" or line.permission == FILES:
            continue
        cells = []
        for role in Role:
            for place in OPENERS:
                monkeypatch.setattr(place, opened[role])
            cells.append(commanded(line.route))
        assert tuple(cells) == line.cells[1:6], line
    for each in opened.values():
        each.project.close()


DOORS = (
    "modelyard.access.authorize",
    "modelyard.operations.contract.authorize",
    "modelyard.operations.signatures.authorize",
    "modelyard.operations.checks.authorize",
)
"""Where commands ask whether they may."""


OPENERS = ("modelyard.wiring.Project", "modelyard.operations.signatures.Project", "modelyard.operations.checks.Project")
"""Where they open the project."""


class LetIn(ModelyardError):
    """Somebody may."""


def stopping(principal: Principal, permission: Permission, **about: Any) -> None:
    authorize(principal, permission, **about)
    raise LetIn("Come in.")


class AsRole:
    """Opens a project for a user of one role; it is the same project each time."""

    def __init__(self, folder: Path, role: Role) -> None:
        self.project = Project(folder, environment={}, principal=Principal(local_principal().name, (role,), "os"))

    def __call__(self, *_: object, **__: object) -> "AsRole":
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.project, name)

    def close(self) -> None:
        """It is needed again."""


GIVEN = {
    "deploy": ["--model", "x", "--version", "1", "--env", "staging"],
    "bundle sign": ["models:/x/1"],
    "model gate": ["x", "1", "--min-auc", "0.5"],
    "data validate": ["visits"],
    "pipeline validate": ["training"],
    "rollout experiment analyze": ["shop"],
}
"""Arguments of commands that look at them before they ask."""


def commanded(words: str) -> str:
    """Run a command as the process edge does, with the least that it takes."""
    command = matrix.commands()[words]
    arguments = GIVEN.get(words, [text for each in command.params for text in needed(each)])
    told = CliRunner().invoke(root, [*words.split(), *arguments])
    if isinstance(told.exception, LetIn):
        return "may"
    assert isinstance(told.exception, ModelyardError), (words, told.output, told.exception)
    assert told.exception.code == "PERMISSION_DENIED", (words, told.exception)
    return "403"


def needed(parameter: click.Parameter) -> list[str]:
    if not parameter.required:
        return []
    value = "1" if parameter.type in (click.INT, click.FLOAT) else "x"
    if isinstance(parameter.type, click.Choice):
        value = str(parameter.type.choices[0])
    return [value] if isinstance(parameter, click.Argument) else [parameter.opts[0], value]
