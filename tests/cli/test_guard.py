"""`modelyard guard`: a text or standard input, sets with every error and its line, exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from modelyard.cli.guard import command
from modelyard.core import InvalidInput


def test_standard_input_is_checked_and_what_may_leave_is_printed() -> None:
    """Findings go to stderr, the text to stdout; 1 when something was found, 0 when not."""
    found = CliRunner().invoke(command, ["check", "-"], input="to a@b.co\n")
    assert (found.exit_code, found.stdout) == (1, "to [EMAIL]\n")
    assert "redact: email (personal_data) at 3-9" in found.stderr
    clean = CliRunner().invoke(command, ["check", "nothing here"])
    assert (clean.exit_code, clean.stdout, clean.stderr) == (0, "nothing here\n", "pass\n")


def test_json_is_one_document() -> None:
    """With the digest of the set."""
    found = CliRunner().invoke(command, ["check", "card 4111111111111111", "--json"])
    document = json.loads(found.stdout)
    shown = json.loads(CliRunner().invoke(command, ["show", "--json"]).stdout)
    assert document["set"] == shown["set"]
    assert (document["text"], document["verdict"]) == ("card [CARD]", "fail")


def test_every_error_of_a_set_has_its_line(tmp_path: Path) -> None:
    """Two wrong things are told at once."""
    file = tmp_path / "guards.yaml"
    file.write_text("fail_closed: perhaps\nguards:\n  - guard: secrets\n    actoin: flag\n")
    with pytest.raises(InvalidInput) as caught:
        CliRunner().invoke(command, ["check", "x", "--set", str(file)], catch_exceptions=False)
    assert f"{file}:1: fail_closed" in caught.value.message
    assert f"{file}:4: guards.0" in caught.value.message


def test_an_answer_is_held_against_files(tmp_path: Path) -> None:
    """The chunks that `support` asks for."""
    (tmp_path / "page.txt").write_text("Cats eat mice at night.")
    (tmp_path / "guards.yaml").write_text("guards: [{guard: support, action: flag}]\n")
    given = ["check", "--set", str(tmp_path / "guards.yaml"), "--chunk", str(tmp_path / "page.txt")]
    assert CliRunner().invoke(command, [*given, "At night cats eat mice."]).exit_code == 0
    assert CliRunner().invoke(command, [*given, "Dogs chase postmen through town."]).exit_code == 1
    assert CliRunner().invoke(command, [*given, "--on", "input", "Dogs chase postmen."]).exit_code == 6


def test_a_guard_of_injections_wants_the_bundles_that_it_names(tmp_path: Path) -> None:
    """Without them nothing is checked, and it is told what to give; one alone is a mistake."""
    file = tmp_path / "guards.yaml"
    file.write_text(f"guards: [{{guard: injection, embedder: {'a' * 64}, classifier: {'b' * 64}}}]\n")
    with pytest.raises(InvalidInput, match="there is none") as caught:
        CliRunner().invoke(command, ["check", "--set", str(file), "hello"], catch_exceptions=False)
    assert "--embedder FOLDER --classifier FOLDER" in caught.value.remedy
    one = CliRunner().invoke(command, ["check", "--set", str(file), "--embedder", str(tmp_path), "hello"])
    assert (one.exit_code, "go together" in one.stderr) == (2, True)
