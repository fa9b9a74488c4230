"""Searching: by ranks of two searches, within what the asker may read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from modelyard.core import Failed, InvalidInput
from modelyard.inference import Embedder
from modelyard.llm import build_index, open_index, update_index
from modelyard.retrieval import MODES, Ask, Cutting, Searcher, fuse, words_of


@pytest.fixture
def searcher(documents: Path, tmp_path: Path, tiny: Embedder) -> Searcher:
    """An index where only `hr` reads what is of the staff."""
    build_index(tmp_path / "index", [documents], tiny, cutting=Cutting(20, 0), rules=[("staff/*", ("hr",))])
    return Searcher(open_index(tmp_path / "index"), tiny)


def test_ranks_are_fused_as_the_paper_has_it() -> None:
    """1 / (60 + rank), summed; equals by id."""
    order = fuse([np.array([7, 3, 5]), np.array([3, 9])])
    assert [each for each, _ in order] == [3, 7, 9, 5]
    assert order[0][1] == 1 / 62 + 1 / 61
    assert fuse([np.array([2]), np.array([1])]) == [(1, 1 / 61), (2, 1 / 61)]


@pytest.mark.parametrize("mode", MODES)
def test_what_may_not_be_read_takes_no_place(
    documents: Path, tmp_path: Path, tiny: Embedder, searcher: Searcher, mode: str
) -> None:
    """The answer is the one of an index without it, but for the weight of words; those who may read it find it."""
    ask = Ask("salaries the fox earns", k=50, mode=mode)  # type: ignore[arg-type]  # of MODES
    found = searcher(ask)
    assert found
    assert all(each.citation.source != "staff/salaries.txt" for each in found)
    update_index(tmp_path / "index", [], tiny, remove=["staff/salaries.txt"])
    without = Searcher(open_index(tmp_path / "index"), tiny)(ask)
    assert {each.chunk for each in found} == {each.chunk for each in without}
    asked = Ask(ask.text, k=50, groups=("hr", "others"), mode=ask.mode)
    assert any(each.citation.source == "staff/salaries.txt" for each in searcher(asked))


def test_as_many_are_found_as_may_be_read_however_many_may_not(tmp_path: Path, tiny: Embedder) -> None:
    """A hundred and fifty nearer texts that are hidden push nothing out of the first hundred that are searched."""
    folder = tmp_path / "many"
    (folder / "hidden").mkdir(parents=True)
    for at in range(150):
        (folder / "hidden" / f"{at}.txt").write_text(f"the very fox {at}")
    (folder / "open.txt").write_text("something else that has a fox in it, once")
    build_index(tmp_path / "index", [folder], tiny, rules=[("hidden/*", ("few",))])
    searcher = Searcher(open_index(tmp_path / "index"), tiny)
    for mode in MODES:
        assert [each.citation.source for each in searcher(Ask("the very fox", mode=mode))] == ["open.txt"]


def test_a_hit_says_why_and_where(searcher: Searcher) -> None:
    """Its ranks, its cosine, its source with characters, title and digest."""
    (first, *_) = searcher(Ask("Foxes hunt at night", k=1))
    document = searcher.index.documents["animals.md"]
    assert (first.citation.source, first.citation.title) == ("animals.md", "Animals")
    assert first.citation.digest == document.digest
    assert first.by_words == 1
    assert first.score == pytest.approx(1 / 61 + 1 / (60 + (first.by_vector or 0)))
    assert first.cosine is not None
    assert -1 <= first.cosine <= 1


def test_a_text_finds_itself_by_its_vector(searcher: Searcher) -> None:
    """Even an embedder that knows no meaning gives equal texts equal vectors."""
    for chunk in searcher.index.chunks:
        (first,) = searcher(Ask(chunk.text, k=1, mode="vectors", groups=("hr",)))
        assert first.chunk == chunk.id
        assert first.cosine == pytest.approx(1, abs=1e-5)


def test_a_budget_of_tokens_ends_the_list(searcher: Searcher) -> None:
    """At the first that does not fit, so that what is left out is never better than what is there."""
    found = searcher(Ask("the fox", k=50))
    sizes = [each.tokens for each in found]
    assert searcher(Ask("the fox", k=50, budget=sum(sizes[:2]))) == found[:2]
    assert searcher(Ask("the fox", k=50, budget=sizes[0] - 1)) == []


def test_a_reranker_orders_only_what_may_be_read(searcher: Searcher) -> None:
    """Its scores decide; a wrong number of them, or one that is none, fails."""
    seen: list[str] = []

    def shortest(question: str, texts: Sequence[str]) -> list[float]:
        seen.extend(texts)
        return [-float(len(text)) for text in texts]

    found = Searcher(searcher.index, searcher._embedder, shortest)(Ask("the fox", k=50))
    lengths = [len(each.text) for each in found]
    assert lengths == sorted(lengths)
    assert seen
    assert not any("earns" in text for text in seen)
    for broken in (lambda *_: [], lambda _, texts: [float("nan")] * len(texts)):
        with pytest.raises(Failed, match="reranker"):
            Searcher(searcher.index, searcher._embedder, broken)(Ask("the fox"))


def test_words_are_found_in_any_case_and_in_parts_of_names() -> None:
    """`max_open_files` and `readFile` are found whole and by their parts."""
    assert words_of("Read max_open_files, readFile: 3 + É") == [
        "read", "max_open_files", "max", "open", "files", "readfile", "read", "file", "3", "é",
    ]  # fmt: skip


def test_a_question_without_a_known_word_finds_nothing_by_words(searcher: Searcher) -> None:
    """And by vectors what is nearest."""
    assert searcher(Ask("zebra", mode="words")) == []
    assert searcher(Ask("zebra", mode="vectors"))


@pytest.mark.parametrize(
    "wrong", [Ask(""), Ask(" \n"), Ask("x" * 8001), Ask("x", k=0), Ask("x", k=1001), Ask("x", budget=0)]
)
def test_questions_that_are_none_are_refused(searcher: Searcher, wrong: Ask) -> None:
    """With what may be asked."""
    with pytest.raises(InvalidInput, match=r"question|chunks"):
        searcher(wrong)
    with pytest.raises(InvalidInput, match="no search by 'word'"):
        searcher(Ask("x", mode="word"))  # type: ignore[arg-type]  # what is told
