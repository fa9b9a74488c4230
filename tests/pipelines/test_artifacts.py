"""What steps hand on comes back as it was, in the form that reads fastest."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelyard.core import Judgement, Verdict
from modelyard.pipelines import Candidate, NoSuchPart, ProjectNames, Samples, UnstorableResult
from modelyard.pipelines.artifacts import Artifact, Scratch, load, load_path, part_of, save
from modelyard.storage import ArtifactDamaged, ArtifactStore, open_artifact_store


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty store."""
    return open_artifact_store(tmp_path / "artifacts")


@pytest.fixture
def again(store: ArtifactStore, tmp_path: Path) -> Callable[[Any], tuple[Artifact, Any]]:
    """Saves a value and loads it."""
    names, scratch = ProjectNames(tmp_path), Scratch(tmp_path / "scratch")

    def there_and_back(value: Any) -> tuple[Artifact, Any]:
        artifact = save(value, store, names)
        return artifact, load(artifact, store, names, scratch)

    return there_and_back


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"b": 1, "a": [1.5, None, True, "é"]}, "json"),
        ([], "json"),
        (float("inf"), "pickle"),
        (datetime(2026, 1, 1, tzinfo=UTC), "pickle"),
        ((1, 2), "tuple"),
        ({1: 2}, "pickle"),
        (Judgement(Verdict.FAIL, ("no",), {"x": 1.0}), "judgement"),
        ([Judgement(Verdict.PASS)], "list"),
        ({"when": datetime(2026, 1, 1, tzinfo=UTC), "n": 1}, "dict"),
    ],
)
def test_plain_values_come_back_equal(again: Any, value: object, form: str) -> None:
    """With their types, and dicts in their order; the same value has the same identity."""
    artifact, loaded = again(value)
    assert (artifact.form, loaded, type(loaded)) == (form, value, type(value))
    assert again(value)[0] == artifact
    if isinstance(value, dict):
        assert list(loaded) == list(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(20_000.0).reshape(100, 200),
        np.asfortranarray(np.arange(20_000.0).reshape(100, 200)),
        np.arange(100)[::3],
        np.zeros((0, 3)),
        np.array(5.0),
        np.array(["a", "bc"]),
        np.array(["2026-01-01"], dtype="datetime64[s]"),
    ],
)
def test_arrays_come_back_and_changing_one_changes_no_artifact(again: Any, array: Any) -> None:
    """Shape, type and values; mapped copy-on-write."""
    artifact, loaded = again(array)
    assert artifact.form == "array"
    assert (loaded.dtype, loaded.shape, type(loaded)) == (array.dtype, array.shape, np.ndarray)
    assert loaded.tolist() == array.tolist()
    if loaded.size:
        loaded.flat[0] = loaded.flat[-1]
        assert again(array)[1].tolist() == array.tolist()


def test_tables_are_mapped_and_their_digest_is_of_their_values(again: Any) -> None:
    """No copy in Arrow's memory; what lies under missing values does not count."""
    before = pa.total_allocated_bytes()
    table = pa.table({"x": np.arange(500_000), "s": ["a"] * 500_000})
    artifact, loaded = again(table)
    del table
    assert artifact.form == "table"
    assert loaded.num_rows == 500_000
    assert pa.total_allocated_bytes() - before < 100_000
    valid = pa.py_buffer(bytes([0b101]))
    one = pa.Array.from_buffers(pa.int64(), 3, [valid, pa.py_buffer(np.array([1, 7, 3]).tobytes())])
    two = pa.Array.from_buffers(pa.int64(), 3, [valid, pa.py_buffer(np.array([1, 8, 3]).tobytes())])
    first, values = again(pa.table({"x": one, "at": one.cast(pa.timestamp("us"))}))
    assert first == again(pa.table({"x": two, "at": two.cast(pa.timestamp("us"))}))[0]
    assert values.column("x").to_pylist() == [1, None, 3]


def test_files_and_folders_come_back_under_their_names(again: Any, tmp_path: Path) -> None:
    """As copies."""
    (tmp_path / "report.txt").write_text("fine")
    (tmp_path / "pages" / "deep").mkdir(parents=True)
    (tmp_path / "pages" / "deep" / "one.html").write_text("<p>")
    _, file = again(tmp_path / "report.txt")
    _, folder = again(tmp_path / "pages")
    assert (file.name, file.read_text()) == ("report.txt", "fine")
    assert (folder / "deep" / "one.html").read_text() == "<p>"
    with pytest.raises(UnstorableResult, match="no file or folder"):
        again(tmp_path / "nowhere")


def test_figures_become_pictures_with_the_same_bytes(again: Any) -> None:
    """A plotly figure is a page that opens offline."""
    import plotly.graph_objects as go

    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
    artifact, path = again(figure)
    assert (artifact.form, path.name) == ("figure", "figure.html")
    assert again(figure)[0] == artifact


def test_a_part_is_loaded_alone(again: Any, store: ArtifactStore, tmp_path: Path) -> None:
    """With the bytes of the others gone; what is not there is named with what is."""
    artifact, _ = again((pa.table({"x": [1]}), {"n": 3, "rows": [4, 5]}))
    names, scratch = ProjectNames(tmp_path), Scratch(tmp_path / "scratch")
    store.delete(artifact.parts[0].digest)
    assert load_path(artifact, (1, "rows", 0), store, names, scratch) == 4
    with pytest.raises(NoSuchPart, match="There is no 2 in the tuple that the step gave: it has 2 elements"):
        part_of(artifact, (2,))
    with pytest.raises(NoSuchPart, match="There is no 'm' in this dict"):
        load_path(artifact, (1, "m"), store, names, scratch)


def test_candidates_come_back_whole(again: Any) -> None:
    """A model, its samples and their table."""
    samples = Samples(None, pa.table({"x": [1.0]}), np.ones((1, 1)), np.zeros(1))  # type: ignore[arg-type]  # any
    _, loaded = again(Candidate({"weights": np.ones(3)}, samples, {"depth": 3}))
    assert isinstance(loaded, Candidate)
    assert loaded.samples.table.equals(samples.table)
    assert loaded.params == {"depth": 3}


def test_what_cannot_be_kept_says_so(again: Any) -> None:
    """With its type."""
    with pytest.raises(UnstorableResult, match="A value of type function cannot be kept"):
        again(lambda: 1)


def test_damage_is_found_before_a_value_is_used(again: Any, store: ArtifactStore, tmp_path: Path) -> None:
    """A changed byte in a mapped file, and a file that was cut."""
    artifact, _ = again(np.arange(100_000))
    path = store.local_path(artifact.digest)
    assert path is not None
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactDamaged):
        again(np.arange(100_000))
    path.write_bytes(data[:-8])
    with pytest.raises(ArtifactDamaged, match="bytes"):
        again(np.arange(100_000))
