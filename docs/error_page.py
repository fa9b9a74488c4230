"""`errors.md`: every code an error may have, from the classes and from where they are raised.

A code is a class's own, or given where an error is raised. What to do is what is said there, with `…` for what is only
known then. Where that is nothing readable, or are too many different things, `advice.yaml` has a sentence.
"""

import ast
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from docs.writing import ADVICE, MADE, advice, first_paragraph, row

import modelyard
from modelyard.cli.edge import Inconclusive, exit_code
from modelyard.console.api import status_of as api_status
from modelyard.core import Conflict, Damaged, Failed, Forbidden, InvalidInput, ModelyardError, NotFound, Unavailable
from modelyard.serving.protocols import status_of as server_status

SOURCES = Path(modelyard.__file__).parent
AT_A_TERMINAL = ("cli", "demo")
"""Rooms whose errors no HTTP caller is ever given."""

SERVING = ("access", "core", "inference", "journal", "online", "routing", "serving")
"""What the server stands on, whose statuses its callers see."""

BRANCHES: dict[type[ModelyardError], str] = {
    InvalidInput: "The caller's. Correct what was sent, typed or written; trying again changes nothing.",
    NotFound: "The caller's. The name is wrong, or the thing is gone; the message lists what there is.",
    Conflict: "Something else was first. Look at how things stand now, then decide again.",
    Forbidden: "A policy says no. Ask for the right or the approval, or change the policy; not a fault.",
    Unavailable: "A part does not answer. Trying again may help; `modelyard doctor` says which part.",
    Damaged: "Stored bytes are not what was written. Nothing damaged is used: restore or build it again.",
    Failed: "A check, gate or step said no, or ended badly. The message says which, and where its log is.",
    Inconclusive: "There was too little to tell. More data, or more time.",
}
_MOST = 4
_MAKERS = {"report": "InvalidProjectFile"}
"""Functions that make an error of a class for whoever raises it."""


@dataclass
class Code:
    """A code: its room, the class that carries it, what is said of what happened, and of what to do."""

    code: str
    room: str
    kind: type[ModelyardError]
    happened: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)


def error_page() -> Iterator[str]:
    """Every code by room, with exit code, HTTP status, what happened and what to do."""
    yield from (
        MADE,
        "",
        "# Errors",
        "",
        "Every error has a code that stays as it is, a message with the values, and a remedy. At a terminal it reads",
        "`Error [CODE]: message` and the remedy below; with `--json`, and over HTTP, it is `error.code`,",
        "`error.message`, `error.remedy`. `…` stands for a value that is known only then: the message has it.",
        "",
        "What kind an error is says whose turn it is:",
        "",
        "| kind | exit code | whose turn it is |",
        "|---|---|---|",
        *(row(_named(kind), str(exit_code(kind(""))), text) for kind, text in BRANCHES.items()),
        "",
        "The server on port 8080 answers what [its table](contracts.md#http) says; the control API on port 8090 does",
        "the same, and 422 for a check that says no. The codes of findings in pipelines are",
        "[rules](pipeline-rules.md).",
    )
    found = codes()
    for room in sorted({each.room for each in found}):
        yield from ("", f"## `{room}`", "", first_paragraph(import_module(f"modelyard.{room}").__doc__), "")
        yield from ("| code | kind | exit | HTTP | what happened | what to do |", "|---|---|---|---|---|---|")
        for each in found:
            if each.room == room:
                yield row(
                    f"`{each.code}`", _named(each.kind), str(exit_code(each.kind(""))), _status(each), *_told(each)
                )


