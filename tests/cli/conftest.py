"""The command line as the process edge runs it."""

import sys
from collections.abc import Callable

import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root

Command = Callable[..., tuple[int, str, str]]
"""Runs a command by its words: exit code, stdout, stderr."""


@pytest.fixture
def modelyard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command where the test is."""

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", *words])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command
