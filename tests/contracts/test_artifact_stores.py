"""Every artifact store keeps every promise: a local folder, and S3 on a real server."""

import filecmp
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from modelyard.storage import ArtifactDamaged, ArtifactStore, open_artifact_store
from modelyard.testing import ArtifactStoreSuite


class TestLocalFolder(ArtifactStoreSuite):
    """A folder on this disk."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ArtifactStore:
        return open_artifact_store(tmp_path / "artifacts")

    def test_changed_bytes_are_damage(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Whoever edits the folder by hand is found out."""
        digest = store.put_bytes(b"original")
        file = tmp_path / "artifacts" / digest[:2] / digest
        file.chmod(0o644)
        file.write_bytes(b"tampered")
        with pytest.raises(ArtifactDamaged, match="another digest"):
            store.get_bytes(digest)

    def test_a_changed_file_is_not_given_out(self, store: ArtifactStore, tmp_path: Path) -> None:
        """What stood at the target stays."""
        digest = store.put_bytes(b"original")
        file = tmp_path / "artifacts" / digest[:2] / digest
        file.chmod(0o644)
        file.write_bytes(b"tampered")
        (tmp_path / "into").write_bytes(b"before")
        with pytest.raises(ArtifactDamaged, match="another digest"):
            store.get_file(digest, tmp_path / "into")
        assert [(each.name, each.read_bytes()) for each in tmp_path.glob("*into*")] == [("into", b"before")]

    def test_a_big_file_never_stands_in_memory(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Neither on its way in nor out: 48 MB within 8."""
        with (tmp_path / "big").open("wb") as file:
            file.truncate(48 << 20)
        tracemalloc.start()
        try:
            digest = store.put_file(tmp_path / "big")
            store.get_file(digest, tmp_path / "again")
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
        assert filecmp.cmp(tmp_path / "big", tmp_path / "again", shallow=False)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server in this process, on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")  # the S3 client's own
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestS3(ArtifactStoreSuite):
    """S3, a bucket a test."""

    @pytest.fixture
    def store(self, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
        import s3fs

        for name, value in {
            "AWS_ENDPOINT_URL": s3_endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        bucket = f"bucket-{uuid4().hex}"
        s3fs.S3FileSystem().mkdir(bucket)
        return open_artifact_store(f"s3://{bucket}/store")
