"""Artifacts: what steps hand on, as immutable bytes in the artifact store, each type in the form that reads fastest.

Owns the forms and their codes. Does not own where bytes lie (`storage`), or which step made what (`running`).
"""

from .artifact import Artifact
from .files import Scratch
from .handed import as_file, file_name, leaves_of, media_of
from .load import load, load_path, part_of
from .pickles import SharedNames
from .save import save

__all__ = [
    "Artifact",
    "Scratch",
    "SharedNames",
    "as_file",
    "file_name",
    "leaves_of",
    "load",
    "load_path",
    "media_of",
    "part_of",
    "save",
]
