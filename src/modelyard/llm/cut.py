"""Cutting a text into chunks that an embedder reads whole, between paragraphs and sentences where there are any."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from modelyard.retrieval import Cutting

_BREAKS = re.compile(r"\n\s*\n|\f|(?<=[.!?])\s+|\n")
_LONGEST = 20_000


class Counter(Protocol):
    """What counts tokens: an embedder."""

    max_tokens: int

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, without those that mark its ends."""

    def token_ends(self, text: str) -> list[int]:
        """Where each token ends, as offsets in the text's characters."""


@dataclass(frozen=True)
class Piece:
    """Characters `start` to `end`, and about how many tokens they have."""

    start: int
    end: int
    tokens: int


def cut(text: str, cutting: Cutting, counter: Counter) -> list[Piece]:
    """The chunks of a text, in order; none of blanks alone.

    Sentences are put together until the next would be too many tokens; one that is too long alone is cut between
    tokens. Every character that is no blank is in a chunk. A chunk begins with the last whole sentences of the one
    before it, as far as `overlap` tokens go.
    """
    most = min(cutting.tokens, counter.max_tokens - 2)
    sentences = [part for each in _sentences(text, counter) for part in _short(text, each, most, counter)]
    pieces: list[Piece] = []
    held: list[Piece] = []
    fresh = False
    for sentence in sentences:
        if fresh and _total(held) + sentence.tokens > most:
            pieces.append(_joined(held))
            held = _kept(held, min(cutting.overlap, most - sentence.tokens))
        held.append(sentence)
        fresh = True
    return [*pieces, _joined(held)] if fresh else pieces


def _sentences(text: str, counter: Counter) -> list[Piece]:
    edges = [0, *(each.end() for each in _BREAKS.finditer(text)), len(text)]
    spans = [_trimmed(text, start, end) for start, end in pairwise(edges)]
    spans = [(start, end) for start, end in spans if start < end]
    counts = counter.tokens([text[start:end] for start, end in spans]) if spans else []
    return [Piece(start, end, count) for (start, end), count in zip(spans, counts, strict=True)]


def _short(text: str, sentence: Piece, most: int, counter: Counter) -> list[Piece]:
    """The sentence, cut between tokens where it has more than `most` of them, or _LONGEST characters."""
    if sentence.tokens <= most and sentence.end - sentence.start <= _LONGEST:
        return [sentence]
    ends = counter.token_ends(text[sentence.start : sentence.end])
    parts, start, count = [], sentence.start, 0
    for at, end in enumerate(ends):
        count += 1
        following = sentence.start + (ends[at + 1] if at + 1 < len(ends) else sentence.end - sentence.start)
        last = at + 1 == len(ends)
        if last or count == most or following - start > _LONGEST:
            stop = sentence.end if last else sentence.start + end
            parts.append(Piece(*_trimmed(text, start, stop), count))
            start, count = stop, 0
    return [each for each in parts if each.start < each.end] or [sentence]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A stretch without the blanks at its ends."""
    stretch = text[start:end]
    start += len(stretch) - len(stretch.lstrip())
    return start, max(start, start + len(stretch.strip()))


def _kept(held: list[Piece], most: int) -> list[Piece]:
    """The last sentences of a chunk that go into the next as well; never all of them."""
    kept: list[Piece] = []
    for each in reversed(held[1:]):
        if _total(kept) + each.tokens > most:
            break
        kept.insert(0, each)
    return kept


def _total(pieces: Sequence[Piece]) -> int:
    return sum(each.tokens for each in pieces)


def _joined(pieces: Sequence[Piece]) -> Piece:
    return Piece(pieces[0].start, pieces[-1].end, _total(pieces))
