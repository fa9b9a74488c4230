"""What every artifact store must do."""

from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from modelyard.core import Digest, digest_of
from modelyard.storage import ArtifactMissing, ArtifactStore, UnsafeTree


class ArtifactStoreSuite(ABC):
    """Promises of `storage.ArtifactStore`. Subclasses give an empty store."""

    @abstractmethod
    @pytest.fixture
    def store(self) -> ArtifactStore:
        """An empty store."""

    def test_bytes_come_back_under_their_digest(self, store: ArtifactStore) -> None:
        """Putting twice is putting once."""
        digest = store.put_bytes(b"some bytes")
        assert digest == digest_of(b"some bytes") == store.put_bytes(b"some bytes")
        assert store.has(digest)
        assert store.get_bytes(digest) == b"some bytes"
        assert list(store.digests()) == [digest]

    def test_a_file_comes_back_whole(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Through the disk, empty files too."""
        (tmp_path / "empty").touch()
        digest = store.put_file(tmp_path / "empty")
        assert store.get_file(digest, tmp_path / "again").read_bytes() == b""

    def test_a_tree_comes_back_with_its_folders(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Names, folders and contents; the same tree has the same digest."""
        folder = tmp_path / "tree"
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "a").write_bytes(b"1")
        (folder / "deep" / "er" / "b c").write_bytes(b"2")
        digest = store.put_tree(folder)
        again = store.get_tree(digest, tmp_path / "again")
        assert (again / "a").read_bytes() == b"1"
        assert (again / "deep" / "er" / "b c").read_bytes() == b"2"
        assert store.put_tree(again) == digest

    def test_links_are_refused(self, store: ArtifactStore, tmp_path: Path) -> None:
        """A tree holds regular files only."""
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "link").symlink_to("/etc/passwd")
        with pytest.raises(UnsafeTree, match="no regular file"):
            store.put_tree(tmp_path / "tree")

    def test_a_manifest_that_leaves_its_folder_is_refused(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Nothing is written outside the target, and nothing stays inside it."""
        content = store.put_bytes(b"x")
        for name in ("../up", "/etc/x", "a/../../up"):
            manifest = store.put_bytes(f'{{"files":{{"{name}":"{content}"}}}}'.encode())
            with pytest.raises(UnsafeTree):
                store.get_tree(manifest, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "up").exists()

    def test_what_was_never_put_is_missing(self, store: ArtifactStore) -> None:
        """The error names digest and store; deleting it does nothing."""
        nothing = Digest("0" * 64)
        assert not store.has(nothing)
        store.delete(nothing)
        with pytest.raises(ArtifactMissing, match="holds nothing under 0000"):
            store.get_bytes(nothing)

    def test_what_was_deleted_is_missing(self, store: ArtifactStore) -> None:
        """Until it is put again."""
        digest = store.put_bytes(b"x")
        store.delete(digest)
        assert not store.has(digest)
        assert store.put_bytes(b"x") == digest
        assert store.get_bytes(digest) == b"x"

    def test_a_stream_is_stored_when_it_ends(self, store: ArtifactStore) -> None:
        """Piece by piece, from anything with the buffer interface; twice is once."""
        for durable in (True, False):
            with store.put_stream(durable=durable) as stream:
                assert stream.write(b"some ") == 5
                assert stream.write(memoryview(bytearray(b"bytes"))) == 5
            assert (stream.size, stream.digest) == (10, digest_of(b"some bytes"))
        assert store.get_bytes(stream.digest) == b"some bytes"
        assert list(store.digests()) == [stream.digest]

    def test_a_stream_that_breaks_leaves_nothing(self, store: ArtifactStore) -> None:
        """Neither the bytes nor a part of them."""
        with pytest.raises(ZeroDivisionError), store.put_stream() as stream:
            stream.write(b"some bytes")
            _ = 1 / 0
        assert not store.has(digest_of(b"some bytes"))
        assert list(store.digests()) == []

    def test_what_lies_on_this_machine_can_be_read_in_place(self, store: ArtifactStore) -> None:
        """A path to the very bytes, or None where there are no files; what is missing is said."""
        digest = store.put_bytes(b"some bytes", durable=False)
        path = store.local_path(digest)
        assert path is None or path.read_bytes() == b"some bytes"
        if path is not None:
            with pytest.raises(ArtifactMissing):
                store.local_path(Digest("0" * 64))
