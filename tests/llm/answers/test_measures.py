"""What one answer is worth: words, support, citations, retrieval, abstaining. What nobody tells is not measured."""

import pytest

from modelyard.llm import METRICS
from modelyard.llm.answers import Answer, Retrieved, citations, measures, support

from .made import answer, chunks, suite_of

CASE = {"id": "a", "question": "When?", "expected": "24 hours", "relevant": {"approve.md": 2.0, "expire.md": 1.0}}
FOUND = chunks(**{
    "approve.md": "An approval expires after 24 hours. Two people must give one.",
    "pay.md": "Salaries are paid monthly.",
})  # fmt: skip


def measured(given: Answer, **more: object) -> dict[str, float | None]:
    """Every metric of an answer to the case."""
    suite = suite_of({**CASE}, k=2, **more)
    return {name: each.of(suite.cases[0], given) for name, each in measures(suite).items()}


def test_what_is_not_told_is_not_measured() -> None:
    """An application that retrieves nothing has no support, citations, retrieval and abstention, and not 0 of them."""
    found = measured(answer("a", "24 hours"))
    assert {name for name, value in found.items() if value is not None} == {"exact_match", "f1"}
    untold = answer("a", "It expires after 24 hours.", retrieved=(Retrieved("approve.md"),), abstained=False)
    assert measured(untold)["support"] is None
    assert measured(untold)["recall@2"] == 0.5


def test_support_is_the_share_of_sentences_that_rest_on_what_was_retrieved() -> None:
    """A number that was changed rests on nothing; who says that he does not know says nothing that could."""
    said = "An approval expires after 24 hours. Two people must give one. It expires after 48 hours."
    assert support(answer("a", said, retrieved=FOUND)) == pytest.approx(2 / 3)
    assert support(answer("a", "Ducks swim on lakes.", retrieved=())) == 0
    assert support(answer("a", "I do not know.", retrieved=FOUND)) is None
    assert support(answer("a", said)) is None


def test_citations_are_annotations_else_marks() -> None:
    """Marks count from 1; one beyond what was retrieved cites nothing, and counts against precision."""
    said = answer("a", "After 24 hours [1]. Monthly [2, 1]. Never [7].", retrieved=FOUND)
    assert citations(said) == ["approve.md", "pay.md", None]
    found = measured(said)
    assert found["citation_recall"] == 0.5
    assert found["citation_precision"] == pytest.approx(1 / 3)
    named = answer("a", "After 24 hours [2].", retrieved=FOUND, cited=("approve.md", "approve.md"))
    assert citations(named) == ["approve.md"]
    silent = measured(answer("a", "After 24 hours.", retrieved=FOUND))
    assert (silent["citation_recall"], silent["citation_precision"]) == (0, None)
    assert citations(answer("a", "After 24 hours [1].")) is None


def test_marks_of_citations_are_no_words_of_the_answer() -> None:
    """Only where there is something to cite: else brackets are what the answer says."""
    assert measured(answer("a", "24 hours [1].", retrieved=FOUND))["exact_match"] == 1
    assert measured(answer("a", "24 hours [1]."))["exact_match"] == 0


def test_retrieval_is_measured_as_of_an_index() -> None:
    """By the same functions, a source where its best chunk ranks."""
    found = (Retrieved("pay.md"), Retrieved("expire.md"), Retrieved("pay.md"), Retrieved("approve.md"))
    values = measured(answer("a", "x", retrieved=found))
    relevant = {"approve.md": 2.0, "expire.md": 1.0}
    expected = {f"{name}@2": each(["pay.md", "expire.md", "approve.md"], relevant, 2) for name, each in METRICS.items()}
    assert {name: values[name] for name in expected} == expected


def test_abstaining_is_told_or_said_in_the_suites_words() -> None:
    """What the application tells counts before phrases; of neither nothing is known."""
    phrases = {"abstains": ["I don't know", "no answer"]}
    assert measured(answer("a", "Sorry: I don\u2019t know, I'm afraid!"), **phrases)["false_abstention"] == 1
    assert measured(answer("a", "There are no answers here"), **phrases)["false_abstention"] == 0
    assert measured(answer("a", "I don't know", abstained=False), **phrases)["false_abstention"] == 0
    assert measured(answer("a", "24 hours", abstained=True))["false_abstention"] == 1
    assert measured(answer("a", "I don't know"))["false_abstention"] is None


def test_an_item_is_a_case_with_a_very_answer() -> None:
    """Whoever gave it and whenever; another answer, or other chunks, are another item."""
    one = answer("a", "yes", retrieved=FOUND)
    assert one.item == answer("a", "yes", 2, retrieved=FOUND, latency_s=3.0, bundle="x").item
    others = {
        answer("a", "no", retrieved=FOUND).item,
        answer("a", "yes").item,
        answer("b", "yes", retrieved=FOUND).item,
    }
    assert len(others | {one.item}) == 4
    assert one.item.startswith("a.")
