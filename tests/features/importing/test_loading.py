"""Having a repository described: what can be wrong is said with what to do."""

import sys
from pathlib import Path

import pytest

from modelyard.core import Failed, InvalidInput, NotFound, Unavailable
from modelyard.features.importing import described_repository

FEAST = """
class Entity:
    name, join_key, description, tags, owner = "customer", "customer_id", "", {}, ""


class Found:
    entities, projects = [Entity()], []
    feature_views = stream_feature_views = on_demand_feature_views = feature_services = data_sources = []


def parse_repo(repository):
    print("the repository talks")
    __import__("definitions")
    return Found()
"""
"""So much of Feast as reading a repository without views needs; the real one is in the extra tests."""


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, and something that can be imported as Feast."""
    package = tmp_path / "path" / "feast"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0.67.0"\n')
    (package / "repo_operations.py").write_text(FEAST)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "feature_store.yaml").write_text("project: shop\n")
    (repo / "definitions.py").write_text("print('so does a file')\n")
    return repo


def test_a_repository_is_described_by_a_process_whatever_it_prints(repo: Path) -> None:
    """Of this interpreter unless another is named; nothing of it is imported here."""
    found = described_repository(repo)
    assert [each.join_keys for each in found.entities] == [["customer_id"]]
    assert found.feast == "0.67.0"
    assert "definitions" not in sys.modules


def test_a_repository_that_raises_is_told_with_its_own_words(repo: Path) -> None:
    """And its length is bounded."""
    (repo / "definitions.py").write_text("raise ValueError('no such table' + 'x' * 9999)\n")
    with pytest.raises(Failed, match="ValueError: no such table") as caught:
        described_repository(repo)
    assert len(str(caught.value)) < 800


def test_a_process_that_ends_without_a_word_is_told(repo: Path) -> None:
    """With what it wrote on its way."""
    (repo / "definitions.py").write_text(
        "import os, sys\nsys.stderr.write('out of memory')\nsys.stderr.flush()\nos._exit(3)\n"
    )
    with pytest.raises(Failed, match=r"ended with 3 and described nothing: .*out of memory"):
        described_repository(repo)


def test_an_interpreter_without_feast_is_named_with_the_remedy(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one that is not there."""
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(Unavailable, match=r"has no Feast that can be imported.*--python"):
        described_repository(repo)
    with pytest.raises(Unavailable, match="cannot be started"):
        described_repository(repo, repo / "nothing")


def test_a_folder_that_is_no_repository_is_refused(repo: Path) -> None:
    """With the one that is, when it lies below."""
    with pytest.raises(InvalidInput, match=r"no feature_store.yaml.*Did you mean .*repo\?"):
        described_repository(repo.parent)
    with pytest.raises(NotFound, match="no folder"):
        described_repository(repo / "nothing")
