"""Texts that come in parts: what leaves is what leaves of the whole, and nothing leaves too early."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.guards.planted import EVERY, planted

from modelyard.core import Verdict
from modelyard.guards import (
    Action,
    Armed,
    Claim,
    Context,
    Guard,
    GuardedBytes,
    GuardedStream,
    Scan,
    SchemaGuard,
    check,
    patterns,
    personal_data,
    secrets,
)

ARMED = [Armed(personal_data(), Action.REDACT), Armed(secrets(), Action.REDACT)]


def streamed(armed: Sequence[Armed], parts: Sequence[str]) -> tuple[str, GuardedStream]:
    """What leaves of a text in these parts."""
    stream = GuardedStream(armed)
    left = [stream.feed(each) for each in parts]
    return "".join([*left, stream.end()]), stream


def nothing_leaves_early(random: Random, *, splits: int) -> None:
    """One planted value: character by character, and split in two at places that touch it, at most so many."""
    text, value, kind = planted(random)
    whole = check(ARMED, text)
    first = text.index(value)
    assert kind in {each.kind for each in whole.findings}
    assert value not in whole.text
    stream, left = GuardedStream(ARMED), ""
    for read, character in enumerate(text, start=1):
        left += stream.feed(character)
        assert whole.text.startswith(left)
        assert read >= first + len(value) or text[:first].startswith(left)
    assert left + stream.end() == whole.text
    places = range(first, first + len(value) + 2)
    for at in places if splits >= len(places) else random.sample(places, splits):
        stream = GuardedStream(ARMED)
        early = stream.feed(text[:at])
        assert at >= first + len(value) or text[:first].startswith(early)
        assert early + stream.feed(text[at:]) + stream.end() == whole.text


def test_no_character_of_a_planted_value_leaves_at_any_split() -> None:
    """Some; the long test has ten thousand."""
    random = Random(5)
    for _ in range(40):
        nothing_leaves_early(random, splits=1000)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_of_ten_thousand_planted_values_no_character_leaves_early() -> None:
    """Every kind some six hundred times: after each character, and with two of the splits in two."""
    random = Random(6)
    for _ in range(10_000):
        nothing_leaves_early(random, splits=2)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_of_ten_thousand_planted_values_no_character_leaves_at_any_split() -> None:
    """All splits in two of all of them."""
    random = Random(10)
    for _ in range(10_000):
        nothing_leaves_early(random, splits=1000)


VALUES = [draw(Random(seed)) for seed in range(4) for draw in EVERY.values()]
PIECES = st.one_of(
    st.sampled_from(VALUES),
    st.sampled_from(VALUES).map(lambda value: value[: len(value) // 2]),
    st.sampled_from([*" .-+:@=/[]\né_", "password=", "eyJ", "-----", "::"]),
    st.text(st.sampled_from("0123456789"), max_size=20),
    st.text(st.sampled_from("abcXYZ09.-_@:+= []é"), max_size=12),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TEXTS, st.randoms(use_true_random=False))
def test_a_stream_is_the_whole_and_redacting_twice_is_once(text: str, random: Random) -> None:
    """Any text, in any parts; with the same findings."""
    whole = check(ARMED, text)
    places = sorted(random.randrange(len(text) + 1) for _ in range(random.randrange(8)))
    cuts = [0, *places, len(text)]
    left, stream = streamed(ARMED, [text[start:end] for start, end in pairwise(cuts)])
    assert left == whole.text
    assert stream.outcome(left) == whole
    assert check(ARMED, left).text == left
    assert streamed(ARMED, list(text))[0] == left


@settings(max_examples=30, deadline=None, derandomize=True)
@given(TEXTS)
def test_a_refusal_lets_out_what_stands_before_its_cause(text: str) -> None:
    """The same, however the text is split; what other guards redact is redacted."""
    armed = [Armed(personal_data(), Action.REDACT), Armed(secrets(), Action.REFUSE)]
    whole = check(armed, text)
    left, stream = streamed(armed, list(text))
    assert (left, stream.refused, stream.outcome(left)) == (whole.text, whole.refused, whole)
    if whole.refused:
        redacted = check(armed[:1], text[: min(each.start for each in whole.findings if each.guard == "secrets")])
        assert redacted.text.startswith(left) or left.startswith(redacted.text)


def test_bytes_may_be_split_inside_a_character() -> None:
    """Every split of UTF-8 in two, and byte by byte; what is no UTF-8 is U+FFFD however it was split."""
    for text in (
        "Grüße 😀 an jürgen@exämple.de, 4111\u00a01111\u00a01111\u00a01111…".encode(),
        b"a\xff\xc3 b\xf0\x9f@",
    ):
        expected = check(ARMED, text.decode(errors="replace")).text.encode()
        splits = [[text[:at], text[at:]] for at in range(len(text) + 1)]
        for parts in [*splits, [bytes([each]) for each in text]]:
            stream = GuardedBytes(GuardedStream(ARMED))
            assert b"".join([*(stream.feed(each) for each in parts), stream.end()]) == expected


def test_ordinary_text_is_hardly_held() -> None:
    """No more than the word that is not over, when nothing in it begins like a value."""
    stream, read, left = GuardedStream(ARMED), 0, 0
    for part in ("The canary takes ", "more of the traffic", " when it is good. "):
        left += len(stream.feed(part))
        read += len(part)
        assert read - left <= len("traffic")


def test_what_is_held_has_a_limit_and_a_long_secret_is_not_kept() -> None:
    """A long token is claimed as it comes: one finding, one placeholder, and memory for some hundreds."""
    stream = GuardedStream(ARMED)
    parts = ["key eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.", *["aB3_" * 250] * 50, " end"]
    left = []
    for part in parts:
        left.append(stream.feed(part))
        assert len(stream._kept) <= max(each.guard.longest or 0 for each in ARMED) + len(part)
    assert "".join([*left, stream.end()]) == "key [JWT] end"
    assert len([each for each in stream.findings() if each.kind == "jwt"]) == 1


def test_guards_that_flag_hold_nothing_back_and_change_nothing() -> None:
    """Their findings come nevertheless."""
    stream = GuardedStream([Armed(SchemaGuard({}), Action.FLAG), Armed(personal_data(), Action.FLAG)])
    assert stream.feed("card 4111 1111") == "card 4111 1111"
    assert stream.feed(" 1111 1111") + stream.end() == " 1111 1111"
    assert {each.kind for each in stream.findings()} == {"card", "off_schema"}


class _Breaks:
    """A guard that fails: when a text begins, or at a word."""

    name = "breaks"
    longest = 0

    def __init__(self, at: str) -> None:
        self.at = at

    def open(self, context: Context) -> Scan:
        del context
        if not self.at:
            raise RuntimeError("no model")
        return self

    clear = 0

    def feed(self, text: str) -> list[Claim]:
        if self.at in text:
            raise RuntimeError("broken")
        self.clear += len(text)
        return []

    def end(self, text: str = "") -> list[Claim]:
        return self.feed(text)


@pytest.mark.parametrize(("at", "left"), [("", ""), ("two", "one ")])
def test_a_guard_that_fails_lets_nothing_more_through(at: str, left: str) -> None:
    """By default: what it had cleared has left. Otherwise the text goes on, and the outcome names the guard."""
    for closed in (True, False):
        guard: Guard = _Breaks(at)
        stream = GuardedStream([Armed(guard, Action.REDACT)], fail_closed=closed)
        out = "".join([*(stream.feed(each) for each in ("one ", "two ", "three")), stream.end()])
        outcome = stream.outcome(out)
        assert out == (left if closed else "one two three")
        assert (outcome.refused, outcome.verdict, outcome.failed) == (closed, Verdict.INCONCLUSIVE, ("breaks",))


def test_no_guard_is_no_verdict() -> None:
    """Nothing was checked, so nothing passed."""
    assert check([], "x").verdict is Verdict.INCONCLUSIVE
    assert check(ARMED, "x").verdict is Verdict.PASS


HOSTILE = {
    "letters": "a",
    "dots": "a.",
    "ats": "a@",
    "domains": "a@b.c.",
    "digits": "4",
    "spaced": "4 ",
    "pluses": "+1 ",
    "colons": "a:",
    "jwt": "eyJ",
    "assigned": "password=a1b2c3d4e5f6",
    "headers": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANB",
    "urls": "://a:b",
    "brackets": "[(",
    "white space": "password  \n\t",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_tails_are_walked_once_however_many_begin_in_them(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile text of twice the length walks twice as far."""
    walked = [0]
    run = patterns.PatternScan._run

    def counted(self: patterns.PatternScan, *args: object, **named: object) -> int:
        end = run(self, *args, **named)  # type: ignore[arg-type]
        walked[0] += end - int(str(args[2]))
        return end

    monkeypatch.setattr(patterns.PatternScan, "_run", counted)
    text = (unit * 3000)[:3000]
    check(ARMED, text)
    assert walked[0] <= 3 * len(text)


@pytest.mark.long
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_megabyte_ends(unit: str) -> None:
    """Far below the time a test may take; what is quadratic would take hours."""
    text = (unit * 1_000_000)[:1_000_000]
    assert check(ARMED, text).verdict in {Verdict.PASS, Verdict.FAIL}
