"""Hostile strings typed as words of every command: a sentence and an exit code, and nothing else.

What commands do with them is asked in `test_hostile_strings.py`; here is what the command line does before and after.
"""

import sys
from pathlib import Path
from typing import Any

import click
import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.operations import Operation

from . import test_hostile_strings as hostile
from .hostile import SECRET, bait, strings

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

CODES = {0, 1, 2, 4, 5, 6}
"""All that a command may end with, but data drift and interruption."""


def command_of(operation: Operation[Any]) -> click.Command:
    """What an operation is typed as."""
    found: click.Command = root
    for word in operation.name.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), word)
        assert inner is not None, operation.name
        found = inner
    return found


def noun_of(operation: Operation[Any]) -> str:
    """The first word that it is typed with."""
    return operation.name.split()[0]


def words_of(operation: Operation[Any], field: str, text: str) -> list[str] | None:
    """How a command is typed with a hostile field; None where it is not typed, or may be a file that is to be read."""
    command = command_of(operation)
    params = {each.name: each for each in command.params}
    if field not in params or "FILE" in (params[field].metavar or ""):
        return None
    words = operation.name.split()
    places = []
    for name, param in params.items():
        if name != field and not (param.required or (isinstance(param, click.Argument) and param.default is None)):
            continue
        value = text if name == field else hostile.REAL.get(name or "", "1")
        if isinstance(param, click.Argument):
            places.append(value)
        else:
            words.append(f"{max(param.opts, key=len)}={value}")
    return [*words, "--", *places] if places else words


class Terminal:
    """Types commands in a project's folder, and tells what is wrong with how they end."""

    def __init__(self, secret: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.ended: dict[int, int] = {}
        self._secret = secret
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def wrong(self, words: list[str], text: str) -> list[str]:
        """Nothing, when it ends with a code and a sentence."""
        self._monkeypatch.setattr(sys, "argv", ["modelyard", *words])
        self._monkeypatch.setattr(hostile, "OPENED", [])
        try:
            code = run(root)
        except Exception as error:
            self._capsys.readouterr()
            return [f"{words[:3]} {text[:40]!r} ended in {error!r:.300}"]
        finally:
            opened, hostile.OPENED = hostile.OPENED or [], None
        out, err = self._capsys.readouterr()
        self.ended[code] = self.ended.get(code, 0) + 1
        found = []
        if code not in CODES:
            found.append(f"ended with {code}")
        if "Traceback" in err:
            found.append("showed a traceback")
        if code and len(err) > hostile.LONGEST:
            found.append(f"said {len(err)} characters")
        if any(each in err for each in "\r\x1b\x07\u202e"):
            found.append("moved the cursor")
        if SECRET in out + err or any(str(self._secret.parent) in str(hostile._resolved(each)) for each in opened):
            found.append("opened what is outside")
        return [f"{words[:3]} {text[:40]!r} {each}" for each in found]


@pytest.fixture
def terminal(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """In the folder of a trained project."""
    monkeypatch.chdir(shop)
    monkeypatch.setenv("COLUMNS", "200")
    return Terminal(bait(tmp_path), monkeypatch, capsys)


def typed(terminal: Terminal, secret: Path, step: int, noun: str = "") -> tuple[list[str], int]:
    """Type every `step`-th pair of a field and a string, of all commands or a noun's; what was wrong, and how many."""
    pairs = [
        (words, text)
        for field in hostile.fields()
        if noun in ("", noun_of(field[0]))
        for text in strings(secret).values()
        if (words := words_of(*field, text)) is not None
    ][::step]
    return [wrong for each in pairs for wrong in terminal.wrong(*each)], len(pairs)


def test_hostile_words_end_in_a_sentence(terminal: Terminal, tmp_path: Path) -> None:
    """Every 61st pair of a field and a string."""
    found, count = typed(terminal, tmp_path / "outside" / "secret", 61)
    assert found == []
    assert terminal.ended.get(2, 0) > count * 0.1


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("noun", sorted({noun_of(operation) for operation, _ in hostile.fields()}))
def test_every_hostile_word(terminal: Terminal, tmp_path: Path, noun: str) -> None:
    """None left out."""
    found, count = typed(terminal, tmp_path / "outside" / "secret", 1, noun)
    print(f"{noun}: {count} words, ended with {terminal.ended}")  # noqa: T201 - the figure, with `pytest -s`
    assert found == []
