"""What every index of vectors must do."""

import threading
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pytest

from modelyard.vectors import DuplicateId, InvalidVector, Matrix, VectorIndex, VectorsDamaged, load_index

DIMENSION = 16


def scattered(count: int, seed: int = 0) -> Matrix:
    """So many vectors in random directions, of many lengths."""
    random = np.random.default_rng(seed)
    rows: Matrix = (random.normal(size=(count, DIMENSION)) * random.uniform(0.1, 9, (count, 1))).astype(np.float32)
    return rows


def cosines(query: Matrix, rows: Matrix) -> Matrix:
    """By the definition, in float64: what scores must be."""
    one, many = query.astype(np.float64), rows.astype(np.float64)
    result: Matrix = (many @ one) / np.linalg.norm(many, axis=1) / np.linalg.norm(one)
    return result


class VectorIndexSuite(ABC):
    """Promises of `vectors.VectorIndex`. Subclasses give an empty index of dimension `DIMENSION`."""

    @abstractmethod
    @pytest.fixture
    def index(self) -> VectorIndex:
        """An empty index of dimension `DIMENSION`."""

    def test_the_nearest_come_first_with_their_cosines(self, index: VectorIndex) -> None:
        """Of 400 vectors the ten of highest cosine, whatever their lengths."""
        rows, found = scattered(400), 0
        index.add(np.arange(1000, 1400), rows)
        for query in scattered(40, seed=1):
            exact = cosines(query, rows)
            hits = index.search(query, 10)
            assert len(hits.ids) == 10
            assert (np.diff(hits.scores) <= 0).all()
            np.testing.assert_allclose(hits.scores, exact[hits.ids - 1000], atol=1e-6)
            found += len(set((hits.ids - 1000).tolist()) & set(np.argsort(-exact)[:10].tolist()))
        assert found >= 0.98 * 400

    def test_an_empty_index_finds_nothing(self, index: VectorIndex) -> None:
        """Also for a list of what may be found, and when nothing is asked for."""
        query = scattered(1)[0]
        assert len(index) == 0
        assert index.search(query, 5).ids.tolist() == []
        assert index.search(query, 5, allowed=[1, 2]).ids.tolist() == []
        index.add([7], [query])
        assert index.search(query, 0).ids.tolist() == []

    def test_fewer_are_found_where_there_are_fewer(self, index: VectorIndex) -> None:
        """No id twice, and none that is not there, to make up the number."""
        index.add([5, 3], scattered(2))
        assert sorted(index.search(scattered(1, seed=3)[0], 10).ids.tolist()) == [3, 5]

    def test_equals_come_in_the_order_of_their_ids(self, index: VectorIndex) -> None:
        """So that an answer is the same again, in whatever order they came in."""
        row = scattered(1)[0]
        index.add([9, 2, 4, -7], [row, row * 2, row, row])
        assert index.search(row, 4).ids.tolist() == [-7, 2, 4, 9]
        assert index.search(row, 2, allowed=[9, 4, 2]).ids.tolist() == [2, 4]

    def test_only_allowed_ones_are_found_and_as_many_as_asked(self, index: VectorIndex) -> None:
        """However far they are: nothing else takes their place. Unknown and repeated ids are no matter."""
        rows = scattered(500)
        index.add(np.arange(500), rows)
        query = rows[0]
        far = np.argsort(cosines(query, rows))[:8]
        hits = index.search(query, 5, allowed=[*far.tolist(), far[0], 10**9])
        assert hits.ids.tolist() == far[np.argsort(-cosines(query, rows)[far])][:5].tolist()
        assert index.search(query, 5, allowed=[]).ids.tolist() == []

    def test_what_is_removed_is_not_found_and_may_come_again(self, index: VectorIndex) -> None:
        """At once; ids that are not there count for nothing; under the same id comes another vector."""
        rows = scattered(60)
        index.add(np.arange(60), rows)
        assert index.remove([*range(0, 60, 2), 99]) == 30
        assert index.remove([0]) == 0
        assert len(index) == 30
        assert index.ids.tolist() == list(range(1, 60, 2))
        for row in rows:
            assert not set(index.search(row, 60).ids.tolist()) & set(range(0, 60, 2))
        index.add([0], [-rows[1]])
        assert index.search(-rows[1], 1).ids.tolist() == [0]
        assert index.remove(index.ids) == 31
        assert index.search(rows[0], 3).ids.tolist() == []

    def test_a_refused_call_changes_nothing(self, index: VectorIndex) -> None:
        """Wrong dimension, no numbers, no length, an id that is there or comes twice, ids that are none."""
        rows = scattered(3)
        index.add([1], rows[:1])
        broken = rows.copy()
        broken[1, 2] = np.nan
        for ids, vectors in (([2], rows[:1, 1:]), ([2, 3, 4], broken), ([2], np.zeros((1, DIMENSION))), ([2], rows)):
            with pytest.raises(InvalidVector):
                index.add(ids, vectors)
        for ids in ([2, 1, 3], [2, 3, 2]):
            with pytest.raises(DuplicateId):
                index.add(ids, rows)
        with pytest.raises(InvalidVector):
            index.add([1.5], rows[:1])
        for query in (rows[0, 1:], broken[1], np.zeros(DIMENSION)):
            with pytest.raises(InvalidVector):
                index.search(query, 1)
        assert index.ids.tolist() == [1]
        assert index.search(rows[0], 3).ids.tolist() == [1]

    def test_vectors_come_back_as_units_in_the_order_asked(self, index: VectorIndex) -> None:
        """An id that is not there is named."""
        rows = scattered(4)
        index.add([4, 1, 3, 2], rows)
        given = index.vectors([2, 4])
        np.testing.assert_allclose(given, rows[[3, 0]] / np.linalg.norm(rows[[3, 0]], axis=1, keepdims=True), atol=1e-6)
        with pytest.raises(KeyError, match="17"):
            index.vectors([1, 17])

    def test_saved_and_loaded_it_answers_the_same(self, index: VectorIndex, tmp_path: Path) -> None:
        """After additions and removals; and goes on taking both."""
        rows = scattered(120)
        index.add(np.arange(120), rows)
        index.remove(np.arange(10))
        index.save(tmp_path)
        again = load_index(tmp_path)
        assert (again.kind, again.dimension, len(again)) == (index.kind, DIMENSION, 110)
        for query in scattered(10, seed=2):
            before, after = index.search(query, 7), again.search(query, 7)
            assert after.ids.tolist() == before.ids.tolist()
            np.testing.assert_array_equal(after.scores, before.scores)
        again.remove([50])
        again.add([3], rows[3:4])
        assert 50 not in again.search(rows[50], 110).ids
        assert again.search(rows[3], 1).ids.tolist() == [3]

    def test_every_file_is_pinned(self, index: VectorIndex, tmp_path: Path) -> None:
        """A byte changed in any of them, or a file less, is told before anything is searched."""
        index.add(np.arange(30), scattered(30))
        saved = index.save(tmp_path)
        assert {each.name for each in tmp_path.iterdir()} == set(saved)
        assert all(name.startswith("vectors.") for name in saved)
        for name in saved:
            path = tmp_path / name
            whole = path.read_bytes()
            path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
            with pytest.raises(VectorsDamaged):
                load_index(tmp_path)
            path.unlink()
            with pytest.raises(VectorsDamaged):
                load_index(tmp_path)
            path.write_bytes(whole)
        assert len(load_index(tmp_path)) == 30

    def test_the_same_calls_write_the_same_bytes(self, index: VectorIndex, tmp_path: Path) -> None:
        """So that what is made of equal sources has an equal digest."""
        folders = tmp_path / "one", tmp_path / "two"
        digests = []
        for folder in folders:
            folder.mkdir()
            fresh = type(index)(DIMENSION)  # type: ignore[call-arg]  # each implementation takes its dimension
            fresh.add(np.arange(200), scattered(200))
            digests.append(fresh.save(folder))
        assert digests[0] == digests[1]

    def test_several_threads_search_at_once(self, index: VectorIndex) -> None:
        """Each gets the answer it would get alone."""
        rows = scattered(300)
        index.add(np.arange(300), rows)
        alone = [index.search(row, 5).ids.tolist() for row in rows]
        wrong: list[int] = []

        def ask() -> None:
            wrong.extend(at for at, row in enumerate(rows) if index.search(row, 5).ids.tolist() != alone[at])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert wrong == []
