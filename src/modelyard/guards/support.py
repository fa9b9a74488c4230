"""Support: whether a sentence of an answer rests on what was retrieved.

A measure, not understanding. A sentence rests on a chunk when most of its words are there, in one sentence of it or in
two that follow each other, or when its vector is near and some of the words are; and then only when every number of it
stands in the chunk and both say it with or without *not*. What it cannot see: words in another order, another subject,
a wrong conclusion from right sentences. It is to be read as *no reason to doubt*.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import hypot
from typing import NamedTuple

from .contract import Context, Embeds
from .records import Claim
from .sentences import LONGEST, Sentences

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")  # noqa: RUF001 - both apostrophes
_NUMBER = re.compile(r"(?<![^\W_])[0-9]+(?:[.,\u00a0\u202f'][0-9]+)*")
_LIST_MARK = re.compile(r"\s*(?:[-*•]|[0-9]{1,3}[.)])\s+")
_CITATION = re.compile(r"\[[0-9, ]{1,20}\]")
_NEGATIONS_TEXT = """
no not never none nobody nothing neither nor without cannot n't nicht kein keine keinen keiner nie niemals ohne non ne
pas jamais sans nunca ningún ninguno sin
"""
_NEGATIONS = frozenset(_NEGATIONS_TEXT.split())
_STOP_TEXT = """
a an the and or but if of to in on at by for from with as is are was were be been being it its this that these those
there here then than so such can could will would shall should may might must do does did has have had i you he she we
they them his her their our your my me us what which who whom when where how why also just only very more most some
any each all both either other into over under about between through during before after above below up down out off
again once own same too s t re ve ll d m
"""
_STOP = frozenset(_STOP_TEXT.split())
_CLOSING = " \n\t\r.!?…\u3002\uff01\uff1f"
_ABSTAINS = re.compile(
    r"\b(?:i (?:do not|don't) know|(?:cannot|can't|could not|couldn't) (?:find|answer|tell|say)"
    r"|no (?:information|answer|mention)"
    r"|not (?:mentioned|stated|said|given|known|found|in the (?:context|documents|text)))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Support:
    """How far a sentence rests on what was retrieved.

    `overlap` in [0, 1] is the share of its words that the best passage has, `nearness` in [-1, 1] the cosine to the
    nearest passage (None without an embedder), `kind` what is wrong: `unsupported`, `number`, `negation`, or nothing;
    then it rests on the chunk of this place.
    """

    overlap: float
    nearness: float | None
    kind: str
    chunk: int | None = None


class Rest(NamedTuple):
    """Characters [start, end) of an answer, a sentence that says something, and the chunk that it rests on, if any."""

    start: int
    end: int
    chunk: int | None


@dataclass(frozen=True)
class SupportGuard:
    """Claims the sentences of an answer that rest on no chunk (`unsupported`), change a number (`number`) or say the
    opposite (`negation`).

    `overlap` is the least share of words, `near` the least cosine with which half of `overlap` will do. Not judged are
    sentences of fewer than three words that say something, questions, and those that say that there is no answer.
    Without chunks every other sentence is unsupported. It holds back a sentence, of at most 2,000 characters.
    """

    name: str = "support"
    overlap: float = 0.6
    near: float = 0.75

    @property
    def longest(self) -> int:
        """A sentence, and one character behind it."""
        return LONGEST + 1

    def open(self, context: Context) -> "SupportScan":
        """Begin an answer."""
        return SupportScan(self, Evidence.of(context))


@dataclass(frozen=True)
class _Passage:
    sentences: int
    words: frozenset[str]
    negated: bool
    numbers: frozenset[str]  # of the whole chunk
    chunk: int
    text: str


@dataclass(frozen=True)
class Evidence:
    """What was retrieved, in passages of one sentence and of two that follow each other."""

    passages: tuple[_Passage, ...]
    vectors: Sequence[Sequence[float]] = field(default=(), repr=False)
    embed: Embeds | None = None

    @classmethod
    def of(cls, context: Context) -> "Evidence":
        """The passages of the chunks, with vectors when there is an embedder."""
        texts: list[str] = []
        passages: list[_Passage] = []
        for at, chunk in enumerate(context.chunks):
            numbers = _numbers(chunk)
            for count, passage in _passages(chunk):
                texts.append(passage)
                passages.append(_Passage(count, _words(passage), _negated(passage), numbers, at, passage))
        vectors = context.embed(texts) if context.embed is not None and texts else ()
        return cls(tuple(passages), vectors, context.embed)

    def support(self, sentence: str, *, overlap: float, near: float) -> Support:
        """How far a sentence rests on it; its numbers and negations are compared with the passages that bear it."""
        words, numbers, negated = _words(sentence), _numbers(sentence), _negated(sentence)
        shares = [len(words & each.words) / len(words) if words else 0.0 for each in self.passages]
        cosines = self._cosines(sentence)
        best, nearness = max(shares, default=0.0), max(cosines, default=None)
        bearing = [
            (shares[index], passage)
            for index, passage in enumerate(self.passages)
            if shares[index] >= overlap or (cosines and cosines[index] >= near and shares[index] >= overlap / 2)
        ]
        if not bearing:
            return Support(best, nearness, "unsupported")
        # What two sentences say together, one of them may deny: they are asked when no single one bears it.
        bearing = [each for each in bearing if each[1].sentences == 1] or bearing
        bearing = [each for each in bearing if numbers <= each[1].numbers]
        if not bearing:
            return Support(best, nearness, "number")
        bearing = [each for each in bearing if each[1].negated == negated]
        if not bearing:
            return Support(best, nearness, "negation")
        return Support(best, nearness, "", max(bearing, key=lambda each: each[0])[1].chunk)

    def rests(self, text: str, *, overlap: float, near: float) -> list[Rest]:
        """Each sentence of a whole text that says something, and the chunk that it rests on."""
        sentences, found = Sentences(), []
        for place, sentence in (*sentences.feed(text), *sentences.end()):
            bare = sentence.rstrip(_CLOSING)
            if _says_something(sentence):
                support = self.support(bare, overlap=overlap, near=near)
                found.append(Rest(place, place + len(bare), support.chunk))
        return found

    def quote(self, question: str) -> tuple[int, str] | None:
        """The sentence that has most words of a question, and its chunk; of equal ones the first. None without any."""
        words = _words(question)
        alone = [each for each in self.passages if each.sentences == 1 and len(each.words) >= 3]
        best = max(alone, key=lambda each: len(words & each.words), default=None)
        return None if best is None else (best.chunk, best.text.strip())

    def _cosines(self, sentence: str) -> list[float]:
        if self.embed is None or not self.passages:
            return []
        (vector,) = self.embed([sentence])
        return [_cosine(vector, each) for each in self.vectors]


class SupportScan:
    """One answer, sentence by sentence."""

    def __init__(self, guard: SupportGuard, evidence: Evidence) -> None:
        self._guard = guard
        self._evidence = evidence
        self._sentences = Sentences()

    @property
    def clear(self) -> int:
        """Where the sentence begins that is not over."""
        return self._sentences.clear

    def feed(self, text: str) -> list[Claim]:
        """Judge the sentences that are over now."""
        return list(self._judged(self._sentences.feed(text)))

    def end(self, text: str = "") -> list[Claim]:
        """Judge the last one too."""
        return [*self.feed(text), *self._judged(self._sentences.end())]

    def _judged(self, sentences: Iterator[tuple[int, str]]) -> Iterator[Claim]:
        for place, sentence in sentences:
            bare = sentence.rstrip(_CLOSING)
            if not _says_something(sentence):
                continue
            found = self._evidence.support(bare, overlap=self._guard.overlap, near=self._guard.near)
            if found.kind:
                yield Claim(place, place + len(bare), found.kind)


def abstains(text: str) -> bool:
    """Whether a text says that there is no answer, and nothing else."""
    sentences = Sentences()
    cut = [sentence for _, sentence in (*sentences.feed(text), *sentences.end())]
    return not any(map(_says_something, cut)) and any(_ABSTAINS.search(_plain(each)) for each in cut)


def _says_something(sentence: str) -> bool:
    """Whether a sentence is to be judged."""
    if sentence.rstrip().endswith("?") or _ABSTAINS.search(_plain(sentence)):
        return False
    return len(_words(sentence)) >= 3 or bool(_numbers(sentence))


def _passages(chunk: str) -> Iterator[tuple[int, str]]:
    """Each sentence, and each two that follow each other, with how many these are."""
    sentences = Sentences()
    cut = [sentence for _, sentence in (*sentences.feed(chunk), *sentences.end())]
    yield from ((1, each) for each in cut)
    yield from ((2, first + second) for first, second in pairwise(cut))


def _bare(text: str) -> str:
    """Without the mark of a list before it and the citations in it, whose numbers say nothing."""
    return _CITATION.sub(" ", _LIST_MARK.sub("", text, count=1))


def _words(text: str) -> frozenset[str]:
    """The words that say something, without their commonest endings; numbers are judged by themselves."""
    words = (each.lower() for each in _WORD.findall(_bare(text)) if not each.isdigit())
    return frozenset(_stem(each) for each in words if each not in _STOP and each not in _NEGATIONS)


def _stem(word: str) -> str:
    for ending in ("ings", "ing", "edly", "ed", "ies", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def _numbers(text: str) -> frozenset[str]:
    """The numbers in digits, without separators of thousands: 1,000 and 1 000 are 1000, and 2.50 is 2.5."""
    return frozenset(_number(each) for each in _NUMBER.findall(_bare(text)))


def _number(written: str) -> str:
    plain = re.sub(r"[,\u00a0\u202f'](?=[0-9]{3}(?![0-9]))", "", written).replace(",", ".")
    whole, point, decimals = plain.partition(".")
    if "." in decimals:
        return plain  # a version or an address: it is what it is
    decimals = decimals.rstrip("0")
    return (whole.lstrip("0") or "0") + (point + decimals if decimals else "")


def _negated(text: str) -> bool:
    """Whether it is said with an odd number of negations."""
    words = _WORD.findall(_plain(text).lower())
    return len([each for each in words if each in _NEGATIONS or each.endswith("n't")]) % 2 == 1


def _plain(text: str) -> str:
    return text.replace("\u2019", "'")  # the other apostrophe


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = hypot(*one) * hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths if lengths else 0.0
