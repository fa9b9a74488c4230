"""The folder of a new project: all that adopting writes there, or nothing."""

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from modelyard.core import Conflict, InvalidInput, atomic_write
from modelyard.wiring import FILE_NAME

from ..building import listed

BEGUN = ".adopting.yaml"
"""What the project file is called until all else is done."""

_WORKSPACE = ".modelyard"


def require_free(into: Path) -> None:
    """Return when the folder has no project, and none half made."""
    if (into / FILE_NAME).exists():
        raise Conflict(
            f"{into / FILE_NAME} exists already.",
            code="PROJECT_EXISTS",
            remedy="Choose another folder, --into FOLDER; or register the model here: modelyard model register --path.",
        )
    left = [each for each in (into / BEGUN, into / _WORKSPACE / "records.db") if each.exists()]
    if left:
        raise Conflict(
            f"{into.resolve()} holds what a project left that was never finished, or lost its {FILE_NAME}: "
            f"{listed(left)}.",
            code="PROJECT_EXISTS",
            remedy=f"Choose another folder, --into FOLDER; or, if nothing of it is wanted, remove {into / '.modelyard'}"
            f" and {into / BEGUN}, and begin again.",
        )
    if into.exists() and not into.is_dir():
        raise InvalidInput(f"{into} is no folder.", code="NO_FOLDER", remedy="Choose another: --into FOLDER.")


@contextmanager
def claimed(into: Path, text: str, files: Sequence[str]) -> Iterator[Path]:
    """A new project with this project file, given for the block; the file gets its name when that ends well.

    When it fails, all that it wrote goes again, `files` among it; what stood there stays. Conflict when another process
    is about the same, or when a file of `files` is there.
    """
    new_folder, workspace = not into.exists(), into / _WORKSPACE
    before = {each.name for each in workspace.iterdir()} if workspace.is_dir() else set()
    taken = next((each for each in files if (into / each).exists()), None)
    if taken is not None:
        raise Conflict(
            f"{into / taken} exists already.",
            code="FILE_EXISTS",
            remedy="Move it away, or choose another folder: --into FOLDER.",
        )
    into.mkdir(parents=True, exist_ok=True)
    _claim(into / BEGUN, text)
    try:
        yield into / BEGUN
        atomic_write(into / FILE_NAME, text.encode())
        (into / BEGUN).unlink()
    except BaseException:
        _remove(into if new_folder else workspace, set() if new_folder else before)
        for each in (BEGUN, *files):
            (into / each).unlink(missing_ok=True)
        raise


def _claim(file: Path, text: str) -> None:
    """Write the project file under its first name, which only one process can."""
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise Conflict(
            f"{file} has just been written by another process.",
            code="PROJECT_EXISTS",
            remedy="Choose another folder: --into FOLDER.",
        ) from error


def _remove(folder: Path, but: Collection[str]) -> None:
    """Remove what is in a folder but what stood there, and the folder where that was nothing."""
    if not but:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for each in folder.iterdir():
        if each.name in but:
            continue
        with suppress(OSError):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
