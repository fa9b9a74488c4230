"""Whether two questions say the same, by their words: for answers that are kept.

Nearness of vectors cannot tell: a question and its opposite are nearer than two ways to put one question. So questions
are alike when the same words are left, in the same order, of what carries meaning: articles, courtesies and the ways to
begin a question are taken out, and nothing else is. Negations, numbers, prepositions, abbreviations and names stay.
"""

import re

import msgspec

from modelyard.core import Digest

_WORD = re.compile(r"[^\W_]+(?:['\-.,/:+#@][^\W_]+)*[+#%]*|[<>=+*/%&|^~$€£-]+")
_APART = re.compile(r"(\W+)")
_SHOUTED = re.compile(r"[A-Z]{2,}")
_SPELLED = (
    (re.compile(r"[\u2018\u2019`]"), "'"),
    (re.compile(r"\b(what|how|where|when|who|that|there|it)'s\b"), r"\1 is"),
    (re.compile(r"\bcan't\b"), "can not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\bi'd\b"), "i would"),
    (re.compile(r"\s+"), " "),
)
_LEFT_OUT = (
    (re.compile(r"^(?:hi|hello|hey|good (?:morning|day|evening))(?: there| all)?[,.!]+ "), ""),
    (re.compile(r"[,.!?] ?(?:thanks|thank you)[.! ]*$"), ""),
    (re.compile(r"\b(?:please|kindly)\b"), " "),
    (re.compile(r"^ *(?:(?:can|could|would|will) you +)?tell me[,:]? +"), ""),
    (re.compile(r"^ *(?:i (?:want|need|would like) to know|do you know)[,:]? +"), ""),
    (re.compile(r"^ *how (?:do|can|could|should|would) (?:i|we|one) +"), "how to "),
    (re.compile(r"\b(?:an|the)\b|\ba (?=\w)"), " "),
)


class Alike(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That answers are kept for questions that say the same, and what was measured before that was allowed.

    Of `different` pairs of questions with different answers `false_hits` were taken for the same: at most a share of
    `at_most` are, with a confidence of 95%. Of `same` pairs `hits` were. `pairs` is the digest of the file.
    """

    pairs: Digest
    different: int
    false_hits: int
    at_most: float
    same: int
    hits: int


def what_is_asked(question: str) -> str:
    """The words of a question that carry meaning, in their order: equal for questions that say the same."""
    told = "".join(each if _SHOUTED.fullmatch(each) else each.lower() for each in _APART.split(question)).strip()
    for pattern, instead in (*_SPELLED, *_LEFT_OUT):
        told = pattern.sub(instead, told)
    return " ".join(_WORD.findall(told))
