"""Many calls become few writes; nothing is lost, nothing changes its order."""

import threading
from collections.abc import Sequence

import pytest

from modelyard.tracking import TrackingUnavailable
from modelyard.tracking.outbox import BATCH, HELD, Outbox

NEVER = 3_600.0


class Store:
    """Keeps what it is given; does not answer while `down`."""

    def __init__(self) -> None:
        self.down = False
        self.writes: list[list[int]] = []
        self.written = threading.Event()

    def write(self, items: Sequence[int]) -> None:
        """See `Outbox`."""
        if self.down:
            raise TrackingUnavailable("MLflow is down.")
        self.writes.append(list(items))
        self.written.set()

    @property
    def items(self) -> list[int]:
        """All, in the order of their writing."""
        return [each for write in self.writes for each in write]


def test_a_tight_loop_makes_few_writes() -> None:
    """2,500 calls, three writes, in order."""
    store = Store()
    outbox = Outbox(store.write, delay=NEVER)
    for number in range(2_500):
        outbox.put([number])
    assert len(store.items) == 2 * BATCH
    outbox.close()
    assert store.items == list(range(2_500))
    assert list(map(len, store.writes)) == [BATCH, BATCH, 500]


def test_what_waits_is_written_after_the_delay() -> None:
    """By a thread, without another call: whoever looks at the run sees how it goes."""
    store = Store()
    outbox = Outbox(store.write, delay=0.01)
    outbox.put([1])
    assert store.written.wait(10)
    outbox.close()
    assert store.items == [1]


def test_what_could_not_be_written_is_written_later_once_and_in_order() -> None:
    """The caller is not stopped while MLflow is away; at the end it is told when it still is."""
    store = Store()
    store.down = True
    outbox = Outbox(store.write, delay=NEVER)
    for number in range(1_500):
        outbox.put([number])
    with pytest.raises(TrackingUnavailable):
        outbox.flush()
    assert (len(outbox), store.items) == (1_500, [])
    store.down = False
    outbox.put([1_500])
    outbox.close()
    assert store.items == list(range(1_501))


def test_too_much_is_told_rather_than_kept() -> None:
    """Memory is bounded; what waits still waits."""
    store = Store()
    store.down = True
    outbox = Outbox(store.write, delay=NEVER)
    outbox.put(range(HELD - 1))
    with pytest.raises(TrackingUnavailable):
        outbox.put([HELD])
    assert len(outbox) == HELD
    store.down = False
    outbox.close()
    assert len(store.items) == HELD


def test_threads_share_one() -> None:
    """Each thread's items stay in its order, and none is lost or doubled."""
    store = Store()
    outbox = Outbox(store.write, delay=0.001)

    def work(first: int) -> None:
        for at in range(2_000):
            outbox.put([first + at])

    workers = [threading.Thread(target=work, args=(first,)) for first in range(0, 40_000, 10_000)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    outbox.close()
    for first in range(0, 40_000, 10_000):
        assert [each for each in store.items if first <= each < first + 10_000] == list(range(first, first + 2_000))
    assert len(store.items) == 8_000
