"""Dataset versions: what a name held, by content."""

from .content import DatasetVersion, version_of
from .diff import ColumnDiff, FileChanges, Retyped, VersionDiff
from .manifest import content_digest
from .records import Added, StoredColumn, StoredFile, Version
from .versions import Versions

__all__ = [
    "Added",
    "ColumnDiff",
    "DatasetVersion",
    "FileChanges",
    "Retyped",
    "StoredColumn",
    "StoredFile",
    "Version",
    "VersionDiff",
    "Versions",
    "content_digest",
    "version_of",
]
