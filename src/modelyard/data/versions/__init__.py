"""Dataset versions: what a name held, by content."""

from .content import DatasetVersion, version_of

__all__ = ["DatasetVersion", "version_of"]
