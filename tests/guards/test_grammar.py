"""Grammars: their two expressions say the same as the grammar, and no text makes one walk far."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from random import Random

import pytest
from tests.guards.planted import EVERY
from tests.guards.test_streams import HOSTILE

from modelyard.guards import Chars, Grammar, maybe, one_of, personal_data, secrets, seq, times
from modelyard.guards.grammar import Choice, Repeat, Sequence
from modelyard.guards.patterns import Pattern, PatternGuard

PATTERNS: list[Pattern] = [*personal_data().patterns, *secrets().patterns]


Step = Callable[[int], None]


def walk(grammar: Grammar, text: str, at: int, step: Step) -> Iterator[int]:
    """Every end of the grammar from a place on, in the order of a backtracking matcher; `step` hears what it reads."""
    if isinstance(grammar, Chars):
        step(at)
        if at < len(text) and re.match(grammar.source, text[at]):
            yield at + 1
    elif isinstance(grammar, Sequence):
        yield from _all(list(grammar.parts), text, at, step)
    elif isinstance(grammar, Choice):
        for each in grammar.parts:
            yield from walk(each, text, at, step)
    elif isinstance(grammar, Repeat) and isinstance(grammar.part, Chars):
        yield from _run(grammar, text, at, step)
    elif isinstance(grammar, Repeat):
        yield from _often(grammar, text, at, 0, step)


def _all(parts: list[Grammar], text: str, at: int, step: Step) -> Iterator[int]:
    if not parts:
        yield at
        return
    for end in walk(parts[0], text, at, step):
        yield from _all(parts[1:], text, end, step)


def _run(grammar: Repeat, text: str, at: int, step: Step) -> Iterator[int]:
    """Characters of a class, as many as there are, then one less, and so on."""
    end = at
    while end - at < grammar.high and list(walk(grammar.part, text, end, step)):
        end += 1
    yield from range(end, at + grammar.low - 1, -1)


def _often(grammar: Repeat, text: str, at: int, done: int, step: Step) -> Iterator[int]:
    if done < grammar.high:
        for end in walk(grammar.part, text, at, step):
            yield from _often(grammar, text, end, done + 1, step)
    if done >= grammar.low:
        yield at


SMALL = [
    seq(Chars("ab"), times("c", 1, 3), maybe("d")),
    seq(one_of("ab", "abc"), times(Chars("cd"), 0, 2), "e"),
    times(seq("a", maybe(Chars("-"))), 2, 4),
]


@pytest.mark.parametrize("grammar", SMALL)
def test_the_expressions_match_what_the_grammar_says(grammar: Grammar) -> None:
    """Whole values; and beginnings, exactly where more characters could still make one."""
    random = Random(7)
    texts = ["".join(random.choice("abcde-") for _ in range(length)) for length in range(7) for _ in range(60)]
    begun = re.compile(f"(?:{grammar.partial})")
    for text in texts:
        read: list[int] = []
        ends = list(walk(grammar, text, 0, read.append))
        assert (re.fullmatch(grammar.source, text) is not None) == (len(text) in ends)
        assert len(text) not in ends or grammar.shortest <= len(text) <= grammar.longest
        assert (begun.match(text) is not None) == (len(text) in read)


def drawn(grammar: Grammar, random: Random) -> str:
    """Some text of a grammar, as short as it can be: with few digits where others will do."""
    if isinstance(grammar, Chars):
        return random.choice(
            [each for each in "aAzZx_-.: 09158" if re.match(grammar.source, each)] or [grammar.members]
        )
    if isinstance(grammar, Choice):
        return drawn(random.choice(grammar.parts), random)
    if isinstance(grammar, Repeat):
        return "".join(drawn(grammar.part, random) for _ in range(random.choice((grammar.low, grammar.high))))
    assert isinstance(grammar, Sequence)
    return "".join(drawn(each, random) for each in grammar.parts)


def test_no_value_has_fewer_digits_than_its_pattern_says() -> None:
    """A text with fewer is not searched for it at all."""
    random = Random(9)
    for pattern in PATTERNS:
        for _ in range(20):
            text = drawn(pattern.grammar, random)
            assert pattern.digits <= len(re.findall("[0-9]", text)), (pattern.kind, text)
    assert {each.kind: each.digits for each in PATTERNS if each.kind in ("card", "email", "iban")} == {
        "card": 14,
        "email": 0,
        "iban": 2,
    }


@pytest.mark.parametrize("guard", [personal_data(), secrets()], ids=["personal_data", "secrets"])
def test_a_text_is_searched_for_all_that_it_may_hold(guard: PatternGuard) -> None:
    """More digits never mean fewer patterns; what a pattern needs brings it in, in its order, and nothing else does."""
    needs = [None, *dict.fromkeys(need for each in guard.patterns for need in each.needs)]
    everything = "".join(need for need in needs if need)
    among = [guard.among(everything + "7" * digits) for digits in range(60)]
    for fewer, more in pairwise(among):
        assert {index for index, _ in fewer} <= {index for index, _ in more}
    assert among[-1] == list(enumerate(guard.patterns))
    for digits, need in product(range(40), needs):
        text = (need or "") + "7" * digits
        may = [(index, each) for index, each in enumerate(guard.patterns) if each.digits <= digits + _digits(need)]
        wanted = [(index, each) for index, each in may if not each.needs or any(one in text for one in each.needs)]
        assert guard.among(text) == wanted


def _digits(need: str | None) -> int:
    return sum(each in "0123456789" for each in need or "")


def test_every_beginning_of_a_value_is_held() -> None:
    """Wherever a value of any kind is cut, its guard's expression of unfinished values matches from its beginning."""
    random, guards = Random(8), (personal_data(), secrets())
    for draw in EVERY.values():
        value = draw(random)[:60]
        for length in range(1, min(len(value), 20)):
            held = [guard.unfinished.search(value[:length]) for guard in guards]
            assert any(found is not None and found.start() == 0 for found in held)


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_matching_at_one_place_takes_bounded_steps(unit: str) -> None:
    """However long a hostile text goes on: twice the text, the same steps at a place. So a search is linear."""
    for pattern in PATTERNS:
        steps = []
        for length in (2 * pattern.longest, 4 * pattern.longest):
            read: list[int] = []
            for place in range(min(len(unit), 8)):
                list(walk(pattern.grammar, (unit * length)[:length], place, read.append))
            steps.append(len(read))
        assert steps[0] == steps[1] <= 100_000
