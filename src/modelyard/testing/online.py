"""What every online store must do."""

import threading
from abc import ABC, abstractmethod

import numpy as np
import pytest

from modelyard.core import Micros
from modelyard.online import OnlineStore, RowBatch, StoredRow, float_column


def row(event: int, value: object, available: int | None = None) -> StoredRow:
    """A stored row with one value."""
    return StoredRow(event, event if available is None else available, (value,))  # type: ignore[arg-type]  # any scalar


def batch(start: int, stop: int, event: int, value: float) -> RowBatch:
    """Rows of the keys from `start` to `stop`, all with one value."""
    keys, rows = np.arange(start, stop), stop - start
    instants = np.full(rows, event)
    values, numbers = np.full(rows, value, dtype=np.float64), keys.astype(np.float64)
    return RowBatch.of_columns([keys], instants, instants, [float_column(values), float_column(numbers)])


class OnlineStoreSuite(ABC):
    """Promises of `online.OnlineStore`. Subclasses give an empty store."""

    @abstractmethod
    @pytest.fixture
    def store(self) -> OnlineStore:
        """An empty store."""

    def test_values_come_back_in_the_order_of_the_keys(self, store: OnlineStore) -> None:
        """Every scalar survives; what was never written is None."""
        values = [1.5, 7, "é", True, None, -0.0, "", 2**63 - 1, -(2**63), 2**70, False, float("inf"), "x\x00y"]
        keys = [(f"k{index}", index) for index in range(len(values))]
        assert store.write("v", [(key, row(1, value)) for key, value in zip(keys, values, strict=True)]) == len(values)
        found = store.read("v", [*reversed(keys), ("nobody", 0)])
        assert [each.values[0] if each else "nothing" for each in found] == [*reversed(values), "nothing"]

    def test_older_rows_never_replace_newer_ones(self, store: OnlineStore) -> None:
        """Event time decides, then availability; the same row again counts as nothing."""
        assert store.write("v", [(("a",), row(10, "new"))]) == 1
        assert store.write("v", [(("a",), row(9, "old")), (("a",), row(10, "earlier known", available=9))]) == 0
        assert store.write("v", [(("a",), row(10, "new"))]) == 0
        assert store.write("v", [(("a",), row(10, "corrected", available=11))]) == 1
        (found,) = store.read("v", [("a",)])
        assert found == row(10, "corrected", available=11)

    def test_null_keys_match_nothing(self, store: OnlineStore) -> None:
        """Neither written nor read."""
        assert store.write("v", [((None,), row(1, "x")), (("a", None), row(1, "x"))]) == 0
        assert store.read("v", [(None,), ("a", None)]) == [None, None]

    def test_views_do_not_meet(self, store: OnlineStore) -> None:
        """Equal keys, and views whose names begin alike, are apart; clearing one leaves the other."""
        store.write("view", [(("a",), row(1, "one"))])
        store.write("view2", [(("a",), row(1, "two")), (("b",), row(1, "three"))])
        assert (store.count("view"), store.count("view2"), store.count("vie")) == (1, 2, 0)
        store.clear("view")
        assert store.read("view", [("a",)]) == [None]
        assert store.count("view2") == 2

    def test_who_is_forgotten_is_gone_and_nobody_else(self, store: OnlineStore) -> None:
        """In one view; counted; unknown entities and unknown views are none; and rows may come again."""
        store.write("v", [(("a",), row(5, "one")), (("b",), row(5, "two")), ((7,), row(5, "three"))])
        store.write("other", [(("a",), row(5, "four"))])
        assert store.forget("v", [("a",), (7,), ("7",), ("nobody",), (None,)]) == 2
        assert store.forget("v", [("a",)]) == 0
        assert store.forget("never", [("a",)]) == 0
        assert store.forget("v", []) == 0
        found = store.read("v", [("a",), ("b",), (7,)])
        assert [each.values[0] if each else None for each in found] == [None, "two", None]
        assert (store.count("v"), store.count("other")) == (1, 1)
        assert store.write("v", [(("a",), row(1, "again"))]) == 1

    def test_types_of_keys_matter(self, store: OnlineStore) -> None:
        """The number 1 and the text '1' are two entities; very long keys are too."""
        store.write("v", [((1,), row(1, "number")), (("1",), row(1, "text"))])
        long = [("x" * 2000 + end,) for end in "ab"]
        store.write("v", [(key, row(1, key[0][-1])) for key in long])
        assert [each.values[0] for each in store.read("v", [(1,), ("1",), *long]) if each] == [
            "number",
            "text",
            "a",
            "b",
        ]

    def test_a_write_of_many_batches_is_seen_at_its_end(self, store: OnlineStore) -> None:
        """Not before, not in part; of equal keys in several batches the newest stays, and the last of equals."""
        store.write("v", [((key,), row(1, float(key), 1)) for key in range(10)])
        with store.writer("w") as writer:
            writer.add(batch(0, 6000, 10, 1.0))
            writer.add(batch(3000, 9000, 9, 2.0))
            assert store.count("w") == 0
            assert store.read("w", [(1,)]) == [None]
            writer.add(batch(8000, 9000, 9, 3.0))
            writer.mark(until=Micros(20), at=Micros(30))
        assert writer.stored >= 9000
        found = store.read("w", [(0,), (4000,), (7000,), (8500,)])
        assert [each.values[0] for each in found if each] == [1.0, 1.0, 2.0, 3.0]
        state = store.state("w")
        assert (state.rows, state.until_us, state.newest_us, state.written_us) == (9000, 20, 10, 30)
        assert store.count("v") == 10

    def test_a_write_that_raises_has_not_been(self, store: OnlineStore) -> None:
        """Neither its rows nor its marks; however many batches it had."""
        with store.writer("v") as writer:
            writer.add(batch(0, 10, 5, 1.0))
            writer.mark(until=Micros(5), at=Micros(5))
        with pytest.raises(RuntimeError, match="the source"), store.writer("v") as writer:
            writer.add(batch(0, 5000, 6, 2.0))
            writer.add(batch(5000, 9000, 6, 2.0))
            writer.mark(until=Micros(6), at=Micros(6))
            raise RuntimeError("the source ended")
        assert (store.state("v").rows, store.state("v").until_us) == (10, 5)
        assert [each.values[0] for each in store.read("v", [(0,), (9,)]) if each] == [1.0, 1.0]

    def test_a_large_write_obeys_the_same_rules_as_a_small_one(self, store: OnlineStore) -> None:
        """Over rows that are there: newer ones stay, older ones go, and once more changes nothing."""
        store.write("v", [((1,), StoredRow(50, 50, (5.0, 5.0))), ((2,), StoredRow(5, 5, (5.0, 5.0)))])
        for stored in (7999, 0):
            with store.writer("v") as writer:
                writer.add(batch(0, 4000, 10, 1.0))
                writer.add(batch(4000, 8000, 10, 1.0))
            assert writer.stored == stored
        assert [each.values[0] for each in store.read("v", [(1,), (2,), (7999,)]) if each] == [5.0, 1.0, 1.0]

    def test_marks_never_go_back(self, store: OnlineStore) -> None:
        """A push marks only when it was; a materialization of less does not take back what is known."""
        for until in (Micros(20), Micros(10), None):
            with store.writer("v") as writer:
                writer.mark(until=until, at=Micros(7))
        assert store.state("v").until_us == 20
        assert store.state("nobody's").until_us is None
        assert "v" in store.views()
        assert "nobody's" not in store.views()

    def test_readers_never_see_half_a_write(self, store: OnlineStore) -> None:
        """While versions follow each other, each read of many keys finds one version."""
        keys = [(key,) for key in range(0, 4000, 40)]
        ended, torn = threading.Event(), list[object]()

        def read() -> None:
            while not ended.is_set():
                seen = {each.values[0] if each else None for each in store.read("v", keys)}
                if len(seen) > 1:
                    torn.append(seen)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for version in range(6):
            with store.writer("v") as writer:
                writer.add(batch(0, 2000, version, float(version)))
                writer.add(batch(2000, 4000, version, float(version)))
        ended.set()
        for reader in readers:
            reader.join()
        assert torn == []
