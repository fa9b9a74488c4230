"""What every guard must keep: the promises of `guards.Guard`, over texts that its author gives."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import pytest

from modelyard.guards import Action, Armed, Claim, Context, Guard, GuardedStream, check


class GuardSuite(ABC):
    """Promises of `guards.Guard`. Subclasses give a guard and texts, in some of which it finds something."""

    @abstractmethod
    @pytest.fixture
    def guard(self) -> Guard:
        """The guard."""

    @abstractmethod
    @pytest.fixture
    def texts(self) -> Sequence[str]:
        """Texts of some hundred characters, each tried in many splits."""

    @pytest.fixture
    def context(self) -> Context:
        """What is known beside the texts."""
        return Context()

    def test_it_finds_something(self, guard: Guard, texts: Sequence[str], context: Context) -> None:
        """Otherwise the rest of this suite would prove nothing."""
        assert any(_united(guard, [each], context) for each in texts)

    def test_splits_do_not_matter(self, guard: Guard, texts: Sequence[str], context: Context) -> None:
        """Every split in two, and one character at a time, say of each character what the whole says."""
        for text in texts:
            whole = _united(guard, [text], context)
            assert all(_united(guard, [text[:at], text[at:]], context) == whole for at in range(len(text) + 1))
            assert _united(guard, list(text), context) == whole

    def test_the_same_text_gets_the_same_claims(self, guard: Guard, texts: Sequence[str], context: Context) -> None:
        """Also after others."""
        first = [_united(guard, [each], context) for each in texts]
        assert [_united(guard, [each], context) for each in reversed(texts)][::-1] == first

    def test_claims_are_within_the_text(self, guard: Guard, texts: Sequence[str], context: Context) -> None:
        """None is empty, and none begins where all was said."""
        for text in texts:
            read = 0
            for before, part, claims, clear in _steps(guard, list(text), context):
                read += len(part)
                assert before <= clear <= read
                assert all(before <= claim.start < claim.end <= read for claim in claims)
            assert clear == len(text)

    def test_what_is_held_back_is_bounded(self, guard: Guard, texts: Sequence[str], context: Context) -> None:
        """Never more than `longest` characters, though the text is long."""
        if guard.longest is None:
            pytest.skip("it holds back the whole text, and says so")
        read = 0
        text = "".join(texts) * 3
        for _, part, _, clear in _steps(guard, [text[at : at + 7] for at in range(0, len(text), 7)], context):
            read += len(part)
            assert read - clear <= guard.longest

    def test_the_last_characters_may_come_with_the_end(
        self, guard: Guard, texts: Sequence[str], context: Context
    ) -> None:
        """At the end all is said of a text, however much of it came before."""
        for text in texts:
            claimed = _united(guard, [text], context)
            for place in range(0, len(text) + 1, max(1, len(text) // 8)):
                scan = guard.open(context)
                claims = [*scan.feed(text[:place]), *scan.end(text[place:])]
                assert _places(claims) == claimed
                assert scan.clear == len(text)

    def test_redacting_twice_is_redacting_once(self, guard: Guard, texts: Sequence[str], context: Context) -> None:
        """Nothing is found in a placeholder, nor beside one that was not found before."""
        armed = [Armed(guard, Action.REDACT)]
        for text in texts:
            once = check(armed, text, context).text
            assert check(armed, once, context).text == once

    def test_nothing_claimed_leaves(self, guard: Guard, texts: Sequence[str], context: Context) -> None:
        """At no moment has a stream let out a character that is claimed later."""
        for text in texts:
            claimed = _united(guard, [text], context)
            first = min((place for places in claimed.values() for place in places), default=len(text))
            stream, left, left_before = GuardedStream([Armed(guard, Action.REFUSE)], context), "", ""
            for character in text:
                left_before = left
                left += stream.feed(character)
                assert left.startswith(left_before)
            left += stream.end()
            assert left == text[:first]


def _steps(guard: Guard, parts: Sequence[str], context: Context) -> Iterator[tuple[int, str, list[Claim], int]]:
    """Each part with what was clear before it, what it brought to light, and what is clear behind it."""
    scan = guard.open(context)
    for part in parts:
        before = scan.clear
        claims = scan.feed(part)
        yield before, part, claims, scan.clear
    before = scan.clear
    claims = scan.end()
    yield before, "", claims, scan.clear


def _united(guard: Guard, parts: Sequence[str], context: Context) -> dict[str, set[int]]:
    """The places of the claimed characters by kind."""
    return _places([claim for _, _, claims, _ in _steps(guard, parts, context) for claim in claims])


def _places(claims: Sequence[Claim]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for claim in claims:
        found.setdefault(claim.kind, set()).update(range(claim.start, claim.end))
    return found
