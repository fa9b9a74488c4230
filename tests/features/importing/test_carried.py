"""Functions of Feast's on-demand views that are more than expressions: each in a file that runs by itself."""

import math
import types
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.features import load_definitions
from modelyard.features.importing import imported
from modelyard.features.importing.describe import self_contained

from .test_rendering import ON_DEMAND, lines, repository

FACTOR = 2.0
STRANGE = object()


def doubled(value: float) -> float:
    """What another function of the file uses."""
    return value * FACTOR


def used(inputs: dict[str, Any]) -> dict[str, Any]:
    """A function that uses an import, a constant and a function of its file."""
    pairs = zip(inputs["stats__total"], inputs["pages"], strict=True)
    return {"twice": [None if total is None else doubled(math.floor(total)) + pages for total, pages in pairs]}


def strange(inputs: dict[str, Any]) -> dict[str, Any]:
    """A function that uses an object."""
    return {"twice": STRANGE, **inputs}


def described(function: Any) -> dict[str, Any]:
    """The on-demand view with a function, as Feast's interpreter tells it."""
    return {**ON_DEMAND, "mode": "python", "text": "", **self_contained(types.SimpleNamespace(udf=function))}


def test_a_function_is_carried_over_with_what_it_uses(tmp_path: Path) -> None:
    """Its file runs by itself in a worker process, by the names that Feast gave its values."""
    found = imported(repository(on_demand=[described(used)]), tmp_path / "repo", tmp_path, "imported")
    assert list(found.files) == ["imported_doubled.py"]
    assert 'function=used_of_feast_names, mode="columns"' in " ".join(found.module.split())
    (note,) = lines(found)
    assert "runs in a worker process" in note
    for name, text in found.files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "imported.py").write_text(found.module)
    (tmp_path / "repo" / "data").mkdir(parents=True)
    stored = pa.table({"customer_id": [1], "at": pa.array([0], pa.timestamp("us")), "total": [2.5], "word": ["x"]})
    pq.write_table(stored, tmp_path / "repo" / "data" / "stats.parquet")
    view = load_definitions(tmp_path / "imported.py").on_demand["doubled"]
    plan = view.called()
    assert dict(plan.takes) == {"total": "number", "word": "text", "pages": "whole"}
    made = view.running.transforms().run(plan, [[1.5, None], ["a", None], [3, 4]], 2)
    assert (made.columns, made.errors) == ([[5.0, None]], {})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"code": "", "lacking": "its function uses x, which is a Client"}, "uses x, which is a Client"),
        ({"mode": "substrait"}, "mode 'substrait'"),
        ({"features": [{"name": "twice", "type": "FLOAT_LIST"}]}, "float_list"),
    ],
)
def test_what_cannot_be_carried_over_is_left_out_with_both_reasons(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    """Why it is no expression, and why it is no function here."""
    found = imported(repository(on_demand=[described(used) | changes]), tmp_path / "repo", tmp_path, "imported")
    (line,) = lines(found)
    assert line.startswith("left out")
    assert "beyond expressions" in line
    assert why in line
    assert not found.files


def test_without_a_file_to_write_functions_are_left_out_with_the_option(tmp_path: Path) -> None:
    """A module that is printed has no neighbours."""
    found = imported(repository(on_demand=[described(used)]), tmp_path / "repo", tmp_path)
    assert "--output" in lines(found)[0]


def test_what_a_function_uses_is_told_when_it_cannot_travel() -> None:
    """Objects, what is around it, and functions that are none."""
    assert self_contained(types.SimpleNamespace(udf=strange)) == {
        "lacking": "its function uses STRANGE, which is a object"
    }

    def around(inputs: Any) -> Any:
        return repository_of, inputs

    repository_of = 1
    assert "of a function around it" in self_contained(types.SimpleNamespace(udf=around))["lacking"]
    assert "not to be had" in self_contained(types.SimpleNamespace(udf=None))["lacking"]
