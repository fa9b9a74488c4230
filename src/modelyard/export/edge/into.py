"""A package on disk: a folder, or a zip."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from modelyard.core import Conflict, atomic_write

_RUNNABLE = "run.py"


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a package into a folder that is new, empty, or holds an earlier one; Conflict when it holds other files."""
    strangers = sorted({each.name for each in folder.iterdir()} - set(files)) if folder.is_dir() else []
    if "__pycache__" in strangers:
        strangers.remove("__pycache__")
    if strangers:
        raise Conflict(f"{folder} holds {strangers[0]!r}.", code="FOLDER_IN_USE", remedy="Choose an empty folder.")
    for name, data in files.items():
        atomic_write(folder / name, data, mode=_mode(name), durable=False)


def write_zip(files: Mapping[str, bytes], file: Path, folder: str) -> None:
    """Write a package as a zip, in a folder of this name: the same bytes for the same files."""
    atomic_write(file, _packed(files, folder), durable=False)


def stale_in_folder(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """The files of a package that a folder lacks, or has with other bytes."""
    return [name for name, data in files.items() if not _holds(folder / name, data)]


def stale_zip(files: Mapping[str, bytes], file: Path, folder: str) -> list[str]:
    """The name of the zip when it is not there, or has other bytes."""
    return [] if _holds(file, _packed(files, folder)) else [file.name]


def _holds(file: Path, data: bytes) -> bool:
    return file.is_file() and file.read_bytes() == data


def _packed(files: Mapping[str, bytes], folder: str) -> bytes:
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as made:
        for name, data in files.items():
            entry = ZipInfo(f"{folder}/{name}")  # of 1980: no clock is read
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, (0o100000 | _mode(name)) << 16
            made.writestr(entry, data)
    return packed.getvalue()


def _mode(name: str) -> int:
    return 0o755 if name == _RUNNABLE else 0o644
