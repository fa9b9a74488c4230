"""What fails is counted, and is no score; the same answers are worth the same."""

import math
from fractions import Fraction

import numpy as np
import pytest

from modelyard.core import InvalidInput
from modelyard.llm.answers import Answer, AnswerCase, Scored, Scorer, means, require_scorers, score

from .made import DIGEST, answer, asked, suite_of

SUITE = suite_of({"id": "a", "question": "Why?", "expected": "because"}, {"id": "b", "question": "Who?"})


def scored(*answers: Answer, **scorers: Scorer) -> Scored:
    """Answers to the suite, measured by the project's own scorers, too."""
    return score(SUITE, DIGEST, asked(*answers), scorers)


@pytest.mark.parametrize(
    "given", [math.nan, math.inf, None, "0.5", "high", object(), [1, 2], 10**400, np.float64("nan"), 1j]
)
def test_what_is_no_finite_number_is_an_error_and_no_score(given: object) -> None:
    """Counted with what was given; the other case is measured."""
    found = scored(answer("a", "x"), answer("b", "y"), own=lambda case, _: given if case.id == "a" else 1)
    assert (means(found)["own"].value, means(found)["own"].cases, means(found)["own"].failed) == (1, 1, 1)
    (fault,) = found.faults
    assert (fault.case, fault.metric) == ("a", "own")
    assert "no finite number" in fault.error


def test_a_scorer_that_raises_is_an_error() -> None:
    """With what it said; nothing of the project's code ends the evaluation."""

    def broken(case: AnswerCase, answer: Answer) -> float:
        raise KeyError(case.id)

    found = scored(answer("a", "x"), answer("b", "y"), broken=broken)
    assert "broken" not in means(found)
    assert [(each.metric, each.error) for each in found.faults] == [
        ("broken", "KeyError: 'a'"),
        ("broken", "KeyError: 'b'"),
    ]


@pytest.mark.parametrize("given", [True, 3, np.float32(0.5), Fraction(1, 2)])
def test_any_number_is_a_score(given: object) -> None:
    """Truth counts as 1."""
    assert means(scored(answer("a", "x"), own=lambda *_: given))["own"].value == float(given)  # type: ignore[arg-type]


def test_an_answer_that_did_not_come_has_no_score_and_is_an_error() -> None:
    """Its scorers are not asked."""
    found = scored(answer("a", None), answer("b", "y"), own=lambda _, it: len(it.text or "nothing"))
    assert {name: (each.value, each.cases, each.failed) for name, each in means(found).items()} == {
        "errors": (0.5, 2, 0),
        "own": (1, 1, 1),
    }
    assert [(each.metric, each.error) for each in found.faults] == [("errors", "cut off")]


def test_a_case_that_is_asked_twice_with_the_same_answer_is_worth_the_same() -> None:
    """To the last bit, in whatever order answers came: no metric draws at random."""
    answers = [answer("a", "It is because of this [1].", turn) for turn in (1, 2)]
    found = scored(*answers)
    for name, values in found.values.items():
        assert len({repr(each) for each in values.get("a", ())}) <= 1, name
    assert scored(*reversed(answers)).values == found.values
    assert all(math.isfinite(each.value) for each in means(found).values())


def test_a_scorer_has_a_name_of_its_own() -> None:
    """Not one of a metric, whatever the suite measures."""
    for name in ("f1", "errors", "judge", "recall@10"):
        with pytest.raises(InvalidInput, match=f"called '{name}'"):
            require_scorers(SUITE, {name: lambda *_: 1})
