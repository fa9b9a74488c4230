"""Whether an answer is what was expected: exact match and F1 over words, as SQuAD has them.

Rajpurkar, Zhang, Lopyrev and Liang, *SQuAD: 100,000+ Questions for Machine Comprehension of Text*, EMNLP 2016: both
sides in lower case, without punctuation (ASCII's), English articles and repeated white space; of several right answers
the nearest counts. They measure short answers: of a whole sentence F1 tells how much else it says.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """The text in SQuAD's normal form."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, expected: Sequence[str]) -> float:
    """1 where an answer is any of those expected, else 0."""
    return float(normalised(answer) in map(normalised, expected))


def token_f1(answer: str, expected: Sequence[str]) -> float:
    """The harmonic mean of precision and recall over words, each counted as often as it comes; the best of several.

    Two texts without any word are equal, as in SQuAD 2.0.
    """
    return max(_f1(normalised(answer).split(), normalised(each).split()) for each in expected)


def _f1(found: list[str], wanted: list[str]) -> float:
    if not found or not wanted:
        return float(found == wanted)
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted))
