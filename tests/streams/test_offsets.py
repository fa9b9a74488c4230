"""What is kept beside an offset that Kafka commits: nothing is lost, whatever is acknowledged in which order."""

from hypothesis import given
from hypothesis import strategies as st

from modelyard.streams.drivers.offsets import Progress, counts


def resumed(progress: Progress) -> Progress:
    """What another consumer begins with."""
    offset, text = progress.position()
    return Progress(offset, text)


def fetched(progress: Progress, stop: int) -> list[int]:
    """The offsets that are delivered when all before `stop` come from the broker."""
    begin = progress.committed or 0
    found = [offset for offset in range(begin, stop) if progress.seen(offset)]
    for offset in found:
        progress.delivered(offset)
    return found


def test_what_is_acknowledged_ahead_of_others_is_not_delivered_again() -> None:
    """And what is delivered again is one attempt more."""
    progress = Progress()
    assert fetched(progress, 6) == [0, 1, 2, 3, 4, 5]
    for offset in (0, 2, 4):
        progress.acknowledged(offset)
    assert progress.position() == (1, "0+1:1,1+1:0,2+1:1,3+1:0,4+1:1")
    assert counts(*progress.position()) == (3, 2)
    again = resumed(progress)
    assert fetched(again, 6) == [1, 3, 5]
    assert again.attempts == {1: 2, 3: 2, 5: 2}


def test_what_is_done_beyond_the_last_that_waits_stays_done() -> None:
    """Also when it has not come from the broker again."""
    progress = Progress()
    fetched(progress, 2)
    progress.acknowledged(1)
    again = resumed(progress)
    assert fetched(again, 1) == [0]
    again.acknowledged(0)
    assert again.position() == (2, "")


def test_a_text_that_others_wrote_says_nothing() -> None:
    """Neither does one that has no end."""
    for text in ("made by hand", "1+x:2", "0+99999999999:1", ":", "0:1"):
        progress = Progress(5, text)
        assert progress.committed == 5
        assert len(progress.attempts) <= 100_000


def test_the_text_is_never_longer_than_brokers_take() -> None:
    """What has no room comes again; none is lost."""
    progress = Progress()
    fetched(progress, 4000)
    for offset in range(1, 4000, 2):
        progress.acknowledged(offset)
    offset, text = progress.position()
    assert len(text) <= 3800
    found = fetched(Progress(offset, text), 4000)
    assert set(range(0, 4000, 2)) <= set(found)


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60), st.integers(1, 31))
def test_whatever_the_order_each_message_is_delivered_until_it_is_done(
    steps: list[tuple[int, bool]], stop: int
) -> None:
    """Acknowledgements in any order, with consumers that die in between: all and only those not done come again."""
    progress, done, attempts = Progress(), set[int](), dict[int, int]()
    for offset in fetched(progress, stop):
        attempts[offset] = 1
    for offset, dies in steps:
        if dies:
            progress = resumed(progress)
            found = fetched(progress, stop)
            assert set(found) == set(range(stop)) - done
            for each in found:
                attempts[each] += 1
                assert progress.attempts[each] == attempts[each]
        elif offset < stop:
            progress.acknowledged(offset)
            done.add(offset)


def test_what_was_done_ahead_does_not_come_when_the_broker_is_slow() -> None:
    """The first message is acknowledged before the broker sends the others, which are done: all is, and stays so."""
    progress = Progress(0, "0+1:2,1+2:0")
    assert progress.seen(0)
    assert progress.delivered(0) == 3
    progress.acknowledged(0)
    assert progress.position() == (3, "")
    assert not progress.seen(1)
    assert not progress.seen(2)
    assert progress.seen(3)
    assert progress.position() == (3, "")
