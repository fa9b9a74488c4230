"""The Python files of a user's project, loaded as modules of their own, or an error that names file and line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.data import UnreadableData, load_function, load_module


def project(folder: Path, code: str, neighbour: str = "NAME = 'here'") -> Path:
    """A project folder with data.py, and a neighbour that it may import."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.py").write_text(code, encoding="utf-8")
    (folder / "neighbour.py").write_text(neighbour, encoding="utf-8")
    return folder


ROWS_OF = "import pyarrow as pa\nimport neighbour\n\ndef rows():\n    return pa.table({'name': [neighbour.NAME]})\n"


def test_a_function_of_the_project_may_use_its_neighbours(tmp_path: Path) -> None:
    """Two projects with files of the same names do not meet."""
    one = project(tmp_path / "one", ROWS_OF, "NAME = 'eins'")
    two = project(tmp_path / "two", ROWS_OF, "NAME = 'zwei'")
    for folder, name in ((one, "eins"), (two, "zwei"), (one, "eins")):
        assert load_function("data.py:rows", folder)().to_pydict() == {"name": [name]}
    assert "neighbour" not in sys.modules


def test_two_projects_do_not_meet_by_relative_paths_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `modelyard --project FOLDER` gives them."""
    for name in ("three", "four"):
        project(tmp_path / name, ROWS_OF, f"NAME = '{name}'")
    monkeypatch.chdir(tmp_path)
    for name in ("three", "four"):
        assert load_function("data.py:rows", Path(name))().to_pydict() == {"name": [name]}


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("x = 1\ny = x / 0\n", r"data\.py:2 failed: ZeroDivisionError"),
        ("def rows(:\n", r"data\.py failed: SyntaxError.*line 1"),
        ("import nothing_of_this_name\n", r"data\.py:1 failed: ModuleNotFoundError"),
        ("import sys\nsys.exit(0)\n", r"data\.py:2 failed: SystemExit"),
    ],
)
def test_code_that_fails_is_named_with_its_line(
    code: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is run again once corrected: a failed import leaves nothing behind. Not even `sys.exit` ends this process."""
    folder = project(tmp_path / "broken", code)
    monkeypatch.chdir(folder)
    for path in (Path("data.py"), folder / "data.py"):
        with pytest.raises(UnreadableData, match=complaint):
            load_module(path)
    project(folder, ROWS_OF)
    assert load_function("data.py:rows", folder)().num_rows == 1


def test_a_function_or_file_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    """A misspelt name, no name at all, no file."""
    folder = project(tmp_path / "misspelt", ROWS_OF)
    with pytest.raises(UnreadableData, match=r"has no function 'row'.*Did you mean 'rows'"):
        load_function("data.py:row", folder)
    with pytest.raises(UnreadableData, match="has no function ''"):
        load_function("data.py", folder)
    for missing in ("other.py:rows", "data.txt:rows", ":rows"):
        with pytest.raises(UnreadableData, match="no Python file"):
            load_function(missing, folder)


def test_a_module_has_the_same_name_in_every_process(tmp_path: Path) -> None:
    """Whatever the seed of Python's hashes: what one process pickles is found in another."""
    folder = project(tmp_path / "named", ROWS_OF)
    module = f"load_module(Path({str(folder)!r}) / 'data.py')"
    code = f"from pathlib import Path; from modelyard.data import load_module; print({module}.__name__)"
    names = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout.decode()
        for seed in ("1", "2")
    }
    assert names == {load_module(folder / "data.py").__name__ + "\n"}
