"""Applications whose answers rest on an index, from the command line to what stands beside the feed."""

import json
from pathlib import Path

import pytest

from modelyard.core import Digest
from modelyard.routing import FeedFolder

from ..tiny_embedder import build_loud, build_tiny
from .conftest import Command

PROJECT = """\
project: desk
upstreams: {one: {url: 'http://127.0.0.1:1/v1'}}
deployments: {desk: {model: desk@production}}
"""


@pytest.fixture
def project(tmp_path: Path, mlflow_tables: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two embedders, one of which an index was built with, and prompts with and without a place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modelyard.yaml").write_text(PROJECT)
    (tmp_path / ".modelyard").mkdir()
    (tmp_path / ".modelyard" / "mlflow.db").write_bytes(mlflow_tables.read_bytes())
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "fox.md").write_text("# The fox\n\nIt hunts at night.\n")
    (tmp_path / "plain.txt").write_text("Be kind.")
    (tmp_path / "resting.txt").write_text("Answer by these documents:\n{{context}}")
    build_tiny(tmp_path / "one", seed=0)
    build_tiny(tmp_path / "other", seed=1)
    return tmp_path


def test_an_application_takes_its_index_and_embedder_to_the_servers(project: Path, modelyard: Command) -> None:
    """What it rests on is pinned by version and digest; what does not fit is told, each with what to do."""

    def made(*words: str) -> dict[str, object]:
        code, out, err = modelyard(*words, "--json")
        assert code == 0, err
        found: dict[str, object] = json.loads(out)
        return found

    def refused(code: str, *words: str) -> str:
        _, _, err = modelyard(*register, *words)
        assert code in err, err
        return err

    for name in ("one", "other"):
        made("model", "register", "--name", name, "--bundle", f"{name}/bundle", "--metrics", '{"worst_angle": 0}')
    made("prompt", "register", "plain", "plain.txt")
    made("prompt", "register", "resting", "resting.txt")
    built = made("index", "build", "index", "docs", "--embedder", "one/bundle")
    index = made("index", "register", "docs", "index")
    assert (index["digest"], index["version"], index["unchanged"]) == (built["digest"], 1, False)
    assert made("index", "register", "docs", "index")["unchanged"] is True

    register = ["llm", "register", "desk", "--target", "one/m"]
    resting, good = ("--prompt", "prompts:/resting/1"), ("--index", "docs/1")
    assert "--embedder" in refused("EMBEDDER_NEEDED", *resting, *good)
    assert "{{context}}" in refused("NO_CONTEXT", "--prompt", "prompts:/plain/1", *good, "--embedder", "one/1")
    assert "cannot be compared" in refused("OTHER_EMBEDDER", *resting, *good, "--embedder", "other/1")
    assert "'one' is an embedder" in refused("OTHER_KIND", *resting, "--index", "one/1", "--embedder", "one/1")
    assert "hybrid" in refused("NO_MODE", *resting, *good, "--embedder", "one/1", "--mode", "hybird")
    assert "-1 to 1" in refused("INVALID_VALUE", *resting, *good, "--embedder", "one/1", "--least", "nan")

    asked = (*resting, *good, "--embedder", "one/1", "--least", "0.4", "--chunks", "3")
    application = made(*register, *asked)
    retrieval = application["retrieval"]
    assert isinstance(retrieval, dict)
    assert retrieval["index"] == {"name": "docs", "version": 1, "digest": built["digest"]}
    assert (retrieval["least"], retrieval["k"]) == (0.4, 3)
    made("model", "promote", "--name", "desk", "--version", "1", "--stage", "production")
    feed = FeedFolder(project / ".modelyard" / "feed")
    for digest in (retrieval["index"]["digest"], retrieval["embedder"]["digest"], str(application["bundle"])):
        assert feed.bundle_path(Digest(digest)).is_dir()


def test_the_judges_of_a_guard_go_to_the_servers_with_their_application(project: Path, modelyard: Command) -> None:
    """They are versions, whose bundles must be those that the set names."""

    def made(*words: str) -> dict[str, object]:
        code, out, err = modelyard(*words, "--json")
        assert code == 0, err
        found: dict[str, object] = json.loads(out)
        return found

    build_loud(project / "one" / "bundle", project / "loud")
    digests = {}
    for name, folder in (("one", "one/bundle"), ("other", "other/bundle"), ("loud", "loud")):
        words = ("--name", name, "--bundle", folder, "--metrics", '{"worst_angle": 0, "accuracy": 1}')
        digests[name] = made("model", "register", *words)["bundle"]
    (project / "guards.yaml").write_text(
        f"guards: [{{guard: injection, embedder: {digests['one']}, classifier: {digests['loud']}}}]\n"
    )
    register = ["llm", "register", "desk", "--target", "one/m", "--guards", "guards.yaml"]
    for parts, says in (
        ("--embedder one/1", "GUARD_NEEDS_MORE"),
        ("--embedder other/1 --classifier loud/1", "OTHER_CLASSIFIER"),
        ("--embedder one/1 --classifier other/1", "OTHER_CLASSIFIER"),
    ):
        assert says in modelyard(*register, *parts.split())[2]
    application = made(*register, "--embedder", "one/1", "--classifier", "loud/1")
    assert application["judges"] == {
        "embedder": {"name": "one", "version": 1, "digest": digests["one"]},
        "classifier": {"name": "loud", "version": 1, "digest": digests["loud"]},
    }
    made("model", "promote", "--name", "desk", "--version", "1", "--stage", "production")
    feed = FeedFolder(project / ".modelyard" / "feed")
    for digest in (digests["one"], digests["loud"], application["bundle"]):
        assert feed.bundle_path(Digest(str(digest))).is_dir()


def test_a_withdrawn_source_is_told_to_the_servers(project: Path, modelyard: Command) -> None:
    """It stands in the feed until it is let back; a source that no version has is refused by its nearest name."""

    def withdrawn(*words: str) -> tuple[int, str, object]:
        code, _, err = modelyard("index", "withdraw", "docs", *words)
        published = FeedFolder(project / ".modelyard" / "feed").read()
        return code, err, None if published is None else published.withdrawn

    assert modelyard("index", "build", "index", "docs", "--embedder", "one/bundle")[0] == 0
    assert "NO_INDEX" in withdrawn("--source", "fox.md")[1]
    assert modelyard("index", "register", "docs", "index")[0] == 0
    code, err, _ = withdrawn("--source", "fx.md")
    assert (code, "NO_SOURCE" in err, "fox.md" in err) == (5, True, True), err
    assert withdrawn("--source", "fox.md", "--reason", "a person asked for it")[::2] == (0, {"docs": ("fox.md",)})
    assert withdrawn("--source", "fox.md", "--undo")[::2] == (0, {})
    entry = json.loads(modelyard("audit", "list", "--newest", "--json")[1])
    assert "index.withdraw" in json.dumps(entry)