def codes() -> list[Code]:
    """Every code, in the order of the alphabet."""
    classes = {each.__name__: each for each in error_classes()}
    found = {
        each.code: Code(each.code, each.__module__.split(".")[1], each, [first_paragraph(each.__doc__)])
        for each in classes.values()
        if each is not ModelyardError
    }
    of_classes = set(found)
    for file in sorted(SOURCES.rglob("*.py")):
        text = file.read_text()
        if "remedy=" not in text and "code=" not in text:
            continue
        tree = ast.parse(text)
        texts = _Texts(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            given = {each.arg: each.value for each in call.keywords}
            name = ast.unparse(call.func).rpartition(".")[2]
            kind = classes.get(_MAKERS.get(name, name))
            own = given.get("code")
            if isinstance(own, ast.Constant) and kind is not None:
                code = found.setdefault(str(own.value), Code(str(own.value), _room(file), kind))
            elif own is None and kind is not None and kind is not ModelyardError:
                code = found[kind.code]
            else:
                continue
            if call.args and code.code not in of_classes:
                code.happened.append(texts.of(call.args[0]))
            if "remedy" in given:
                code.remedies.append(texts.of(given["remedy"]))
    return sorted(found.values(), key=lambda each: each.code)


def error_classes() -> set[type[ModelyardError]]:
    """Every error class: rooms define theirs in `errors`, the command line beside its exit codes."""
    package = pkgutil.walk_packages(modelyard.__path__, "modelyard.", onerror=lambda _: None)
    modules = [import_module(each.name) for each in package if each.name.endswith((".errors", ".cli.edge"))]
    values = [value for each in modules for value in vars(each).values()]
    return {each for each in values if isinstance(each, type) and issubclass(each, ModelyardError)}


class _Texts:
    """The texts of a file as a reader sees them: `…` for values, names of constants resolved."""

    def __init__(self, tree: ast.Module) -> None:
        assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
        self._constants = {ast.unparse(node.targets[0]): node.value for node in assigned}

    def of(self, node: ast.expr) -> str:
        """What an expression says; empty when nothing of it is known before it happens."""
        said = self._said(node)
        return "" if not said.strip("… .:'\n") else " ".join(said.split())

    def _said(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name) and isinstance(self._constants.get(node.id), ast.Constant | ast.JoinedStr):
            node = self._constants[node.id]
        match node:
            case ast.Constant():
                said = str(node.value)
            case ast.JoinedStr():
                said = "".join(map(self._said, node.values))
            case ast.BinOp(op=ast.Add()):
                said = self._said(node.left) + self._said(node.right)
            case ast.IfExp():
                said = self._said(node.body) or self._said(node.orelse)
            case ast.BoolOp():
                said = self._said(node.values[-1])
            case ast.Call(func=ast.Name(id="did_you_mean")):
                said = "Take one of the names that the message lists."
            case _:
                said = "…"
        return said


def _room(file: Path) -> str:
    return file.relative_to(SOURCES).parts[0].removesuffix(".py")


def _told(code: Code) -> tuple[str, str]:
    """What happened, and what to do."""
    happened = list(dict.fromkeys(each for each in code.happened if each))[:_MOST]
    remedies = list(dict.fromkeys(each for each in code.remedies if each))
    told = bool(happened) and code.code not in ADVICE["happened"]
    said = 0 < len(remedies) <= _MOST and code.code not in ADVICE["errors"]
    return (
        _cell(happened) if told else advice("happened", code.code),
        _cell(remedies) if said else advice("errors", code.code),
    )


def _cell(texts: list[str]) -> str:
    """Texts for a cell of a table: what Markdown or HTML would take for its own is escaped."""
    escaped = [each.translate({ord(sign): f"\\{sign}" for sign in "*_<>[]{}`"}) for each in texts]
    return " · ".join(escaped)


def _named(kind: type[ModelyardError]) -> str:
    """The branch of a class, in words."""
    branch = next((each for each in kind.__mro__ if each in BRANCHES), kind)
    return "".join(f" {each.lower()}" if each.isupper() else each for each in branch.__name__).strip()


def _status(code: Code) -> str:
    if code.room in AT_A_TERMINAL:
        return "-"
    error = code.kind("")
    api, server = api_status(error), server_status(error)
    return f"{server}; API {api}" if code.room in SERVING and api != server else str(api)
