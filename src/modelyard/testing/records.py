"""What every record store must do."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelyard.storage import RecordStore, RevisionConflict, StoreNotEmpty, Tally


class RecordStoreSuite(ABC):
    """Promises of `storage.RecordStore`. Subclasses give fresh, migrated stores of one database."""

    @abstractmethod
    @pytest.fixture
    def open_store(self) -> Callable[[], RecordStore]:
        """Opens a store of this test's own database; every call opens the same database anew."""

    @abstractmethod
    @pytest.fixture
    def another_store(self) -> Callable[[], RecordStore]:
        """Opens another database, empty and migrated."""

    @pytest.fixture
    def store(self, open_store: Callable[[], RecordStore]) -> RecordStore:
        """One open store."""
        return open_store()

    def test_a_document_counts_its_writes(self, store: RecordStore) -> None:
        """Revisions start at 1 and grow by one; the body is replaced whole."""
        with store.transaction() as tx:
            assert tx.put("thing", "a", {"x": 1, "y": [True, None, 1.5, "é"]}) == 1
            assert tx.put("thing", "a", {"x": 2}) == 2
        with store.snapshot() as view:
            document = view.get("thing", "a")
        assert document is not None
        assert (document.revision, dict(document.body)) == (2, {"x": 2})

    def test_compare_and_set_has_one_winner(self, store: RecordStore) -> None:
        """`expect` is the revision that must be there; 0 means that nothing may be."""
        with store.transaction() as tx:
            tx.put("thing", "a", {}, expect=0)
        for expected in (0, 2):
            with pytest.raises(RevisionConflict, match="at revision 1"), store.transaction() as tx:
                tx.put("thing", "a", {}, expect=expected)

    def test_an_exception_takes_everything_back(self, store: RecordStore) -> None:
        """Neither documents, nor labels, nor entries of a failed transaction are seen."""
        with pytest.raises(ZeroDivisionError), store.transaction() as tx:
            tx.put("thing", "a", {}, labels={"colour": "red"})
            tx.append("stream", {})
            _ = 1 / 0
        with store.snapshot() as view:
            assert view.get("thing", "a") is None
            assert view.find("thing", "colour", "red") == []
            assert view.entries("stream") == []

    def test_a_transaction_sees_its_own_writes(self, store: RecordStore) -> None:
        """What was put can be got, found and scanned before the commit."""
        with store.transaction() as tx:
            tx.put("thing", "a", {"x": 1}, labels={"colour": "red"})
            tx.append("stream", {"n": 1})
            assert tx.get("thing", "a") is not None
            assert [each.key for each in tx.find("thing", "colour", "red")] == ["a"]
            assert [each.seq for each in tx.entries("stream")] == [1]

    def test_scans_are_ordered_by_code_point_and_paged(self, store: RecordStore) -> None:
        """Upper case before lower, on every database; prefix, after, limit and direction combine."""
        keys = ["B", "a", "a/1", "a/2", "b", "é"]
        with store.transaction() as tx:
            for key in reversed(keys):
                tx.put("thing", key, {})
            tx.put("other", "a/3", {})
        with store.snapshot() as view:
            assert [each.key for each in view.scan("thing")] == keys
            assert [each.key for each in view.scan("thing", prefix="a")] == ["a", "a/1", "a/2"]
            assert [each.key for each in view.scan("thing", after="a", limit=2)] == ["a/1", "a/2"]
            assert [each.key for each in view.scan("thing", descending=True, limit=2)] == ["é", "b"]
            assert [each.key for each in view.scan("thing", descending=True, after="b", limit=1)] == ["a/2"]

    def test_labels_are_replaced_and_removed_with_their_document(self, store: RecordStore) -> None:
        """A document is found by its latest labels only, and not at all once deleted."""
        with store.transaction() as tx:
            tx.put("thing", "a", {}, labels={"stage": "staging"})
            tx.put("thing", "a", {}, labels={"stage": "production"})
        with store.snapshot() as view:
            assert view.find("thing", "stage", "staging") == []
            assert [each.key for each in view.find("thing", "stage", "production")] == ["a"]
        with store.transaction() as tx:
            tx.delete("thing", "a", expect=2)
            tx.delete("thing", "never was")
        with store.snapshot() as view:
            assert view.find("thing", "stage", "production") == []

    def test_streams_count_without_gaps_across_writers(self, open_store: Callable[[], RecordStore]) -> None:
        """Four writers at once: every entry has its own number, and none is missing."""

        def write(writer: int) -> None:
            store = open_store()
            for number in range(10):
                with store.transaction() as tx:
                    tx.append("stream", {"writer": writer, "number": number})
            store.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        with open_store().snapshot() as view:
            entries = view.entries("stream")
            newest = view.entries("stream", after=30, descending=True, limit=3)
        assert [each.seq for each in entries] == list(range(1, 41))
        assert [each.seq for each in newest] == [40, 39, 38]
        for writer in range(4):
            assert [each.body["number"] for each in entries if each.body["writer"] == writer] == list(range(10))

    def test_two_writers_of_one_revision_cannot_both_win(self, open_store: Callable[[], RecordStore]) -> None:
        """Twenty rounds, four writers each: exactly one put of each revision succeeds."""
        with open_store().transaction() as tx:
            tx.put("thing", "a", {})

        def compete(round_: int) -> bool:
            store = open_store()
            try:
                with store.transaction() as tx:
                    tx.put("thing", "a", {}, expect=round_)
            except RevisionConflict:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            for round_ in range(1, 21):
                assert sum(pool.map(compete, [round_] * 4)) == 1

    def test_everything_fills_an_empty_store_to_the_same(
        self, store: RecordStore, another_store: Callable[[], RecordStore]
    ) -> None:
        """Documents with revisions and labels, entries with numbers: across pages, and only where nothing is."""
        with store.transaction() as tx:
            for number in range(4100):
                tx.append(f"stream-{number % 3}", {"n": number})
            for number in range(2100):
                tx.put("thing", f"k{number}", {"n": number}, labels={"odd": str(number % 2), "é": "\u2028"})
            tx.put("thing", "k7", {"again": True})
            tx.put("other", "\U0001f600", {"x": [None, 1.5, "é"]})
        with store.snapshot() as view:
            kept = list(view.everything())
        filled = another_store()
        with filled.transaction() as tx:
            assert tx.fill(kept) == len(kept) == 6201
        with filled.snapshot() as view:
            assert list(view.everything()) == kept
            assert view.find("thing", "odd", "1") != []
        with filled.transaction() as tx:
            assert tx.put("thing", "k7", {}, expect=2) == 3
            assert tx.append("stream-0", {}) == 1368
        with pytest.raises(StoreNotEmpty, match="holds documents already"), store.transaction() as tx:
            tx.fill(kept)

    def test_the_newest_come_first_a_page_at_a_time(self, store: RecordStore) -> None:
        """By their own word, the same moment by key; those that say nothing are left out, and nothing is told twice."""
        moments = {"a": "T1", "B": "T2", "b": "T2", "c": "T2.5", "d": "T1", "é": "T3"}
        with store.transaction() as tx:
            for key, at in moments.items():
                tx.put("thing", key, {"created_at": at})
            tx.put("thing", "silent", {"created": "T9"})
            tx.put("other", "x", {"created_at": "T9"})
        with store.snapshot() as view:
            assert [each.key for each in view.newest("thing")] == ["é", "c", "b", "B", "d", "a"]
            first = view.newest("thing", limit=3)
        with store.transaction() as tx:
            tx.put("thing", "later", {"created_at": "T4"})
            tx.delete("thing", "b")
            tx.put("thing", "c", {"created_at": "T2.5", "changed": True})
        with store.snapshot() as view:
            assert [each.key for each in view.newest("thing", after=first[-1], limit=2)] == ["B", "d"]
            assert [each.key for each in view.newest("thing", limit=2)] == ["later", "é"]

    def test_many_documents_are_got_at_once(self, store: RecordStore) -> None:
        """Those that are there, in the order of their keys, whatever the number; nothing for no key."""
        with store.transaction() as tx:
            for number in range(1200):
                tx.put("thing", f"k{number:04d}", {"n": number})
        keys = [f"k{number:04d}" for number in range(1300)]
        with store.snapshot() as view:
            assert [each.body["n"] for each in view.many("thing", keys[::-1])] == list(range(1200))
            assert view.many("thing", []) == view.many("other", keys[:2]) == []

    def test_keys_are_grouped_by_what_they_begin_with(self, store: RecordStore) -> None:
        """Before the first slash: how many, and the last of them, by code point."""
        with store.transaction() as tx:
            for key in ("b/1", "b/2/3", "b/10", "B/1", "é/1", "none", "b-c/1"):
                tx.put("thing", key, {})
            tx.put("other", "z/1", {})
        with store.snapshot() as view:
            found = [(each.name, each.count, each.last) for each in view.groups("thing")]
        assert found == [("B", 1, "B/1"), ("b", 3, "b/2/3"), ("b-c", 1, "b-c/1"), ("é", 1, "é/1")]

    def test_documents_are_counted_by_what_they_say(self, store: RecordStore) -> None:
        """All of a kind, and those with something under a name; null, empty text and deeper down is nothing."""
        said: dict[str, dict[str, object]] = {
            "a": {"run": "r1"},
            "b": {"run": None},
            "c": {"run": ""},
            "d": {},
            "e": {"run": 0},
            "f": {"x": {"run": 1}},
        }
        with store.transaction() as tx:
            for key, body in said.items():
                tx.put("thing", key, {**body, "created_at": f"T{key}"})
            tx.put("thing", "silent", {"run": "r2"})
            tx.put("other", "z", {"run": "r3", "created_at": "Tz"})
        with store.snapshot() as view:
            assert view.tally("thing", "run", "x") == {"": Tally(7, "Tf"), "run": Tally(3, "Te"), "x": Tally(1, "Tf")}
            assert view.tally("nothing", "run") == {"": Tally(0, ""), "run": Tally(0, "")}

    def test_migrating_again_changes_nothing(self, open_store: Callable[[], RecordStore]) -> None:
        """Two processes may start at once, and a started one may start again."""
        with open_store().transaction() as tx:
            tx.put("thing", "a", {"x": 1})
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: open_store().migrate(), range(2)))
        with open_store().snapshot() as view:
            assert view.get("thing", "a") is not None

    def test_hostile_text_is_kept_and_changes_no_query(self, store: RecordStore) -> None:
        """Quotes, wildcards and comment marks are just text."""
        hostile = "a'; DROP TABLE documents; -- %_\\"
        with store.transaction() as tx:
            tx.put("thing", hostile, {"text": hostile}, labels={"name": hostile})
        with store.snapshot() as view:
            assert [each.body["text"] for each in view.find("thing", "name", hostile)] == [hostile]
            assert [each.key for each in view.scan("thing", prefix="a'")] == [hostile]
            assert view.scan("thing", prefix="a%") == []

    def test_hasty_transactions_keep_every_other_promise(self, open_store: Callable[[], RecordStore]) -> None:
        """Without waiting for the disk they are seen by others, serialized with them, and whole or not at all."""
        store = open_store()
        with store.transaction(durable=False) as tx:
            tx.put("thing", "a", {"x": 1})
        with open_store().transaction() as tx:
            tx.put("thing", "a", {"x": 2}, expect=1)
        with pytest.raises(ZeroDivisionError), store.transaction(durable=False) as tx:
            tx.put("thing", "a", {"x": 3})
            _ = 1 / 0
        with pytest.raises(RevisionConflict), store.transaction(durable=False) as tx:
            tx.put("thing", "a", {}, expect=1)
        with open_store().snapshot() as view:
            document = view.get("thing", "a")
        assert document is not None
        assert (document.revision, dict(document.body)) == (2, {"x": 2})
