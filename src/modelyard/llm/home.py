"""Where an index lives: a folder of versions by their digests, and which of them is current.

`FOLDER/versions/DIGEST/` and `FOLDER/current`. A version is written beside, forced to the disk and renamed, then the
pointer is replaced: whoever is killed in between leaves the old index or the new, whole.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from modelyard.core import Digest, atomic_write, make_folder, sync_folder, sync_tree
from modelyard.core.locks import alone
from modelyard.retrieval import Index, load_folder

from .errors import NoIndex

_VERSIONS, _CURRENT, _LOCK, _MAKING = "versions", "current", ".lock", ".making-"


def current(home: Path) -> Digest | None:
    """The digest of the current version; None where there is no index yet."""
    try:
        return Digest((home / _CURRENT).read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None


def version_folder(home: Path, digest: Digest | None = None) -> Path:
    """The folder of a version, or of the current one; NoIndex where there is none."""
    digest = digest or current(home)
    if digest is None:
        raise NoIndex(
            f"There is no index in {home}.", remedy=f"Build one: modelyard index build {home} SOURCES --embedder BUNDLE"
        )
    folder = home / _VERSIONS / digest
    if not folder.is_dir():
        raise NoIndex(
            f"The index in {home} has no version {digest[:12]}….", remedy="Versions are the folders below versions/."
        )
    return folder


def open_index(home: Path, digest: Digest | None = None) -> Index:
    """Verify and load an index: its current version, or the one of a digest."""
    folder = version_folder(home, digest)
    return load_folder(folder, expect=Digest(folder.name))


@contextmanager
def changing(home: Path) -> Iterator[None]:
    """The right to change an index; others wait. What a killed change left behind is removed."""
    make_folder(home)
    with alone(home / _LOCK):
        for left in home.glob(f"{_MAKING}*"):
            shutil.rmtree(left)
        yield


def adopt(home: Path, digest: Digest, fetch: Callable[[Path], object]) -> None:
    """Let `fetch` bring a version that is kept elsewhere to its place, a folder that is not there yet, and make it the
    current one.
    """
    with changing(home):
        make_folder(home / _VERSIONS)
        fetch(home / _VERSIONS / digest)
        atomic_write(home / _CURRENT, digest.encode() + b"\n")


def publish(home: Path, write: Callable[[Path], Digest]) -> Digest:
    """Let `write` fill a new folder and make it the current version. Under `changing` only."""
    making = Path(mkdtemp(prefix=_MAKING, dir=home))
    try:
        digest = write(making)
        sync_tree(making)
        make_folder(home / _VERSIONS)
        into = home / _VERSIONS / digest
        if not into.exists():
            making.chmod(0o755)
            making.rename(into)
            sync_folder(into.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    atomic_write(home / _CURRENT, digest.encode() + b"\n")
    return digest


def prune(home: Path) -> int:
    """Remove every version but the current one; returns how many. Under `changing` only."""
    keep = current(home)
    others = [each for each in (home / _VERSIONS).iterdir() if each.name != keep]
    for each in others:
        shutil.rmtree(each)
    return len(others)
