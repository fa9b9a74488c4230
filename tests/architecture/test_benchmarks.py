"""Every benchmark is on the page and among the short forms, and what is left out is said."""

import ast
import json
from pathlib import Path

import click
import pytest
from benchmarks import quick
from benchmarks.environments import PEERS
from benchmarks.figures import left_out
from benchmarks.quick import LONG_ONLY, PARTS, main, peers
from benchmarks.record import COMMANDS
from docs.benchmark_page import benchmark_page, command_of

from modelyard.cli.root import root

BENCHMARKS = Path(quick.__file__).parent
SHARED = {"__init__", "__main__", "environments", "figures", "quick"}
"""What benchmarks stand on; none of them measures."""


def functions(module: str) -> set[str]:
    """The functions of a module below `benchmarks`, which is not imported for it."""
    tree = ast.parse((BENCHMARKS / f"{module.replace('.', '/')}.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_benchmark_is_asked_or_said_to_be_long() -> None:
    """A new file or folder in `benchmarks` is listed in `benchmarks/quick.py`, and with it on the page."""
    there = {each.stem for each in BENCHMARKS.glob("*.py")} | {each.parent.name for each in BENCHMARKS.glob("*/*.py")}
    listed = {each.partition(".")[0] for each in (*PARTS, *LONG_ONLY)}
    assert there - SHARED == listed
    assert not PARTS.keys() & LONG_ONLY.keys()


@pytest.mark.parametrize("module", [*PARTS, *LONG_ONLY])
def test_a_benchmark_is_run_by_the_command_on_the_page(module: str) -> None:
    """It has a long form, which the page's command starts, and a short one unless it is said to have none."""
    assert "main" in functions(module)
    assert ("short" in functions(module)) == (module in PARTS)
    page = "\n".join(benchmark_page())
    assert f"`{command_of(module)}`" in page
    name = command_of(module).split()[2].removeprefix("benchmarks.").replace(".", "/")
    program = BENCHMARKS / name / "__main__.py" if (BENCHMARKS / name).is_dir() else BENCHMARKS / f"{name}.py"
    assert program.name == "__main__.py" or '__name__ == "__main__"' in program.read_text()


@pytest.mark.parametrize("line", [each for each in COMMANDS if each != "--help"])
def test_a_command_that_the_record_is_asked_with_can_be_typed(line: str) -> None:
    """It names a command of today, with all that the command asks for."""
    found: click.Command = root
    words = line.split()
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        inner = found.get_command(click.Context(found), words.pop(0))
        assert inner is not None, line
        found = inner
    found.make_context(line, words)


def test_what_does_not_fit_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With no time at all every part is in the file, without a value and with the reason."""
    file = tmp_path / "figures.json"
    assert main(["--minutes", "0", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())["figures"]
    assert [each["part"] for each in figures] == list(PARTS)
    assert {(each["value"], each["note"]) for each in figures} == {(None, "left out: the time is up")}
    assert "the time is up" in capsys.readouterr().out


def test_a_part_that_fails_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on, and the exit code is 1."""
    monkeypatch.setattr(quick, "PARTS", {"nosuch": "Nothing"})
    file = tmp_path / "figures.json"
    assert main(["--json", str(file)]) == 1
    (figure,) = json.loads(file.read_text())["figures"]
    assert figure["measure"] == "failed"
    assert "nosuch" in figure["note"]


def test_a_part_measures_in_a_process_of_its_own(tmp_path: Path) -> None:
    """One of the quickest, really run; the file says on what machine, with which versions."""
    file = tmp_path / "figures.json"
    assert main(["--only", "starting", "--json", str(file)]) == 0
    told = json.loads(file.read_text())
    assert all(each["value"] > 1 for each in told["figures"])
    assert told["machine"]["processors"] >= 1
    assert {"python", "numpy"} <= told["versions"].keys()


def test_a_peer_that_is_left_out_can_be_installed_by_its_name() -> None:
    """Each name that is told is one that `--install` takes."""
    assert PEERS.name == ".peers"
    assert {"nannyml", "evidently", "feast", "tutorial"} <= peers().keys()
    assert all(left_out(name).note.endswith(f"--install {name}") for name in peers())
