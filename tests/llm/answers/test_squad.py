"""Exact match and F1 are SQuAD's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from modelyard.llm.answers import exact_match, normalised, token_f1

WORDS = [f"word{at}" for at in range(12)]
SOME = st.sets(st.sampled_from(WORDS))


@settings(max_examples=200, deadline=None)
@given(SOME, SOME)
def test_f1_is_scikit_learns_where_no_word_comes_twice(found: set[str], wanted: set[str]) -> None:
    """Each word of the vocabulary is in an answer or not: the same F1, to 1e-9."""
    ours = token_f1(" ".join(sorted(found)), [" ".join(sorted(wanted))])
    truth, said = ([word in each for word in WORDS] for each in (wanted, found))
    assert ours == pytest.approx(
        f1_score(truth, said, zero_division=1.0 if not found and not wanted else 0.0), abs=1e-9
    )


@pytest.mark.parametrize(
    ("answer", "expected", "exact", "f1"),
    [
        ("The Denver Broncos!", ["Denver Broncos", "Broncos"], 1, 1),
        ("It was the Broncos", ["Denver Broncos", "Broncos"], 0, 2 * 1 / 3 * 1 / (1 / 3 + 1)),
        ("a b b", ["b b c"], 0, 2 * 2 / 5),  # `a` is an article, `b` counts twice
        ("24", ["after 24 hours"], 0, 0.5),
        ("", ["x"], 0, 0),
        ("The", ["an"], 1, 1),
        ("Straße", ["straße"], 1, 1),
    ],
)
def test_known_values(answer: str, expected: list[str], exact: float, f1: float) -> None:
    """By hand, from the definition; of several right answers the nearest counts."""
    assert exact_match(answer, expected) == exact
    assert token_f1(answer, expected) == pytest.approx(f1, abs=1e-9)


def test_the_normal_form_is_its_own() -> None:
    """Case, punctuation, articles and white space are gone; words that begin like articles stay."""
    assert normalised("  The  theory, of A.I.\tand an ant ") == "theory of ai and ant"
    assert normalised(normalised("An apple a day!")) == normalised("An apple a day!")
