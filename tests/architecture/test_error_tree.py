"""The error tree: one root, a code for each class, a status and an exit code for each branch, remedies that exist."""

import ast
import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modelyard.access import NotAuthenticated, RateLimited
from modelyard.cli.edge import Inconclusive, exit_code
from modelyard.core import (
    Conflict,
    Damaged,
    Failed,
    Forbidden,
    InvalidInput,
    ManualClock,
    ModelyardError,
    NotFound,
    Unavailable,
)
from modelyard.routing import ServingPolicy
from modelyard.serving import DataPlane, HttpServer
from modelyard.serving.errors import MethodNotAllowed, TooLarge, UnsupportedEncoding

from .commands import missing
from .modules import every_module, given_codes, modules_of, trees

LIGHT_ROOMS = ("access", "core", "inference", "journal", "online", "routing", "serving")
"""What the server stands on: their errors can reach a caller."""

STATUSES: dict[type[ModelyardError], int] = {
    TooLarge: 413,
    UnsupportedEncoding: 415,
    NotAuthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    InvalidInput: 400,
    RateLimited: 429,
    Unavailable: 503,
    Damaged: 500,
    Failed: 500,
    ModelyardError: 500,
}
"""The nearest branch decides; 4xx is the caller's to mend, 5xx is ours."""

EXIT_CODES: dict[type[ModelyardError], int] = {
    InvalidInput: 2,
    Forbidden: 4,
    Conflict: 4,
    NotFound: 5,
    Failed: 1,
    Inconclusive: 6,
    Unavailable: 1,
    Damaged: 1,
    ModelyardError: 1,
}

BRANCHES = (InvalidInput, NotFound, Conflict, Forbidden, Unavailable, Damaged, Failed, Inconclusive)
"""The answers a caller can be given; the last at the command line alone."""


def errors() -> list[type[ModelyardError]]:
    """Every error class of the package."""
    return [each for each in exceptions() if issubclass(each, ModelyardError)]


def exceptions() -> list[type[BaseException]]:
    """Every exception class that the package defines, except private ones, which never leave their file."""
    found = {each for module in every_module() for each in vars(module).values() if isinstance(each, type)}
    ours = [each for each in found if issubclass(each, BaseException) and each.__module__.startswith("modelyard.")]
    shown = [each for each in ours if not each.__name__.startswith("_")]
    return sorted(shown, key=lambda each: f"{each.__module__}.{each.__qualname__}")


each_error = pytest.mark.parametrize("error", errors(), ids=lambda error: error.__name__)


def branch(error: type[ModelyardError], table: dict[type[ModelyardError], int]) -> int:
    """What a table says of the nearest class above an error."""
    return next(table[each] for each in error.__mro__ if each in table)


def test_every_error_descends_from_the_one_root() -> None:
    """So that both edges can turn each into an answer."""
    assert [each for each in exceptions() if not issubclass(each, ModelyardError)] == []


def test_every_error_descends_from_a_branch() -> None:
    """A child of the root alone would not tell whose turn it is."""
    assert [each for each in errors() if each is not ModelyardError and not issubclass(each, BRANCHES)] == []


@each_error
def test_an_error_has_a_code_of_its_own(error: type[ModelyardError]) -> None:
    """In capitals, never its parent's, and with a sentence about when it is raised."""
    assert re.fullmatch(r"[A-Z][A-Z_]*[A-Z]", vars(error).get("code", ""))
    assert (vars(error).get("__doc__") or "").strip().endswith(".")


def test_no_two_errors_share_a_code() -> None:
    """Neither classes, nor a code given where an error is raised and a class."""
    classes = Counter(each.code for each in errors())
    assert [code for code, count in classes.items() if count > 1] == []
    assert given_codes() & set(classes) == set()


def test_errors_are_defined_in_the_errors_file_of_their_room() -> None:
    """One place to read what can go wrong in a room; the command line's own stands beside its exit codes."""
    elsewhere = [each for each in errors() if each.__module__.rpartition(".")[2] != "errors"]
    assert elsewhere == [Inconclusive]


@each_error
def test_an_error_ends_a_command_with_the_exit_code_of_its_branch(error: type[ModelyardError]) -> None:
    """Whatever the room it comes from."""
    assert exit_code(error("It is so.")) == branch(error, EXIT_CODES)


def servable() -> list[type[ModelyardError]]:
    """The errors of the rooms that the server stands on."""
    modules = {module.__name__ for room in LIGHT_ROOMS for module in modules_of(room)}
    return [each for each in errors() if each.__module__ in modules]


@pytest.mark.parametrize("error", servable(), ids=lambda error: error.__name__)
def test_an_error_in_the_server_is_answered_with_the_status_of_its_branch(error: type[ModelyardError]) -> None:
    """With its code, its message and its remedy."""
    status, answer = answer_when_raised(error("It is so.", remedy="Do this."))
    assert status == branch(error, STATUSES)
    assert answer == {"error": {"code": error.code, "message": "It is so.", "remedy": "Do this."}}


def answer_when_raised(error: ModelyardError) -> tuple[int, Any]:
    """What the HTTP edge answers when the data plane raises an error."""

    def feedback(_: object) -> None:
        raise error

    found = SimpleNamespace(route=SimpleNamespace(deployment="shop"))
    deployments = SimpleNamespace(feed=None, find=lambda _: found, policy=lambda _: ServingPolicy())
    clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
    plane = SimpleNamespace(
        deployments=deployments, feedback=feedback, now=lambda: 0, answered=lambda *_: None, tracing=None
    )
    app = HttpServer(cast("DataPlane", plane), clock, pepper=None)
    return ask(app, b'{"prediction_id": "a", "label": 1}')


def ask(app: HttpServer, body: bytes) -> tuple[int, Any]:
    """POST to `/feedback`."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "POST", "path": "/feedback", "headers": []}, receive, send))
    return int(sent[0]["status"]), json.loads(sent[1]["body"])


def sentences(tree: ast.Module) -> Iterator[str]:
    """Every string of a file except docstrings; a value inside an f-string becomes VALUE."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "VALUE" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (parts | prose):
            yield node.value


def commands_in(text: str) -> list[str]:
    """The commands in a sentence, each up to the next mark of punctuation."""
    return [each.strip() for each in re.findall(r"\bmodelyard [a-z][^.,;:`()'\n]*", text)]


def test_every_command_in_a_string_exists() -> None:
    """A remedy that cannot be typed is worse than none: noun, verb and flags must be there."""
    written = {
        (file, command) for file, tree in trees().items() for text in sentences(tree) for command in commands_in(text)
    }
    assert len(written) > 15
    assert [(file, command) for file, command in sorted(written) if missing(command)] == []


def test_commands_are_found_in_sentences() -> None:
    """Also in the middle, also with values."""
    tree = ast.parse('"""modelyard docstring"""\nx = f"See: modelyard model show {name} 3. Or modelyard status."')
    assert [each for text in sentences(tree) for each in commands_in(text)] == [
        "modelyard model show VALUE 3",
        "modelyard status",
    ]
    assert missing("modelyard model shew") == ["model shew"]
    assert missing("modelyard status --now") == ["--now"]
