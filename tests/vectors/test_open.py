"""Indexes are opened by their kind, and what is missing is told."""

import json
import sys
from pathlib import Path

import pytest

from modelyard.core import canonical_json
from modelyard.vectors import (
    KINDS,
    VECTORS_FILE,
    ExactIndex,
    InvalidVector,
    NoVectorLibrary,
    VectorsDamaged,
    load_index,
    new_index,
)


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
