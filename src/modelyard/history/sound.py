"""Whether a file of the log is what was written."""

import hashlib
from pathlib import Path

from .catalog import Entry


def is_sound(folder: Path, entry: Entry) -> bool:
    """Whether a file has the bytes that the catalog says."""
    try:
        with (folder / entry.name).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == entry.sha256
    except OSError:
        return False
