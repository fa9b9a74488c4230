"""Artifacts as files that people get: named, typed, whole, and never outside their store."""

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from modelyard.pipelines import ProjectNames, as_file, file_name, leaves_of, media_of
from modelyard.pipelines.artifacts import Scratch, save
from modelyard.storage import ArtifactStore, open_artifact_store


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty artifact store."""
    return open_artifact_store(f"file://{tmp_path / 'artifacts'}")


def test_each_form_is_a_file_that_its_ending_tells(store: ArtifactStore, tmp_path: Path) -> None:
    """Tables as Arrow, arrays as .npy, JSON as it is, anything else pickled; parts by their keys."""
    names, scratch = ProjectNames(tmp_path), Scratch(tmp_path / "scratch")
    value = {"rows": pa.table({"a": [1, 2]}), "scores": np.arange(3.0), "told": {"auc": 0.7}, "odd": {1, 2}}
    leaves = dict(leaves_of(save(value, store, names), "train"))
    assert [file_name(each, name) for name, each in leaves.items()] == [
        "train.rows.arrow", "train.scores.npy", "train.told.json", "train.odd.pkl",
    ]  # fmt: skip
    files = {name: as_file(each, store, scratch) for name, each in leaves.items()}
    assert pa.ipc.open_file(files["train/rows"]).read_all().to_pydict() == {"a": [1, 2]}
    assert np.load(files["train/scores"]).tolist() == [0.0, 1.0, 2.0]
    assert files["train/told"].read_text() == '{"auc":0.7}'
    assert {name: files[name].stat().st_size for name in files} == {name: each.size for name, each in leaves.items()}


def test_a_folder_is_one_zip_the_same_each_time(store: ArtifactStore, tmp_path: Path) -> None:
    """With the files at their places; a second asking makes nothing anew."""
    folder = tmp_path / "report"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "inner" / "b.txt").write_text("b")
    artifact = save(folder, store, ProjectNames(tmp_path))
    made = [as_file(artifact, store, Scratch(tmp_path / each)) for each in ("one", "two")]
    assert file_name(artifact, "train") == "train.zip"
    assert made[0].read_bytes() == made[1].read_bytes()
    with zipfile.ZipFile(made[0]) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.txt": b"a", "inner/b.txt": b"b"}
    before = made[0].stat().st_mtime_ns
    assert as_file(artifact, store, Scratch(tmp_path / "one")).stat().st_mtime_ns == before


@pytest.mark.parametrize("key", ["../../etc/passwd", "..", ".hidden", "a\r\nb", 'a"b', "\u202egpj"])
def test_a_name_says_nothing_that_a_file_system_or_header_could_object_to(
    store: ArtifactStore, tmp_path: Path, key: str
) -> None:
    """Whatever a step called its result."""
    ((name, leaf),) = leaves_of(save({key: np.arange(2)}, store, ProjectNames(tmp_path)), "step")
    called = file_name(leaf, name)
    assert "/" not in called
    assert called.isprintable()
    assert '"' not in called
    assert not called.startswith(".")
    assert called.endswith(".npy")


def test_media_types_follow_the_ending() -> None:
    """What is not known is bytes."""
    assert media_of("x.arrow") == "application/vnd.apache.arrow.file"
    assert media_of("x.svg") == "image/svg+xml"
    assert media_of("x.pkl") == "application/octet-stream"
    assert media_of("nothing") == "application/octet-stream"
