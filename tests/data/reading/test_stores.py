"""Data in an object store: read as files are, and what the store's client complains about is one error of ours."""

from collections.abc import Iterator
from uuid import uuid4

import pyarrow as pa
import pytest

from modelyard.data import UnreadableData, read_table

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),  # the S3 client's own
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server in this process, on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of S3 with two files."""
    import s3fs

    given = {"ENDPOINT_URL": endpoint, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}
    for name, value in given.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    store, name = s3fs.S3FileSystem(), f"bucket-{uuid4().hex}"
    store.mkdir(name)
    store.pipe(f"{name}/days/a.csv", b"id,name\n1,Zo\xc3\xab\n")
    store.pipe(f"{name}/days/b.csv", b"id,name\n2,x\n")
    return name


def test_a_folder_of_s3_is_read_as_one_of_files_is(bucket: str) -> None:
    """A file, a glob and a folder by their URLs."""
    both = pa.table({"id": [1, 2], "name": ["Zoë", "x"]})
    assert read_table(f"s3://{bucket}/days/a.csv").equals(both.slice(0, 1))
    assert read_table(f"s3://{bucket}/days").equals(both)
    assert read_table(f"s3://{bucket}/days/*.csv").equals(both)


def test_what_the_client_of_s3_raises_is_an_error_that_names_the_file(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file or bucket that is not there, a name that no bucket has, no server, no credentials."""
    import s3fs

    for url in (f"s3://{bucket}/none.csv", "s3://no-such-bucket-here/a.csv", "s3://NO_BUCKET!/a.csv"):
        with pytest.raises(UnreadableData, match="Cannot read s3://"):
            read_table(url)
    options = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(UnreadableData, match=r"127\.0\.0\.1:9"):
        read_table(f"s3://{bucket}/days/a.csv")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(UnreadableData, match="credentials"):
        read_table(f"s3://{bucket}/days/a.csv")
