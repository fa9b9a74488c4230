"""What a lease must be on every record store."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest

from modelyard.core import ManualClock
from modelyard.storage import (
    FencedRecordStore,
    Lease,
    LeaseLost,
    LeaseTaken,
    RecordStore,
    StoreUnavailable,
    Transaction,
)

_LASTS = timedelta(seconds=15)


class LeaseSuite(ABC):
    """Promises of `storage.Lease`. Subclasses give migrated stores of one database."""

    @abstractmethod
    @pytest.fixture
    def open_store(self) -> Callable[[], RecordStore]:
        """Opens a store of this test's own database; every call opens the same database anew."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """A clock that stands still until it is moved."""
        return ManualClock(datetime(2026, 1, 5, 12, tzinfo=UTC))

    @pytest.fixture
    def new_lease(self, open_store: Callable[[], RecordStore], clock: ManualClock) -> Callable[[], Lease]:
        """Makes another one that asks for the same lease, over a store of its own."""
        return lambda: Lease(open_store(), "leader", clock, lasts=_LASTS)

    def test_one_holds_it(self, new_lease: Callable[[], Lease]) -> None:
        """The second is refused as long as the first one renews, and told by whom; taking twice is holding on."""
        first, second = new_lease(), new_lease()
        assert first.holder() is None
        assert (first.take(), second.take(), first.take()) == (True, False, True)
        held = second.holder()
        assert held is not None
        assert (held.epoch, first.epoch, second.epoch) == (1, 1, 0)
        with pytest.raises(LeaseTaken, match=f"held by process {held.pid}"), second.kept():
            pytest.fail("held twice")

    def test_who_is_silent_loses_it(self, new_lease: Callable[[], Lease], clock: ManualClock) -> None:
        """Not a moment before it has run out; each holder has an epoch of its own, and the first one has lost it."""
        first, second = new_lease(), new_lease()
        assert first.take()
        clock.advance(_LASTS - timedelta(seconds=1))
        assert not second.take()
        assert first.renew()
        clock.advance(_LASTS - timedelta(seconds=1))
        assert not second.take()
        clock.advance(timedelta(seconds=1))
        assert second.take()
        assert (second.epoch, first.renew(), first.take()) == (2, False, False)

    def test_while_its_process_lives_a_patient_one_is_nobody_elses(
        self, open_store: Callable[[], RecordStore], clock: ManualClock
    ) -> None:
        """However silent it is: on this machine that is known; one of another machine is lost as ever."""
        first, second = (Lease(open_store(), "run", clock, lasts=_LASTS, while_alive=True) for _ in range(2))
        assert first.take()
        clock.advance(10 * _LASTS)
        assert not second.take()
        store = open_store()
        with store.transaction() as tx:
            document = tx.get("lease", "run")
            assert document is not None
            tx.put("lease", "run", {**document.body, "host": "elsewhere"})
        assert second.take()
        assert not first.renew()

    def test_what_could_not_be_given_back_is_held_by_nobody(
        self, open_store: Callable[[], RecordStore], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The store is away when its holder is done with it: the process lives on, and takes it again."""
        store = open_store()
        first, second = (Lease(each, "run", clock, lasts=_LASTS, while_alive=True) for each in (store, open_store()))
        assert first.take()
        assert not second.take()

        def away(**_: bool) -> AbstractContextManager[Transaction]:
            raise StoreUnavailable("It is away.", remedy="Wait.")

        monkeypatch.setattr(store, "transaction", away)
        with pytest.raises(StoreUnavailable):
            first.release()
        assert second.take()

    def test_it_is_handed_over(self, new_lease: Callable[[], Lease]) -> None:
        """Who gives it back keeps nobody waiting; who does not hold it gives nothing back."""
        first, second = new_lease(), new_lease()
        with first.kept():
            second.release()
            assert not second.take()
        assert second.holder() is None
        assert second.take()
        assert second.epoch == 2
        assert not first.renew()

    def test_what_a_former_holder_writes_is_refused(
        self, new_lease: Callable[[], Lease], open_store: Callable[[], RecordStore], clock: ManualClock
    ) -> None:
        """In the very transaction, whole, though it has not noticed yet; reading is nobody's privilege."""
        first, second = new_lease(), new_lease()
        assert first.take()
        fenced = FencedRecordStore(open_store(), first.check)
        with fenced.transaction() as tx:
            tx.put("thing", "a", {"x": 1})
        clock.advance(_LASTS)
        assert second.take()
        with pytest.raises(LeaseLost, match="no longer held here"), fenced.transaction() as tx:
            tx.put("thing", "a", {"x": 2})
        with fenced.snapshot() as view:
            document = view.get("thing", "a")
        assert document is not None
        assert dict(document.body) == {"x": 1}

    def test_many_at_once_have_one_winner(self, new_lease: Callable[[], Lease], clock: ManualClock) -> None:
        """Five rounds of four that ask at once, each after the one before was silent for too long."""
        for round_ in range(1, 6):
            asking = [new_lease() for _ in range(4)]
            with ThreadPoolExecutor(4) as pool:
                won = list(pool.map(Lease.take, asking))
            assert won.count(True) == 1
            assert asking[won.index(True)].epoch == round_
            clock.advance(_LASTS)
