"""From a declared source to a table, or to an error that names the file and what is wrong with it."""

import gzip
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.data import UnreadableData, load_function, load_module, read_table

ROWS = "id,name\n1,Zoë\n2,NA\n3,\n"
EXPECTED = {"id": [1, 2, 3], "name": ["Zoë", None, None]}


def zipped(path: Path, **files: str) -> Path:
    """A zip archive with a folder entry and CSV files."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/", "")
        for name, text in files.items():
            archive.writestr(f"data/{name}.csv", text)
    return path


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "zip", "parquet", "jsonl"])
def test_every_known_format_gives_the_same_rows(ending: str, tmp_path: Path) -> None:
    """An empty field and NA are missing; names in any script survive."""
    path = tmp_path / f"größe.{ending}"
    writers: dict[str, Callable[[], object]] = {
        "csv": lambda: path.write_text(ROWS, encoding="utf-8"),
        "csv.gz": lambda: path.write_bytes(gzip.compress(ROWS.encode())),
        "zip": lambda: zipped(path, rows=ROWS),
        "parquet": lambda: pq.write_table(pa.table(EXPECTED), path),
        "jsonl": lambda: path.write_text('{"id":1,"name":"Zoë"}\n{"id":2,"name":null}\n{"id":3}\n', encoding="utf-8"),
    }
    writers[ending]()
    assert read_table(path).to_pydict() == EXPECTED


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    """A header alone is a table; nothing at all is not."""
    (tmp_path / "header.csv").write_text("a,b\n")
    assert read_table(tmp_path / "header.csv").column_names == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("ragged.csv", b"a,b\n1\n"),
        ("twice.csv", b"a,b,a\n1,2,3\n"),
        ("cut.csv.gz", gzip.compress(b"a\n" + b"1\n" * 1000)[:-12]),
        ("no.csv.gz", b"a\n1\n"),
        ("no.parquet", b"PAR1"),
        ("cut.jsonl", b'{"a": 1}\n{"a": '),
        ("no.zip", b"PK"),
        ("rows.xlsx", b"PK"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    """Damaged, cut short, ambiguous or unknown: one kind of error, with the path."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableData, match=name.replace(".", r"\.").removesuffix(r"\.gz")):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    "source", ["nowhere.csv", "foo://bucket/x.csv", "gs://bucket/x.csv", "http://127.0.0.1:9/x.csv"]
)
def test_a_source_that_is_not_there_is_named(source: str, tmp_path: Path) -> None:
    """A missing file, an unknown scheme, a driver that is not installed, a server that does not answer."""
    with pytest.raises(UnreadableData) as caught:
        read_table(source)
    assert source in caught.value.message


def test_a_folder_and_an_archive_of_several_files_are_no_table(tmp_path: Path) -> None:
    """Which of them was meant is not guessed."""
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UnreadableData, match=r"folder\.csv"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(UnreadableData, match="holds 2 files; one was expected"):
        read_table(zipped(tmp_path / "two.zip", one=ROWS, two=ROWS))
    with pytest.raises(UnreadableData, match="holds 0 files"):
        read_table(zipped(tmp_path / "none.zip"))


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
