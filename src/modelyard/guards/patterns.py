"""Guards made of patterns: a grammar, what may stand beside it, and a check of what was found.

Why a second pass over redacted text finds nothing new: no class of any pattern holds a bracket, so no match reaches
into a placeholder. A match that a first pass did not make, for the character behind it, is not made in a second one
either: behind a pattern no letter or digit may follow and before one none may stand, so nothing that was redacted
begins right behind a value that was refused for it. Where two characters beside a value are looked at, brackets count
like the digits that they may stand for. A `confirm` looks only at a beginning of the candidate, or at something that
more characters cannot undo; shapes of different length are patterns of their own.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .contract import Context
from .grammar import Chars, Grammar, one_of, seq
from .records import Claim

Confirm = Callable[[str], tuple[int, int] | None]
"""Which characters of a candidate are the value; None when it is none after all."""

NOT_INSIDE_A_WORD = (r"[^\W_]",)
"""Before a value stands no letter and no digit."""

NOT_A_DECIMAL = (*NOT_INSIDE_A_WORD, r"[0-9\]]\.")
"""Before digits: neither a letter or digit, nor a digit and a point, of which these would be the decimals."""

WORD_GOES_ON: Grammar = Chars(r"^\W_")
PART_FOLLOWS: Grammar = one_of(WORD_GOES_ON, seq(Chars(r"."), Chars(r"0-9\[")))
"""Behind a value: a word that goes on; or, where values have points inside, one more part."""

_DIGITS = "0123456789"
_BESIDE = 2
"""Characters before a value that a pattern may look at."""


def whole(candidate: str) -> tuple[int, int] | None:
    """Every candidate is a value."""
    return 0, len(candidate)


@dataclass(frozen=True)
class Pattern:
    """Values of a kind that have one shape.

    `never_before` are regular expressions of one or two characters that must not stand before a value, `never_behind`
    is what must not follow. With
    `tail` (one unit, as a regular expression) a value goes on behind its shape as long as such units follow, however
    many: these are claimed as they come, and never held. `tail_waits` matches a beginning of a unit of which the end is
    not known. Texts that hold none of `needs` are not searched.
    """

    kind: str
    grammar: Grammar
    confirm: Confirm = whole
    never_before: tuple[str, ...] = NOT_INSIDE_A_WORD
    never_behind: Grammar | None = WORD_GOES_ON
    tail: str | None = None
    tail_waits: str | None = None
    needs: tuple[str, ...] = ()

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """Matches whole values. What is before the first character is looked at behind it: so a search runs over all
        others at the speed of C."""
        behind = f"(?!{self.never_behind.source})" if self.never_behind is not None else ""
        opened = self.grammar.opening
        if opened is None:
            return re.compile(self.before + self.grammar.source + behind)
        before = "".join(rf"(?<!{each}[\s\S])" for each in self.never_before)
        return re.compile(opened[0] + before + opened[1] + behind)

    @property
    def before(self) -> str:
        """A regular expression that looks back from the beginning of a value."""
        return "".join(f"(?<!{each})" for each in self.never_before)

    @property
    def unfinished(self) -> str:
        """A regular expression of what may become a value, or one that is whole but for what follows."""
        behind = f"|{self.grammar.source}{self.never_behind.partial}" if self.never_behind is not None else ""
        return f"{self.grammar.partial}{behind}"

    @property
    def longest(self) -> int:
        """Characters of the longest value, without its tail, and of what is looked at behind it."""
        return self.grammar.longest + (self.never_behind.longest - 1 if self.never_behind is not None else 0)

    @cached_property
    def shortest(self) -> int:
        """Characters of the shortest value."""
        return self.grammar.shortest

    @cached_property
    def digits(self) -> int:
        """So many digits (0 to 9) are in every value, if not more."""
        return self.grammar.digits

    @cached_property
    def run(self) -> re.Pattern[str] | None:
        """Matches the tail."""
        return re.compile(f"(?:{self.tail})*+") if self.tail is not None else None

    @cached_property
    def waits(self) -> re.Pattern[str] | None:
        """Matches, up to the end, what may become one more unit of the tail."""
        return re.compile(f"(?:{self.tail_waits})\\Z") if self.tail_waits is not None else None


@dataclass(frozen=True)
class PatternGuard:
    """Finds values by their shape. Matching takes time linear in the length of the text."""

    name: str
    patterns: Sequence[Pattern] = field(repr=False)

    @cached_property
    def longest(self) -> int:
        """The longest shape of all."""
        return max(each.longest for each in self.patterns)

    @cached_property
    def unfinished(self) -> re.Pattern[str]:
        """Matches from where a value may have begun that is not over."""
        befores = dict.fromkeys(each.before for each in self.patterns)
        return re.compile("|".join(f"(?:{before}(?:{self._unfinished(before)}))" for before in befores))

    def _unfinished(self, before: str) -> str:
        return "|".join(dict.fromkeys(each.unfinished for each in self.patterns if each.before == before))

    def among(self, text: str) -> Sequence[tuple[int, Pattern]]:
        """The patterns, with their places among all, of which a text may hold a value: it has the digits they ask for,
        and something of what they need."""
        digits = sum(map(text.count, _DIGITS))
        every, needless = self._by_digits[min(digits, len(self._by_digits) - 1)]
        there = {each for each in self._needs if each in text}
        if not there:
            return needless
        return [(index, each) for index, each in every if not each.needs or not there.isdisjoint(each.needs)]

    def clears(self, text: str) -> bool:
        """Whether a whole text has nothing of the shape of a value: of most texts that is all there is to say."""
        return not any(
            len(text) >= each.shortest and each.expression.search(text) is not None for _, each in self.among(text)
        )

    @cached_property
    def _needs(self) -> Sequence[str]:
        return list(dict.fromkeys(need for each in self.patterns for need in each.needs))

    @cached_property
    def _by_digits(self) -> Sequence[tuple[Sequence[tuple[int, Pattern]], Sequence[tuple[int, Pattern]]]]:
        """By the number of digits the patterns that ask for no more: all of them, and those that need nothing else."""
        most = max(each.digits for each in self.patterns)
        by_digits = (
            [(index, each) for index, each in enumerate(self.patterns) if each.digits <= digits]
            for digits in range(most + 1)
        )
        return [(every, [(index, each) for index, each in every if not each.needs]) for every in by_digits]

    def open(self, context: Context) -> "PatternScan":  # noqa: ARG002 - patterns need no context
        """Begin a text."""
        return PatternScan(self)


class PatternScan:
    """One text, searched as it comes."""

    def __init__(self, guard: PatternGuard) -> None:
        self._guard = guard
        self._known = ""  # the last characters, with two that are decided before those that are not
        self._offset = 0  # where these begin in the text
        self._from = 0  # the first of them at which no value was looked for
        self._tails: dict[int, int] = {}  # patterns whose tail is not over, and from where on it is not claimed

    @property
    def clear(self) -> int:
        """Characters from the beginning on about which everything is said."""
        return self._offset + self._from

    def feed(self, text: str) -> list[Claim]:
        """Read the next characters."""
        self._known += text
        return self._search(self._undecided(), final=False) if text else []

    def end(self, text: str = "") -> list[Claim]:
        """What is at the end is what it is: in a text that comes whole, nothing that is not over is looked for."""
        self._known += text
        return self._search(len(self._known), final=True)

    def _undecided(self) -> int:
        """Where the first value may begin that is not over: no shape is longer than the longest."""
        start = max(self._from, len(self._known) - self._guard.longest)
        found = self._guard.unfinished.search(self._known, start)
        return found.start() if found is not None else len(self._known)

    def _search(self, until: int, *, final: bool) -> list[Claim]:
        offset, claims = self._offset, self._go_on(final=final)
        if until > self._from:
            left = len(self._known) - self._from
            for index, pattern in self._guard.among(self._known):
                if left >= pattern.shortest:
                    self._search_one(index, pattern, until, claims, final=final)
        self._from = min([until, *self._tails.values()])
        self._forget()
        return [Claim(start + offset, end + offset, kind) for start, end, kind in claims]

    def _search_one(self, index: int, pattern: Pattern, until: int, claims: list[Claim], *, final: bool) -> None:
        """Every place is tried, also inside of what was refused or found: values may overlap."""
        expression, place, ran_to = pattern.expression, self._from, -1
        while (found := expression.search(self._known, place)) is not None and found.start() < until:
            place = found.start() + 1
            span = pattern.confirm(found.group())
            if span is None:
                continue
            start, end = found.start() + span[0], found.start() + span[1]
            if pattern.run is not None and end > ran_to:
                end = ran_to = self._run(index, pattern.run, end, final=final)
            claims.append(Claim(start, max(end, ran_to) if pattern.run is not None else end, pattern.kind))

    def _run(self, index: int, run: re.Pattern[str], place: int, *, final: bool) -> int:
        """The end of the tail that begins here, as far as it is known; when it may go on, that is remembered."""
        found = run.match(self._known, place)
        end = found.end() if found is not None else place
        waits = self._guard.patterns[index].waits
        pending = end == len(self._known) or (waits is not None and waits.match(self._known, end) is not None)
        if pending and not final:
            self._tails[index] = end
        return end

    def _go_on(self, *, final: bool) -> list[Claim]:
        """Claim what continues the tails that were open."""
        claims = []
        for index, place in list(self._tails.items()):
            del self._tails[index]
            pattern = self._guard.patterns[index]
            end = self._run(index, pattern.run, place, final=final) if pattern.run is not None else place
            if end > place:
                claims.append(Claim(place, end, pattern.kind))
        return claims

    def _forget(self) -> None:
        """Drop what is decided, but for what patterns may look back at."""
        gone = max(0, self._from - _BESIDE)
        self._known = self._known[gone:]
        self._offset += gone
        self._from -= gone
        self._tails = {index: place - gone for index, place in self._tails.items()}
