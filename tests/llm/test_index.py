"""Indexes: built of documents, brought up to date, and whole whoever is killed."""

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import InvalidInput, NotFound
from modelyard.inference import Embedder, load_embedder
from modelyard.llm import (
    Changes,
    IndexExists,
    NoIndex,
    adopt,
    build_index,
    changes_of,
    digests_at,
    digests_of,
    home,
    open_index,
    update_index,
    verify_index,
    version_folder,
)
from modelyard.retrieval import DOCUMENTS_FILE, Ask, Cutting, IndexDamaged, OtherEmbedder, Searcher

from ..killing import in_child
from ..tiny_embedder import build_tiny

SMALL = Cutting(20, 6)


class Counting:
    """An embedder that counts the texts it is given."""

    def __init__(self, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        whole = embedder.embed

        def embed(texts: Sequence[str]) -> Any:
            self.texts.extend(texts)
            return whole(texts)

        monkeypatch.setattr(embedder, "embed", embed)


def sources(where: Path, tiny: Embedder, question: str = "fox") -> set[str]:
    """The sources that a question finds in the current version."""
    return {each.citation.source for each in Searcher(open_index(where), tiny)(Ask(question, k=50, mode="words"))}


def test_a_span_says_exactly_where_its_text_stands(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """Of every chunk, in the file itself, also of HTML."""
    build_index(tmp_path / "index", [documents], tiny, cutting=SMALL)
    index = open_index(tmp_path / "index")
    assert set(index.documents) == {"animals.md", "plants.html", "staff/salaries.txt"}
    for chunk in index.chunks:
        written = (documents / chunk.source).read_text(encoding="utf-8")[chunk.start : chunk.end]
        if chunk.source.endswith("html"):
            assert (written[0], written[-1]) == (chunk.text[0], chunk.text[-1])
        else:
            assert " ".join(written.split()) == chunk.text


def test_equal_documents_give_an_equal_digest(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """Another text, another cutting or another rule gives another."""
    one = build_index(tmp_path / "one", [documents], tiny)
    assert build_index(tmp_path / "two", [documents], tiny).digest == one.digest
    digests = {one.digest, build_index(tmp_path / "three", [documents], tiny, cutting=SMALL).digest}
    digests.add(build_index(tmp_path / "four", [documents], tiny, rules=[("staff/*", ("hr",))]).digest)
    (documents / "animals.md").write_text("other", encoding="utf-8")
    digests.add(build_index(tmp_path / "five", [documents], tiny).digest)
    assert len(digests) == 4


def test_only_what_changed_is_embedded_again(
    documents: Path, tmp_path: Path, tiny: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new one, a changed one, one that is gone, and one that is as it was; no id comes twice."""
    where = tmp_path / "index"
    build_index(where, [documents], tiny)
    ids = {chunk.id for chunk in open_index(where).chunks}
    counting = Counting(tiny, monkeypatch)
    (documents / "animals.md").write_text("A changed fox.", encoding="utf-8")
    (documents / "new.txt").write_text("A new fox.", encoding="utf-8")
    (documents / "plants.html").unlink()
    change = update_index(where, [documents], tiny)
    assert (change.added, change.changed, change.removed, change.kept) == (
        ["new.txt"], ["animals.md"], ["plants.html"], 1,
    )  # fmt: skip
    assert sorted(counting.texts) == ["A changed fox.", "A new fox."]
    fresh = {chunk.id for chunk in open_index(where).chunks if chunk.source != "staff/salaries.txt"}
    assert not fresh & ids
    again = update_index(where, [documents], tiny)
    assert (again.digest, again.kept, again.embedded) == (change.digest, 3, 0)
    assert len(counting.texts) == 2


def test_an_updated_index_answers_like_one_that_is_built_anew(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """By words and by vectors: what left has no part in what the others score."""
    build_index(tmp_path / "old", [documents], tiny, cutting=SMALL)
    (documents / "animals.md").unlink()
    update_index(tmp_path / "old", [documents], tiny)
    build_index(tmp_path / "new", [documents], tiny, cutting=SMALL)
    answers = [
        [(each.text, each.score, each.cosine) for each in Searcher(open_index(where), tiny)(Ask("the dog and the oak"))]
        for where in (tmp_path / "old", tmp_path / "new")
    ]
    assert answers[0] == answers[1]


def test_what_is_removed_is_not_found_and_pruned_it_is_nowhere(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """The older version holds it until it is pruned."""
    where = tmp_path / "index"
    build_index(where, [documents], tiny)
    assert sources(where, tiny) == {"animals.md", "staff/salaries.txt"}
    update_index(where, [], tiny, remove=["staff/salaries.txt"])
    assert sources(where, tiny) == {"animals.md"}
    assert len(list((where / "versions").iterdir())) == 2
    assert update_index(where, [], tiny, pruning=True).pruned == 1
    held = b"".join(each.read_bytes() for each in where.rglob("*") if each.is_file())
    assert b"earns forty" not in held
    with pytest.raises(NotFound, match="staff/salaries"):
        update_index(where, [], tiny, remove=["staff/salaries.txt"])


def test_a_source_that_is_left_out_is_not_taken_though_its_file_is_there(
    documents: Path, tmp_path: Path, tiny: Embedder
) -> None:
    """Neither when the index has it, nor when it has it no more."""
    where = tmp_path / "index"
    build_index(where, [documents], tiny)
    for _ in range(2):
        change = update_index(where, [documents], tiny, remove=["staff/salaries.txt"])
        assert "staff/salaries.txt" not in open_index(where).documents
    assert (change.added, change.embedded) == ([], 0)


def test_an_index_that_is_kept_elsewhere_is_gone_on_with(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """In a new home: the same digest, and nothing is embedded again."""
    made = build_index(tmp_path / "index", [documents], tiny)
    kept = version_folder(tmp_path / "index")
    adopt(tmp_path / "other", made.digest, lambda into: shutil.copytree(kept, into))
    again = update_index(tmp_path / "other", [documents], tiny)
    assert (again.digest, again.embedded) == (made.digest, 0)


def test_changes_are_told_by_bytes(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """Added, changed and removed documents by name; not one that was only touched, or is of no kind that is read."""
    build_index(tmp_path / "index", [documents], tiny)
    before = digests_of((version_folder(tmp_path / "index") / DOCUMENTS_FILE).read_bytes())
    os.utime(documents / "animals.md", (1, 1))
    (documents / "other.png").write_bytes(b"\x89PNG")
    assert changes_of(before, digests_at([documents])) == Changes(same=3)
    (documents / "animals.md").write_text("A fox.", encoding="utf-8")
    (documents / "new.txt").write_text("new", encoding="utf-8")
    (documents / "plants.html").unlink()
    found = changes_of(before, digests_at([documents]))
    assert found == Changes(("new.txt",), ("animals.md",), ("plants.html",), 1)
    assert (found.count, str(found)) == (3, "1 added, 1 changed, 1 removed, 1 as they were")


def test_an_index_refuses_another_embedder(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """For building on, for searching and for comparing, though its vectors have the same dimension."""
    build_index(tmp_path / "index", [documents], tiny)
    other = load_embedder(build_tiny(tmp_path / "other", seed=1))
    assert other.dimension == tiny.dimension
    for act in (
        lambda: update_index(tmp_path / "index", [documents], other),
        lambda: Searcher(open_index(tmp_path / "index"), other),
        lambda: verify_index(tmp_path / "index", [], other),
    ):
        with pytest.raises(OtherEmbedder, match="cannot be compared"):
            act()


@pytest.mark.parametrize("moment", ["sync_tree", "sync_folder", "atomic_write"])
def test_a_killed_update_leaves_the_old_index(
    documents: Path, tmp_path: Path, tiny: Embedder, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is written, after it was renamed, and before the pointer is moved; the next update goes through."""
    where = tmp_path / "index"
    before = build_index(where, [documents], tiny).digest
    (documents / "animals.md").write_text("A cat.", encoding="utf-8")

    def killed() -> None:
        setattr(home, moment, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        update_index(where, [documents], tiny)

    assert in_child(killed) == -signal.SIGKILL
    assert open_index(where).digest == before
    assert "animals.md" in sources(where, tiny)
    after = update_index(where, [documents], tiny).digest
    assert after != before
    assert "animals.md" not in sources(where, tiny)
    assert not list(where.glob(".making-*"))


def test_an_index_that_is_there_is_not_built_over_and_one_that_is_not_is_told(
    documents: Path, tmp_path: Path, tiny: Embedder
) -> None:
    """Nor one of nothing; nor with a cutting or a rule that is none."""
    where = tmp_path / "index"
    with pytest.raises(NoIndex, match="modelyard index build"):
        open_index(where)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="nothing to read"):
        build_index(where, [tmp_path / "empty"], tiny)
    for wrong in (Cutting(4, 0), Cutting(20, 11), Cutting(20, -1)):
        with pytest.raises(InvalidInput, match="tokens"):
            build_index(where, [documents], tiny, cutting=wrong)
    for rule in (("", ("hr",)), ("*", ()), ("*", ("",))):
        with pytest.raises(InvalidInput, match="The rule"):
            build_index(where, [documents], tiny, rules=[rule])
    build_index(where, [documents], tiny)
    with pytest.raises(IndexExists, match="index update"):
        build_index(where, [documents], tiny)


def damages() -> list[Callable[[Path], object]]:
    """What may befall a version's folder."""
    return [
        lambda folder: (folder / "chunks.json").write_bytes(
            (folder / "chunks.json").read_bytes().replace(b"fox", b"cat")
        ),
        lambda folder: (folder / "words.npz").unlink(),
        lambda folder: (folder / "more.txt").write_text("x"),
        lambda folder: (folder / "index.json").write_bytes((folder / "index.json").read_bytes() + b" "),
        lambda folder: (folder / "index.json").write_bytes(b"{}"),
        lambda folder: (folder / "vectors.rows.npy").write_bytes(b""),
    ]


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_index_is_not_opened(
    documents: Path, tmp_path: Path, tiny: Embedder, damage: Callable[[Path], object]
) -> None:
    """A file that is another, that lacks, or that is too many."""
    build_index(tmp_path / "index", [documents], tiny)
    damage(home.version_folder(tmp_path / "index"))
    with pytest.raises(IndexDamaged):
        open_index(tmp_path / "index")


def test_verifying_compares_spans_and_vectors(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """A source that changed since is stale; a vector or a span that is another is wrong."""
    where = tmp_path / "index"
    build_index(where, [documents], tiny)
    checked = verify_index(where, [documents], tiny)
    assert (checked.stale, checked.wrong) == ([], [])
    assert checked.spans == checked.vectors == checked.chunks == 6
    (documents / "animals.md").write_text("Another.", encoding="utf-8")
    assert verify_index(where, [documents]).stale == ["animals.md"]
    assert verify_index(where).spans == 0


def test_vectors_and_spans_that_lie_are_told(
    documents: Path, tmp_path: Path, tiny: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that was built wrongly has digests that fit: only its sources and its embedder give it away."""
    whole = tiny.embed
    monkeypatch.setattr(tiny, "embed", lambda texts: -whole(texts))
    build_index(tmp_path / "turned", [documents], tiny)
    monkeypatch.setattr(tiny, "embed", whole)
    assert "vectors are off by up to 2" in verify_index(tmp_path / "turned", [], tiny).wrong[0]
    monkeypatch.setattr("modelyard.llm.build.plain", lambda text: text.upper())
    build_index(tmp_path / "loud", [documents], tiny)
    assert len(verify_index(tmp_path / "loud", [documents]).wrong) == 6


def test_an_index_may_lose_its_last_document(documents: Path, tmp_path: Path, tiny: Embedder) -> None:
    """It answers nothing then, and takes documents again."""
    where = tmp_path / "index"
    build_index(where, [documents / "animals.md"], tiny)
    update_index(where, [], tiny, remove=["animals.md"])
    assert Searcher(open_index(where), tiny)(Ask("fox")) == []
    shutil.copy(documents / "animals.md", documents / "staff")
    update_index(where, [documents / "staff"], tiny)
    assert sources(where, tiny) == {"animals.md", "salaries.txt"}
