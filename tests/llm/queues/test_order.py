"""The order in which somebody is shown a queue."""

import pytest

from modelyard.llm.queues import place_in_order


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 17, 1000])
def test_every_one_comes_once(count: int) -> None:
    """An order leaves none out and shows none twice, whatever their number."""
    assert sorted(place_in_order(place, count, "key") for place in range(count)) == list(range(count))


def test_another_key_is_another_order() -> None:
    """The same key always gives the same one."""
    one, again, other = ([place_in_order(place, 200, key) for place in range(200)] for key in ("a", "a", "b"))
    assert one == again
    assert sum(left == right for left, right in zip(one, other, strict=True)) < 10


def test_no_place_is_preferred() -> None:
    """Over 4,000 keys each of eight items comes first about as often: chi-square below its 99.9% quantile of 24.3."""
    firsts = [place_in_order(0, 8, f"person {number}") for number in range(4000)]
    expected = 4000 / 8
    assert sum((firsts.count(each) - expected) ** 2 / expected for each in range(8)) < 24.3
