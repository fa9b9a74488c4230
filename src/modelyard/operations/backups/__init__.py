"""A project's stores as one file, taken while everything runs, and put back: `modelyard backup` and `restore`.

Owns the file's format and what belongs in it. Does not own how records are read and written whole (`storage`).
"""

from .operations import backup, restore

__all__ = ["backup", "restore"]
