"""Records as messages, and which of them are known: nothing is changed on the way, and what is no record is told."""

import random
from itertools import pairwise

import numpy as np
import pytest

from modelyard.history import (
    NotALogRecord,
)
from modelyard.history.shipping.ranges import Ranges, add, ranges_of, size_without, united, within
from modelyard.history.shipping.wire import messages, read
from modelyard.history.tables import to_table
from modelyard.journal import (
    FAMILIES,
    Record,
)
from modelyard.streams import Message

from .machines import RECORDS


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_its_tables_have_it(record: Record) -> None:
    """Whatever its values; and its message names which record it is."""
    family = next(each for each in FAMILIES if type(record).__name__.lower().startswith(each[:5]))
    table = to_table([record], family, "segment-1.seg", 41)
    (message,) = messages(table, family)
    found = read(message)
    assert (found.family, found.segment, found.number) == (family, "segment-1.seg", 41)
    assert to_table([found.record], family, "segment-1.seg", 41).equals(table)


def test_a_message_that_is_no_record_is_told() -> None:
    """Whichever part of it is wrong."""
    (good,) = messages(to_table([RECORDS[0]], "predictions", "segment-1"), "predictions")
    bad = [
        Message(b"\xff" + good.value, good.key, good.headers),
        Message(b"", good.key, good.headers),
        Message(b"\x80", good.key, good.headers),
        Message(good.value, good.key, {**good.headers, "modelyard-family": "truths"}),
        Message(good.value, good.key, {**good.headers, "modelyard-format": "2"}),
        Message(good.value, good.key, {**good.headers, "modelyard-number": "-1"}),
        Message(good.value, good.key, {**good.headers, "modelyard-segment": "../../etc"}),
        Message(good.value, good.key, {}),
        Message(good.value.replace(b"\xa9event_us\xcf", b"\xa9event_us\xd3"), good.key, {}),
    ]
    for each in bad:
        with pytest.raises(NotALogRecord, match="no record of a prediction log"):
            read(each)


def test_ranges_are_sets_of_numbers() -> None:
    """Made, united, asked and compared as sets are."""
    chance = random.Random(5)
    for _ in range(200):
        first, second = ({chance.randrange(25) for _ in range(chance.randrange(20))} for _ in range(2))
        one, two = (ranges_of(np.array(sorted(each), np.int64)) for each in (first, second))
        assert {each for start, end in united(one, two) for each in range(start, end)} == first | second
        assert united(one, two) == ranges_of(np.array(sorted(first | second), np.int64))
        assert within(one, np.arange(25)).tolist() == [each in first for each in range(25)]
        assert size_without(one, two) == len(first - second)


def test_numbers_that_come_in_any_order_are_known() -> None:
    """As few ranges as can be; each number is new once."""
    chance = random.Random(3)
    for _ in range(200):
        numbers = [chance.randrange(25) for _ in range(chance.randrange(60))]
        ranges: Ranges = []
        seen: set[int] = set()
        for number in numbers:
            assert add(ranges, number) is (number not in seen)
            seen.add(number)
        assert {each for start, end in ranges for each in range(start, end)} == seen
        assert all(end < start for (_, end), (start, _) in pairwise(ranges))
