"""Sentences end where a reader would say so, however the text came."""

import pytest

from modelyard.guards.sentences import LONGEST, Sentences

CUT = [
    "One. |Two! |Three?",
    "Dr. Who met Mrs. Smith, i.e. her. |She left.",
    "It is 3.5 percent. |Then 4.",
    'He said "no." |Then he left.',
    "First\n|second\n\n|- third",
    "Version 1.2. |Next",
    "J. Smith wrote it. |Good.",
    "He stopped... and went on.",
    "你好。|再见。|",
    "no end",
    "",
]


@pytest.mark.parametrize("marked", CUT)
def test_a_text_is_cut_where_it_is_marked(marked: str) -> None:
    """Also one character at a time; together the sentences are the text."""
    text, expected = marked.replace("|", ""), [each for each in marked.split("|") if each]
    for parts in ([text], list(text)):
        sentences = Sentences()
        cut = [each for part in parts for each in sentences.feed(part)]
        cut += sentences.end()
        assert [sentence for _, sentence in cut] == expected
        assert all(text[place:].startswith(sentence) for place, sentence in cut)


def test_what_never_ends_is_cut_at_the_limit() -> None:
    """The same in one part and in many."""
    text = "x" * (2 * LONGEST + 5)
    for parts in ([text], [text[at : at + 3] for at in range(0, len(text), 3)]):
        sentences = Sentences()
        cut = [each for part in parts for each in sentences.feed(part)]
        cut += sentences.end()
        assert [len(sentence) for _, sentence in cut] == [LONGEST, LONGEST, 5]
