"""What answers cost, in whole micros."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.generation import Price, PriceList, Usage, cost_micros, most_tokens, read_said

counts = st.integers(0, 10**9)


def test_a_known_bill() -> None:
    """1,000 tokens in, 400 of them cached, and 500 out, at .15, .075 and .60 dollars a million."""
    assert cost_micros(Usage(1000, 500, 400), Price(150_000, 600_000, 75_000)) == 90 + 30 + 300
    assert cost_micros(Usage(1, 0), Price(1, 0)) == 1  # a millionth of a micro is one
    assert cost_micros(Usage(0, 0), Price(5, 5)) == 0


@given(counts, counts, counts, st.tuples(counts, counts, counts))
def test_a_cost_is_the_exact_sum_rounded_up(read: int, written: int, cached: int, prices: tuple[int, int, int]) -> None:
    """Against fractions; cached tokens are never beyond the input, nor counted beside it."""
    dear, out, cheap = prices
    held = min(read, cached)
    exact = Fraction((read - held) * dear + held * cheap + written * out, 1_000_000)
    assert 0 <= cost_micros(Usage(read, written, cached), Price(dear, out, cheap)) - exact < 1


def test_the_digest_of_a_price_list_tells_lists_apart() -> None:
    """A cost on record can be reckoned again."""
    one, other = PriceList({"m": Price(1, 2)}), PriceList({"m": Price(1, 3)})
    assert one.digest == PriceList({"m": Price(1, 2)}).digest != other.digest


def test_usage_that_cannot_be_is_none() -> None:
    """Negative counts, and more cached than read."""
    said = read_said(b'{"usage":{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3}}}')
    assert said.tokens == Usage(5, 2, 3)
    assert read_said(b'{"usage":{"prompt_tokens":-5,"completion_tokens":2}}').tokens is None
    assert read_said(b'{"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":3}}}').tokens is None
    assert read_said(b'{"usage":null}').tokens is None


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 10**30, "completion_tokens": 2},
        {"prompt_tokens": 10**9 + 1, "completion_tokens": 2},
        {"prompt_tokens": 3.5, "completion_tokens": 2},
        {"prompt_tokens": "3.5", "completion_tokens": 2},
        {"prompt_tokens": True, "completion_tokens": 2},
        {"prompt_tokens": None, "completion_tokens": 2},
        {"prompt_tokens": 3},
        {"total_tokens": 5},
        {},
        [3, 2],
        "five",
    ],
)
def test_usage_of_any_other_shape_is_none_and_the_text_is_there(usage: Any) -> None:
    """Nothing that is said beside an answer loses it."""
    told = {"choices": [{"message": {"content": "x"}}], "usage": usage}
    said = read_said(json.dumps(told).encode())
    assert (said.choices[0].message, said.tokens) == ({"content": "x"}, None)


def test_usage_in_digits_or_whole_floats_is_meant() -> None:
    """As some upstreams write it."""
    for usage in (b'{"prompt_tokens":3.0,"completion_tokens":2.0}', b'{"prompt_tokens":"3","completion_tokens":"2"}'):
        assert read_said(b'{"usage":%b}' % usage).tokens == Usage(3, 2)


def test_the_worst_case_counts_every_byte() -> None:
    """A tokenizer that falls back on bytes makes no more of them."""
    assert most_tokens(100, 2, 50) == Usage(196, 50, told=False)
