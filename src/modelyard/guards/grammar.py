"""Grammars of values, from which two regular expressions are made: of whole values, and of beginnings of them.

A text that comes in parts may end inside a value. `partial` matches exactly there: from where a value might begin to
the end of what is known. A matcher that walks along a text looks at nothing beyond the characters that it walked, so
where `partial` does not match, no later character changes what `source` matches. Every grammar is bounded (`longest`),
so matching at one place takes bounded time, and a text is searched in time linear in its length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

_DIGITS = re.compile(r"(?:[0-9]-[0-9]|[0-9])+")
"""The members of classes of digits, and of nothing else."""


class Grammar(Protocol):
    """A finite set of short texts."""

    @property
    def source(self) -> str:
        """A regular expression of the whole texts."""

    @property
    def partial(self) -> str:
        """A regular expression of what is not yet a whole text and stands at the end of what is known."""

    @property
    def opening(self) -> tuple[str, str] | None:
        """`source` in two: the class of the first character, which makes a search quick, and the rest; None when it
        cannot be told apart."""

    @property
    def longest(self) -> int: ...

    @property
    def shortest(self) -> int: ...

    @property
    def digits(self) -> int:
        """So many of the digits 0 to 9 are in every text, if not more."""


@dataclass(frozen=True)
class Chars:
    """One character of a class, written as inside a regular expression's brackets."""

    members: str

    @property
    def source(self) -> str:
        return f"[{self.members}]"

    @property
    def partial(self) -> str:
        return r"\Z"

    @property
    def opening(self) -> tuple[str, str] | None:
        return self.source, ""

    @property
    def longest(self) -> int:
        return 1

    @property
    def shortest(self) -> int:
        return 1

    @property
    def digits(self) -> int:
        return 1 if _DIGITS.fullmatch(self.members) else 0


@dataclass(frozen=True)
class Sequence:
    """One after the other."""

    parts: tuple[Grammar, ...]

    @property
    def source(self) -> str:
        return "".join(each.source for each in self.parts)

    @property
    def partial(self) -> str:
        *before, last = self.parts
        nested = last.partial
        for each in reversed(before):
            nested = f"(?:{each.partial}|{each.source}{nested})"
        return nested

    @property
    def opening(self) -> tuple[str, str] | None:
        first, *others = self.parts
        opened = first.opening
        return (opened[0], opened[1] + "".join(each.source for each in others)) if opened is not None else None

    @property
    def longest(self) -> int:
        return sum(each.longest for each in self.parts)

    @property
    def shortest(self) -> int:
        return sum(each.shortest for each in self.parts)

    @property
    def digits(self) -> int:
        return sum(each.digits for each in self.parts)


@dataclass(frozen=True)
class Choice:
    """One of several, the first that fits."""

    parts: tuple[Grammar, ...]

    @property
    def source(self) -> str:
        return f"(?:{'|'.join(each.source for each in self.parts)})"

    @property
    def partial(self) -> str:
        return f"(?:{'|'.join(dict.fromkeys(each.partial for each in self.parts))})"

    @property
    def opening(self) -> tuple[str, str] | None:
        return None

    @property
    def longest(self) -> int:
        return max(each.longest for each in self.parts)

    @property
    def shortest(self) -> int:
        return min(each.shortest for each in self.parts)

    @property
    def digits(self) -> int:
        return min(each.digits for each in self.parts)


@dataclass(frozen=True)
class Repeat:
    """The same several times, as often as it can be."""

    part: Grammar
    low: int
    high: int

    @property
    def source(self) -> str:
        return f"(?:{self.part.source}){{{self.low},{self.high}}}"

    @property
    def partial(self) -> str:
        return f"(?:{self.part.source}){{0,{self.high - 1}}}{self.part.partial}"

    @property
    def opening(self) -> tuple[str, str] | None:
        opened = self.part.opening
        if opened is None or self.low == 0:
            return None
        others = f"(?:{self.part.source}){{{self.low - 1},{self.high - 1}}}" if self.high > 1 else ""
        return opened[0], opened[1] + others

    @property
    def longest(self) -> int:
        return self.part.longest * self.high

    @property
    def shortest(self) -> int:
        return self.part.shortest * self.low

    @property
    def digits(self) -> int:
        return self.part.digits * self.low


def text(word: str, *, any_case: bool = False) -> Grammar:
    """This word, with `any_case` in upper and lower case letters of ASCII."""
    return Sequence(tuple(Chars(each) for each in _classes(word, any_case=any_case)))


def _classes(word: str, *, any_case: bool) -> Iterator[str]:
    for each in word:
        yield f"{each.lower()}{each.upper()}" if any_case and each.isalpha() else re.escape(each)


def seq(*parts: Grammar | str) -> Grammar:
    """One after the other; a string is itself."""
    return Sequence(tuple(_grammar(each) for each in parts))


def one_of(*parts: Grammar | str) -> Grammar:
    """One of these."""
    return Choice(tuple(_grammar(each) for each in parts))


def times(part: Grammar | str, low: int, high: int | None = None) -> Grammar:
    """From `low` to `high` times, without `high` exactly so often."""
    return Repeat(_grammar(part), low, low if high is None else high)


def maybe(part: Grammar | str) -> Grammar:
    """Once or not at all."""
    return Repeat(_grammar(part), 0, 1)


def _grammar(part: Grammar | str) -> Grammar:
    return text(part) if isinstance(part, str) else part
