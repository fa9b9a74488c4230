"""Indexes are opened by their kind, and what is missing is told."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from usearch.index import Index

from modelyard.core import canonical_json, digest_of
from modelyard.vectors import (
    KINDS,
    VECTORS_FILE,
    ExactIndex,
    HnswIndex,
    InvalidVector,
    NoVectorLibrary,
    VectorsDamaged,
    load_index,
    new_index,
)
from modelyard.vectors.hnsw import GRAPH_FILE


def test_every_kind_is_made_and_no_other() -> None:
    """The list is closed."""
    assert [new_index(kind, 3).kind for kind in KINDS] == list(KINDS)
    with pytest.raises(InvalidVector, match="no kind of index 'flat'"):
        new_index("flat", 3)
    with pytest.raises(InvalidVector, match="dimension 0"):
        new_index("exact", 0)


def test_without_its_library_a_graph_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact search needs none."""
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    assert len(new_index("exact", 3)) == 0
    with pytest.raises(NoVectorLibrary) as told:
        new_index("hnsw", 3)
    assert "pip install 'modelyard[llm]'" in told.value.remedy


@pytest.mark.parametrize("change", [{"kind": "flat"}, {"format": 2}, {"count": 3}, {"dimension": 2}])
def test_a_description_that_does_not_fit_is_told(tmp_path: Path, change: dict[str, object]) -> None:
    """A kind or a format that is not known, and numbers that the arrays do not have."""
    index = ExactIndex(3)
    index.add([1, 2], [[1, 0, 0], [0, 1, 0]])
    index.save(tmp_path)
    path = tmp_path / VECTORS_FILE
    path.write_bytes(canonical_json({**json.loads(path.read_bytes()), **change}))
    with pytest.raises(VectorsDamaged, match="are damaged"):
        load_index(tmp_path)


def test_a_graph_that_was_saved_with_float32_is_built_anew(tmp_path: Path) -> None:
    """Indexes of earlier versions go on working: they find the same, and take more."""
    rows = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    index = HnswIndex(8)
    index.add(np.arange(300), rows)
    index.save(tmp_path)
    before = Index(ndim=8, metric="ip", dtype="f32")
    before.add(np.arange(300, dtype=np.uint64), index.vectors(np.arange(300)), threads=1)
    before.save(str(tmp_path / GRAPH_FILE))
    about = json.loads((tmp_path / VECTORS_FILE).read_bytes())
    about["files"][GRAPH_FILE] = digest_of((tmp_path / GRAPH_FILE).read_bytes())
    (tmp_path / VECTORS_FILE).write_bytes(canonical_json(about))
    again = load_index(tmp_path)
    for query in rows[:20]:
        assert again.search(query, 5).ids.tolist() == index.search(query, 5).ids.tolist()
    again.add([1000], [rows[3] * 2])
    assert again.search(rows[3], 2).ids.tolist() == [3, 1000]
    assert again.save(tmp_path) != {}
    assert len(load_index(tmp_path)) == 301


def test_vectors_with_one_large_element_are_found() -> None:
    """In a byte an element they lose the most; which is nearest is told by what was put in."""
    rows = np.random.default_rng(1).normal(size=(384, 384)) + 60 * np.eye(384)[np.arange(384) % 40]
    index = HnswIndex(384)
    index.add(np.arange(384), rows)
    assert [index.search(row, 1).ids.tolist() for row in rows[::24]] == [[at] for at in range(0, 384, 24)]
