"""What every online store must do."""

from abc import ABC, abstractmethod

import pytest

from modelyard.online import OnlineStore, StoredRow


def row(event: int, value: object, available: int | None = None) -> StoredRow:
    """A stored row with one value."""
    return StoredRow(event, event if available is None else available, (value,))  # type: ignore[arg-type]  # any scalar


class OnlineStoreSuite(ABC):
    """Promises of `online.OnlineStore`. Subclasses give an empty store."""

    @abstractmethod
    @pytest.fixture
    def store(self) -> OnlineStore:
        """An empty store."""

    def test_values_come_back_in_the_order_of_the_keys(self, store: OnlineStore) -> None:
        """Every scalar survives; what was never written is None."""
        values = [1.5, 7, "é", True, None, -0.0]
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
