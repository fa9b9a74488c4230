"""Support: what rests on a chunk, what does not, and how well that is told on our own pages."""

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from modelyard.guards import Action, Armed, Context, Evidence, Sentences, SupportGuard, check

CHUNK = (
    "A canary takes 5 percent of the traffic first. It is never rolled back by hand. The server keeps 1,000 rows in "
    "memory, and writes them to disk every 2.50 seconds."
)

JUDGED = [
    ("A canary first takes 5 percent of traffic.", ""),
    ("It is never rolled back by hand [1].", ""),
    ("The server keeps 1000 rows in memory.", ""),
    ("2. Every 2.5 seconds the server writes to disk.", ""),
    ("The canary takes 50 percent of the traffic.", "number"),
    ("The server keeps 1001 rows in memory.", "number"),
    ("It is rolled back by hand.", "negation"),
    ("A canary doesn't take 5 percent of the traffic first.", "negation"),
    ("The moon is made of green cheese.", "unsupported"),
    ("Is the moon made of green cheese?", ""),
    ("I cannot find an answer to that in the pages.", ""),
    ("Yes.", ""),
    ("42.", "unsupported"),
]


@pytest.mark.parametrize(("sentence", "kind"), JUDGED)
def test_a_sentence_is_judged_by_words_numbers_and_negations(sentence: str, kind: str) -> None:
    """Marks of lists and citations say nothing, nor do questions and abstaining."""
    outcome = check([Armed(SupportGuard(), Action.FLAG)], sentence, Context(chunks=("Other things.", CHUNK)))
    assert [each.kind for each in outcome.findings] == ([kind] if kind else [])


def test_without_chunks_nothing_is_supported() -> None:
    """No evidence is no support."""
    assert check([Armed(SupportGuard(), Action.REDACT)], "Cats eat many mice.").text == "[UNSUPPORTED]."


def test_a_near_vector_makes_up_for_half_of_the_words() -> None:
    """With an embedder a paraphrase may pass; numbers and negations count as ever."""

    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[float("canar" in each.lower()), float("disk" in each), 0.1] for each in texts]

    with_vectors = Evidence.of(Context(chunks=(CHUNK,), embed=embed))
    without = Evidence.of(Context(chunks=(CHUNK,)))
    paraphrase = "Canaries receive 5 percent of traffic initially."
    assert without.support(paraphrase, overlap=0.6, near=0.75).kind == "unsupported"
    found = with_vectors.support(paraphrase, overlap=0.6, near=0.75)
    assert found.kind == ""
    assert found.nearness is not None
    assert found.nearness > 0.99
    assert with_vectors.support(paraphrase.replace("5", "6"), overlap=0.6, near=0.75).kind == "number"


def test_on_our_own_pages_it_tells_true_changed_and_foreign_sentences_apart() -> None:
    """A page's sentences pass against it; with another number or one more *not*, or of another page, they do not."""
    own = [each for name in ("watch-a-model.md", "get-alerted.md", "roll-out.md") for each in _prose(name)]
    foreign, random = _prose("check-data.md"), Random(9)
    evidence = Evidence.of(Context(chunks=tuple(own)))

    def kind(sentence: str) -> str:
        return evidence.support(sentence, overlap=0.6, near=0.75).kind

    numbered = [each for each in own if re.search(r"\b\d+\b", each)]
    assert min(len(own), len(foreign), len(numbered)) >= 5
    assert [each for each in own if kind(each)] == []
    changed = [re.sub(r"\b\d+\b", lambda _: str(random.randint(7001, 7999)), each) for each in numbered]
    assert {kind(each) for each in changed} == {"number"}
    assert sum(bool(kind(each)) for each in foreign) >= 0.9 * len(foreign)
    turned = [each.replace(" is ", " is not ", 1) for each in own if " is " in each and " not " not in each]
    assert turned
    assert sum(kind(each) == "negation" for each in turned) >= 0.9 * len(turned)


def _prose(name: str) -> list[str]:
    """The sentences of a page outside of code and tables, of six words and more."""
    text = (Path(__file__).parents[2] / "docs" / "how-to" / name).read_text()
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    paragraphs = [each for each in text.split("\n\n") if each.strip() and each.lstrip()[0] not in "|#<-"]
    cut = Sentences()
    joined = "\n".join(" ".join(each.split()) for each in paragraphs)
    sentences = [sentence.strip() for _, sentence in (*cut.feed(joined), *cut.end())]
    return [each for each in sentences if len(each.split()) >= 6]
