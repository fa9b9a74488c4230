"""Questions that say the same, and those that only look it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.generation import what_is_asked

SAME = (
    ("How do I back up?", "Please tell me how to back up"),
    ("how can I back up, thanks!", "How to back up"),
    ("What's the limit of a canary?", "what is the limit of the canary"),
    ("Hello, do you know what an index is?", "What an index is"),
    ("Why can't I promote it?", "why can not I promote it"),
    ("I would like to know when  keys expire.", "When keys expire"),
)
DIFFERENT = (
    ("How do I back up?", "How do I not back up?"),
    ("Can it run?", "Can't it run?"),
    ("Is it safe with TLS?", "Is it safe without TLS?"),
    ("How do I enable logging?", "How do I disable logging?"),
    ("Flights from Rome to Oslo", "Flights from Oslo to Rome"),
    ("Does 5 > 3 hold?", "Does 5 < 3 hold?"),
    ("A limit of 10.5", "A limit of 105"),
    ("A limit of 1,000", "A limit of 1.000"),
    ("C++ or C?", "C or C++?"),
    ("Who may contact US support?", "Who may contact us support?"),
    ("Take vitamin A", "Take vitamin"),
    ("How do you store my data?", "How do I store my data?"),
    ("Print hello world", "Print world"),
    ("Say thanks", "Say"),
    ("Is the backup before the update?", "Is the backup after the update?"),
    ("version 3.1.0", "version 3.10"),
    ("-5 degrees", "5 degrees"),
    ("Will you charge me?", "Charge me"),
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_other_words_for_the_same_are_the_same(one: str, other: str) -> None:
    """Articles, courtesies, short forms and ways to begin are no difference."""
    assert what_is_asked(one) == what_is_asked(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_a_word_that_carries_meaning_makes_another_question(one: str, other: str) -> None:
    """Negations, directions, numbers, signs, abbreviations and order are."""
    assert what_is_asked(one) != what_is_asked(other)


@given(st.text(max_size=80))
def test_what_is_asked_says_the_same_as_what_it_is_of(text: str) -> None:
    """Nothing raises, and a question of letters in capitals and blanks of another kind is the same."""
    assert what_is_asked(text) == what_is_asked(f"  {text}\n")
