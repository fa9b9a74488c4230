"""Documents are indexed, searched and measured from the command line."""

import json
from pathlib import Path

import pytest

from ..tiny_embedder import build_tiny
from .conftest import Command


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bundle of a small embedder."""
    return str(build_tiny(tmp_path_factory.mktemp("embedder")))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two documents, in which commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "staff").mkdir(parents=True)
    (tmp_path / "docs" / "fox.md").write_text("# The fox\n\nIt hunts at night.\n")
    (tmp_path / "docs" / "staff" / "pay.txt").write_text("Everybody earns forty.\n")
    return tmp_path


def test_an_index_is_built_asked_updated_and_verified(folder: Path, embedder: str, modelyard: Command) -> None:
    """What may not be read is not found; what is gone is not either; results are one document."""
    given = ("--embedder", embedder, "--json")
    code, out, err = modelyard("index", "build", "index", "docs", "--allow", "staff/*=hr,board", *given)
    assert (code, json.loads(out)["added"]) == (0, ["fox.md", "staff/pay.txt"])
    assert "embedding 2 of 2 chunks" in err
    asked = ("index", "query", "index", "who earns forty", "--mode", "words")
    assert json.loads(modelyard(*asked, *given)[1])["found"] == []
    (hit,) = json.loads(modelyard(*asked, "--as", "board", *given)[1])["found"]
    assert hit["citation"]["source"] == "staff/pay.txt"
    assert modelyard("index", "verify", "index", "docs", *given)[0] == 0
    (folder / "docs" / "staff" / "pay.txt").unlink()
    updated = json.loads(modelyard("index", "update", "index", "docs", "--prune", *given)[1])
    assert (updated["removed"], updated["kept"], updated["embedded"], updated["pruned"]) == (["staff/pay.txt"], 1, 0, 1)
    assert json.loads(modelyard(*asked, "--as", "board", *given)[1])["found"] == []
    code, out, _ = modelyard("index", "query", "index", "night fox", "--embedder", embedder)
    assert code == 0
    assert "fox.md" in out
    assert "[1] # The fox\nIt hunts at night." in out


def test_a_suite_is_judged(folder: Path, embedder: str, modelyard: Command) -> None:
    """0 when limits are surely met, 1 when surely not, 6 when chance decides, 2 when it is no suite."""
    modelyard("index", "build", "index", "docs", "--embedder", embedder)
    cases = [{"id": f"q{at}", "question": "fox night", "relevant": ["fox.md"]} for at in range(30)]
    Path("suite.json").write_text(json.dumps({"suite": "s", "version": "1", "cases": cases}))
    given = ("llm", "eval", "suite.json", "--index", "index", "--embedder", embedder, "--mode", "words")
    assert modelyard(*given, "--least", "recall@10=1")[0] == 0
    cases[:15] = [{**each, "question": "zebra"} for each in cases[:15]]
    Path("suite.json").write_text(json.dumps({"suite": "s", "version": "2", "cases": cases}))
    codes = [modelyard(*given, "--least", f"mrr@10={limit}")[0] for limit in (0.2, 0.5, 0.9)]
    assert codes == [0, 6, 1]
    code, out, _ = modelyard(*given, "--baseline", "vectors", "-o", "out.json")
    assert code == 0
    assert "better by" in out
    assert len(json.loads(Path("out.json").read_text())["per_case"]) == 30
    assert modelyard(*given, "--least", "mrr")[0] == 2
    assert modelyard(*given, "--mode", "word")[0] == 2


def test_what_is_missing_is_said_with_what_to_do(folder: Path, embedder: str, modelyard: Command) -> None:
    """No embedder, no index, a rule without groups, --quantize for what is no embedder."""
    code, _, err = modelyard("index", "build", "index", "docs", "--embedder", "nowhere")
    assert code == 5
    assert "bundle build --path all-MiniLM-L6-v2" in err
    code, _, err = modelyard("index", "query", "nowhere", "fox", "--embedder", embedder)
    assert code == 5
    assert "modelyard index build" in err
    assert modelyard("index", "build", "index", "docs", "--embedder", embedder, "--allow", "staff/*")[0] == 2
    code, _, err = modelyard("bundle", "build", "--path", "docs/fox.md", "--quantize", "-o", "bundle")
    assert code == 2
    assert "--quantize is for embedders" in err
