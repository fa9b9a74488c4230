"""A pipeline says when the data that it last read has changed: by content, columns, promises or version."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import Command

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

PROJECT = """
project: visits
datasets:
  visits: {source: visits.parquet, event_time: at, known_at: at, label: y, schema: schema.yaml}
  kept: {source: "version:visits@latest", event_time: at, known_at: at, label: y}
  made: {source: "reading.py:rows", event_time: at, known_at: at, label: y}
pipelines:
  counting: {module: reading.py}
  other: {module: other.py}
"""

PIPELINE = """
from datetime import UTC, datetime

import pyarrow as pa

import modelyard as my

LATE = datetime(2100, 1, 1, tzinfo=UTC)


def rows(as_of):
    return pa.table({"at": [LATE], "y": [1]})


@my.step(kind="data", reads=("visits",))
def read() -> pa.Table:
    return my.context().services.dataset("visits", LATE)


@my.step(kind="data", cache=False)
def also() -> pa.Table:
    services = my.context().services
    services.dataset("made", LATE)
    return services.dataset("kept", LATE)


@my.step
def count(one: pa.Table, other: pa.Table) -> int:
    return len(one) + len(other)


@my.pipeline
def counting() -> None:
    count(read(), also())
"""

OTHER = """
import modelyard as my


@my.step
def one() -> int:
    return 1


@my.pipeline
def other() -> None:
    one()
"""


def table(**columns: Any) -> pa.Table:
    """Rows with a time, a label and more."""
    at = pa.array([1_700_000_000_000_000] * 3, pa.timestamp("us", "UTC"))
    return pa.table({"at": at, "y": [0, 1, 0], **columns})


@pytest.fixture
def modelyard(modelyard: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs commands in a project whose pipeline reads a file, a dataset's latest version, and what a function makes."""
    for name, text in {"modelyard.yaml": PROJECT, "reading.py": PIPELINE, "other.py": OTHER}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "schema.yaml").write_text("columns: {y: {minimum: 0}}\n")
    pq.write_table(table(x=[1, 2, 3], gone=["a", "b", "c"]), tmp_path / "visits.parquet")
    monkeypatch.chdir(tmp_path)
    return modelyard


@pytest.fixture
def said(modelyard: Command) -> Callable[..., Any]:
    """What a command prints as JSON."""

    def command(*words: str, code: int = 0) -> Any:
        ended, out, err = modelyard(*words, "--json")
        assert ended == code, err
        return json.loads(out)

    return command


def changed(found: Any) -> list[str]:
    """The messages about changed data."""
    return [each["message"] for each in found["findings"] if each["code"] == "DATA_CHANGED"]


@pytest.mark.long
@pytest.mark.timeout(200)
def test_changed_data_is_told_before_a_run_reads_it_and_by_whoever_changes_it(said: Callable[..., Any]) -> None:
    """Of the file: content, columns and promises; of the version: that there is another. Running settles it."""
    added = said("data", "version", "add", "visits", "visits.parquet")
    assert {each["pipeline"]: each["valid"] for each in added["pipelines"]} == {"counting": True}
    assert changed(said("pipeline", "validate", "counting")) == []
    first = said("pipeline", "run", "counting")
    assert changed(first) == []
    assert first["datasets"]["visits"]["columns"]["x"] == "int64"
    assert first["datasets"]["kept"]["version"].startswith("visits@1:")
    assert first["datasets"]["made"]["version"] is None
    assert changed(said("pipeline", "validate", "counting", "--strict", code=1)) == []

    pq.write_table(table(x=[1.5, 2.5, 3.5], new=[True] * 3), "visits.parquet")
    Path("schema.yaml").write_text("columns: {y: {minimum: 1}}\n")
    (told,) = changed(said("pipeline", "validate", "counting"))
    for part in (
        f"since run {first['id']} read it",
        "other things are promised of it",
        "its version is",
        "columns added: 'new'",
        "columns removed: 'gone'",
        "types changed: 'x' from int64 to double",
    ):
        assert part in told
    strict = said("pipeline", "validate", "counting", "--strict", code=1)
    assert not strict["valid"]
    assert {each["severity"] for each in strict["findings"]} == {"error"}

    again = said("data", "version", "add", "visits", "visits.parquet")
    (pipeline,) = again["pipelines"]
    assert (pipeline["pipeline"], pipeline["valid"]) == ("counting", True)
    kept, file = changed(pipeline)
    assert "its version is visits@2" in kept
    assert "columns added: 'new'" in kept
    assert file == told

    assert changed(said("pipeline", "run", "counting")) == [kept, told]
    assert changed(said("pipeline", "validate", "counting")) == []


@pytest.mark.long
def test_data_that_is_gone_or_cannot_be_read_is_told_too(modelyard: Command, said: Callable[..., Any]) -> None:
    """And a pipeline whose code is broken is named as one that may read it."""
    said("data", "version", "add", "visits", "visits.parquet")
    said("pipeline", "run", "counting")
    Path("visits.parquet").write_bytes(b"PAR1 no more")
    (told,) = changed(said("pipeline", "validate", "counting"))
    assert "it cannot be read now (Cannot read" in told
    Path("modelyard.yaml").write_text(PROJECT.replace("  visits:", "  guests:").replace("kept:", "held:"))
    assert [each.partition(" changed")[0] for each in changed(said("pipeline", "validate", "counting"))] == [
        "Dataset 'kept'",
        "Dataset 'visits'",
    ]
    Path("broken.py").write_text("1 / 0\n")
    Path("modelyard.yaml").write_text(PROJECT.replace("  visits:", "  guests:").replace("other.py", "broken.py"))
    pq.write_table(table(), Path("visits.parquet"))
    code, out, _ = modelyard("data", "version", "add", "guests", "visits.parquet")
    assert code == 0
    assert "Read by pipeline 'other', which is not valid:" in out
    assert "ZeroDivisionError" in out
