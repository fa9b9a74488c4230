"""Every route and command there is, who may use it, and the file that says so."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click

from modelyard.access import Permission, Role
from modelyard.cli.permitting import permission_of
from modelyard.cli.root import NOUNS, root
from modelyard.console.api.routes import method_of, path_of
from modelyard.console.pages import reference
from modelyard.console.pages.router import _ROOMS
from modelyard.operations import catalogue
from modelyard.serving.openapi import PAGES
from modelyard.serving.protocols import ROUTES
from modelyard.serving.protocols.grpc_server import _PROTOCOLS, HEALTH_SERVICE

FILE = Path(__file__).with_name("matrix.csv")

OPEN, KNOWN, READERS, FILES = "open", "known", "readers", "files"
"""Instead of a permission: open to everybody; to whoever is known; to whoever may read anything, whichever deployments
the key is for; a command on the caller's own files.
"""

HOLDERS = ("none", *Role, "expired", "revoked", "elsewhere")
"""Who asks: with no key, with a good one of each role, and with one of any role that does not count, or not here."""


class Line(NamedTuple):
    """A line of the file."""

    face: str
    route: str
    permission: str
    cells: tuple[str, ...]


def written() -> list[Line]:
    """What the file says."""
    with FILE.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["face", "route", "permission", *HOLDERS]
    return [Line(face, route, permission, tuple(cells)) for face, route, permission, *cells in rows[1:]]


def write(lines: list[Line], file: Path) -> None:
    """Write what is the case, to be read and, where it is meant, to take the place of the file."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["face", "route", "permission", *HOLDERS])
        writer.writerows([each.face, each.route, each.permission, *each.cells] for each in lines)


def declared() -> list[tuple[str, str, str]]:
    """Face, route and permission of everything that can be asked, as the code declares it."""
    faces = {"server": _server(), "grpc": _grpc(), "api": _api(), "page": _pages(), "command": _commands()}
    return [(face, route, permission) for face, routes in faces.items() for route, permission in sorted(routes)]


def commands() -> dict[str, click.Command]:
    """Every command that does something, by its words."""
    context = click.Context(root)
    found: dict[str, click.Command] = {}
    for noun in NOUNS:
        command = root.get_command(context, noun)
        assert command is not None
        found |= {" ".join((noun, *words)): each for words, each in _below(command)}
    return found


def by_rule(permission: str, allowed: Callable[[Role, Permission], bool]) -> tuple[str, ...]:
    """The cells of a route that takes a permission, by what roles may: 401 says who are you, 403 not you."""
    if permission == OPEN:
        return ("may",) * len(HOLDERS)
    if permission == KNOWN:
        return ("401", *["may" for _ in Role], "401", "401", "may")
    asked = Permission.READ if permission == READERS else Permission(permission)
    roles = ["may" if allowed(role, asked) else "403" for role in Role]
    return ("401", *roles, "401", "401", "403/may" if permission == READERS else "403")


def _below(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield words, command
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _below(each, (*words, name))


def _said(permission: Permission | None) -> str:
    return OPEN if permission is None else permission.value


def _server() -> Iterator[tuple[str, str]]:
    for method, path, permission in _native():
        yield f"{method} {path}", permission
        yield f"{method} /deployments/{{model}}{path}", permission
    yield from ((each, "predict") for each in ("POST /v1/chat/completions", "POST /v1/embeddings", "GET /v1/models"))
    yield from ((f"{each.method} {each.template}", _said(each.permission)) for each in (*ROUTES, *PAGES)
                if f"{each.method} {each.template}" != "GET /health")  # fmt: skip


def _native() -> Iterator[tuple[str, str, str]]:
    for path in ("/predict", "/batch_predict", "/features"):
        yield "POST", path, "predict"
    yield "POST", "/feedback", "feedback"
    for path in ("/health", "/livez", "/ready", "/readyz"):
        yield "GET", path, OPEN


def _grpc() -> Iterator[tuple[str, str]]:
    for service, methods in _PROTOCOLS.items():
        yield from ((f"{service}/{name}", _said(each.permission)) for name, each in methods.items())
    yield f"{HEALTH_SERVICE}/Check", OPEN


def _api() -> Iterator[tuple[str, str]]:
    yield from ((f"{method_of(each)} {path_of(each)}", each.permission.value) for each in catalogue() if not each.local)
    yield from (("GET /healthz", OPEN), ("GET /api/v1/openapi.json", KNOWN), ("POST /api/v1/session", OPEN))
    yield from (("GET /api/v1/session", KNOWN), ("DELETE /api/v1/session", KNOWN))


def _pages() -> Iterator[tuple[str, str]]:
    for room in _ROOMS:
        for page in room.PAGES:
            takes = READERS if page in reference.PAGES else "read"
            yield f"GET {page.path}", takes
            yield f"GET /live{page.path}", takes
        files = (*getattr(room, "DOCUMENTS", ()), *getattr(room, "DOWNLOADS", ()))
        yield from ((f"GET {each.path}", "read") for each in files)
        yield from ((f"POST {each.path}", each.operation.permission.value) for each in getattr(room, "ACTIONS", ()))
    yield from ((f"GET {each}", OPEN) for each in ("/static/{digest}/{name}", "/sign-in"))
    yield from ((f"POST {each}", OPEN) for each in ("/sign-in", "/sign-out"))


def _commands() -> Iterator[tuple[str, str]]:
    for words, each in commands().items():
        permission = permission_of(each)
        yield words, FILES if permission is None else permission.value
