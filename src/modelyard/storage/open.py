"""From a URL to a store."""

from pathlib import Path

import fsspec

from modelyard.core import did_you_mean

from .contract import ArtifactStore, RecordStore
from .drivers.filesystem import FilesystemArtifactStore
from .errors import UnknownStore

ARTIFACT_SCHEMES = ("file", "s3")


def open_record_store(url: str) -> RecordStore:
    """The record store at `sqlite:///path` or `postgresql+psycopg://user:password@host/database`; not yet migrated."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - processes that only work on data have no use for SQL
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - the same

    from .drivers.dialects import DIALECTS  # noqa: PLC0415 - the same
    from .drivers.sql import SqlRecordStore  # noqa: PLC0415 - the same

    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UnknownStore(f"{url!r} is no database URL.", remedy="Write sqlite:///records.db, say.") from error
    name = parsed.get_backend_name()
    if name not in DIALECTS:
        raise UnknownStore(f"There is no record store on '{name}'.", remedy=did_you_mean(name, DIALECTS))
    try:
        return SqlRecordStore(DIALECTS[name].open(parsed), DIALECTS[name])
    except ModuleNotFoundError as error:
        raise UnknownStore(
            f"The driver for {name} is not installed ({error.name}).", remedy="pip install 'modelyard[postgres]'"
        ) from error


def open_artifact_store(url: str | Path) -> ArtifactStore:
    """The artifact store in a folder (a path or `file://…`) or at `s3://bucket/prefix`.

    S3 takes its endpoint and credentials from the usual AWS_* variables.
    """
    text = str(url)
    scheme = text.split("://", 1)[0] if "://" in text else "file"
    if scheme not in ARTIFACT_SCHEMES:
        raise UnknownStore(f"There is no artifact store on '{scheme}'.", remedy=did_you_mean(scheme, ARTIFACT_SCHEMES))
    try:
        filesystem, root = fsspec.core.url_to_fs(text if "://" in text else str(Path(text).absolute()))
    except ImportError as error:
        raise UnknownStore(
            f"The driver for {scheme} is not installed ({error}).", remedy="pip install 'modelyard[s3]'"
        ) from error
    return FilesystemArtifactStore(filesystem, root, text)
