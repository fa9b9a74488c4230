"""Sentences of a text that comes in parts. Rules, not statistics: the same for every language that ends them so."""

import re
from collections.abc import Iterator

LONGEST = 2_000
"""Characters of a sentence; a longer one is cut there."""

_END = re.compile(r"""[.!?…][.!?…"'”’»)\]]*\s+|[。！？]+\s*|\n\s*""")  # noqa: RUF001 - these are the ones of Chinese
_LAST_WORD = re.compile(r"(\w[\w.]*)\.\Z")
_NO_END_TEXT = """
e.g i.e etc cf vs al ca approx no nos fig eq sec ch vol pp p dr mr mrs ms prof st jr sr inc ltd co corp dept est z.b
d.h u.a usw bzw nr abs vgl dr ing p.ex cfr sig sra art
"""
_NO_END = frozenset(_NO_END_TEXT.split())


class Sentences:
    """Cuts a text into its sentences, each with the white space behind it, so that together they are the text.

    A sentence ends behind a full stop, an exclamation or a question mark and white space, unless an abbreviation, an
    initial or a number stands before the stop and no new sentence begins behind, or a lower-case letter follows; and
    behind a new line. Where it ends does not depend on how the text was split.
    """

    def __init__(self) -> None:
        self._known = ""
        self._offset = 0

    @property
    def clear(self) -> int:
        """Where the first sentence begins that is not over."""
        return self._offset

    def feed(self, text: str) -> Iterator[tuple[int, str]]:
        """The sentences that are over now, each with the place where it begins."""
        self._known += text
        return self._cut(final=False)

    def end(self) -> Iterator[tuple[int, str]]:
        """What is left."""
        return self._cut(final=True)

    def _cut(self, *, final: bool) -> Iterator[tuple[int, str]]:
        place = 0
        while (end := self._end(place, final=final)) is not None:
            yield self._offset + place, self._known[place:end]
            place = end
        self._offset += place
        self._known = self._known[place:]

    def _end(self, place: int, *, final: bool) -> int | None:
        """Where the sentence ends that begins at a place; None when that is not known yet."""
        limit = place + LONGEST
        for found in _END.finditer(self._known, place, limit + 1):
            if found.end() > limit:
                break
            if found.end() == len(self._known):
                return len(self._known) if final else None
            if self._ends(self._known[place : found.end()], self._known[found.end()]):
                return found.end()
        if len(self._known) > limit:
            return limit
        return len(self._known) if final and place < len(self._known) else None

    def _ends(self, sentence: str, following: str) -> bool:
        if "\n" in sentence[len(sentence.rstrip()) :] or sentence.rstrip()[-1:] in "。！？":  # noqa: RUF001
            return True
        if following.islower():
            return False
        word = _LAST_WORD.search(sentence.rstrip())
        if word is None:
            return True
        last = word.group(1).lower()
        return last not in _NO_END and not (len(last) == 1 and last.isalpha())
