"""Hostile strings in every field of every command: refused as the caller's fault, and nothing else happens.

The command line and the control API make their parameters of the same operations, so what is asked here is asked there.
Of the data plane: `tests/serving/test_hostile_bodies.py` and `tests/serving/test_hostile_features.py`.
"""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from sqlalchemy import Engine, event

from modelyard.access import Permission
from modelyard.console.api.answers import status_of
from modelyard.core import ModelyardError, errors
from modelyard.operations import Operation, carry_out, catalogue, contract
from modelyard.wiring import Project

from .hostile import SECRET, bait, strings

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

REAL = {"deployment": "shop", "name": "purchase", "model": "purchase@1", "version": "1", "pipeline": "training"}
"""Values of the fields beside a hostile one, where a command only reads."""

ITS_OWN = {
    ("deploy smoke", "url"),
    ("features push", "source"),
    ("label add", "file"),
    ("llm register", "guards"),
    ("log ingest", "source"),
    ("log query", "sql"),
    ("log ship", "to"),
    ("stream", "source"),
    ("stream", "output"),
    ("model register", "run"),
}
"""Fields that are a file of the user's, a program, or an address to ask: these have tests of their own."""

LONGEST = 20_000
"""Characters of a message, however long what it is about."""

OPENED: list[str] | None = None
"""What is opened, while somebody wants to know."""


def watch(name: str, given: tuple[Any, ...]) -> None:
    """An audit hook (PEP 578), which stays for the life of the process."""
    if OPENED is not None and name in ("open", "os.listdir", "os.scandir", "sqlite3.connect", "shutil.copyfile"):
        OPENED.append(str(given[0]))


sys.addaudithook(watch)


def fields() -> list[tuple[Operation[Any], str]]:
    """Every field of every command that takes text; paths of this machine's files are what their user says."""
    found = []
    for each in catalogue():
        hints = get_type_hints(each.input_type)
        names = [field.name for field in dataclasses.fields(each.input_type) if "str" in str(hints[field.name])]
        found += [(each, name) for name in names if (each.name, name) not in ITS_OWN]
    return found


def given(operation: Operation[Any], name: str, text: str, folder: Path) -> Any:
    """An input with one hostile field."""
    hints = get_type_hints(operation.input_type)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(operation.input_type):
        kind = str(hints[field.name])
        if field.name == name:
            values[name] = (text,) if "tuple" in kind else text
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            harmless = _harmless(operation, field.name, kind, folder)
            values[field.name] = (harmless,) if "tuple" in kind else harmless
    return operation.input_type(**values)


def _harmless(operation: Operation[Any], name: str, kind: str, folder: Path) -> Any:
    """What stands beside a hostile field."""
    if "Path" in kind:
        return folder / "nosuch"
    if "int" in kind:
        return 1
    return REAL.get(name, "nosuch") if operation.permission is Permission.READ else "nosuch"


@dataclasses.dataclass
class Yard:
    """A trained project, the secret beside it, and what its databases were asked."""

    project: Project
    secret: Path
    asked: list[str]
    refused: int = 0

    def wrong(self, operation: Operation[Any], name: str, text: str) -> list[str]:
        """What is wrong with how a command takes a string: nothing, when it is refused, or is but a text to it."""
        global OPENED  # noqa: PLW0603 - a hook cannot be taken away again
        OPENED = []
        self.asked.clear()
        error: Exception | None = None
        try:
            said = str(carry_out(operation, self.project, given(operation, name, text, self.project.workspace)))
        except Exception as raised:
            error, said = raised, str(raised)
        finally:
            opened, OPENED = OPENED, None
        self.refused += error is not None
        found = []
        if error is not None and not (
            isinstance(error, ModelyardError) and status_of(error) in (*range(400, 500), 503)
        ):
            found.append(f"ended in {error!r:.300}")
        if error is not None and len(said) > LONGEST:
            found.append(f"said {len(said)} characters")
        if SECRET in said or any(str(self.secret.parent) in str(_resolved(each)) for each in opened):
            found.append("opened what is outside")
        if len(text) > 2 and any(text in each for each in self.asked):
            found.append("changed the text of SQL")
        return [f"{operation.name} {name}={text[:40]!r} {each}" for each in found]


def _resolved(path: str) -> Path:
    return Path(path.replace("\0", "")).resolve()


@pytest.fixture
def yard(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    """Open for the length of a test, in a folder of its own: names that are no paths are folders here."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    secret = bait(tmp_path)
    project = Project(shop, environment={})
    event.listen(Engine, "before_cursor_execute", note)
    yield Yard(project, secret, asked)
    event.remove(Engine, "before_cursor_execute", note)
    project.close()


def wrongs(yard: Yard, step: int) -> tuple[list[str], int]:
    """Ask with every `step`-th pair of field and string; what was wrong, and how many were asked."""
    pairs = [(*field, text) for field in fields() for text in strings(yard.secret).values()][::step]
    return [wrong for each in pairs for wrong in yard.wrong(*each)], len(pairs)


def test_hostile_strings_are_the_callers_fault(yard: Yard) -> None:
    """Every 13th pair of a field and a string, so that each field gets some and each string most fields."""
    found, asked = wrongs(yard, 13)
    assert found == []
    assert yard.refused > asked * 0.6


def test_without_their_guards_strings_do_harm(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a character ends in a traceback; a name of a megabyte comes back whole."""
    listing = next(each for each, _ in fields() if each.name == "model list")
    showing = next(each for each, _ in fields() if each.name == "pipeline show")
    half, large = strings(yard.secret)["half a character"], strings(yard.secret)["a megabyte"]
    assert yard.wrong(listing, "name", half) == yard.wrong(showing, "name", large) == []
    monkeypatch.setattr(contract, "_require_text", lambda given: None)
    monkeypatch.setattr(errors, "_bounded", lambda text: text)
    assert "UnicodeEncodeError" in yard.wrong(listing, "name", half)[0]
    assert "said" in yard.wrong(showing, "name", large)[0]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_string_in_every_field(yard: Yard) -> None:
    """None left out."""
    found, asked = wrongs(yard, 1)
    print(f"{asked} strings in {len(fields())} fields, {yard.refused} refused")  # noqa: T201 - the figure
    assert found == []
