"""Where machine code is kept: a folder that only this user can write to, for whoever can write there runs code."""

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_DIGEST = 32
_LARGEST = 1 << 22


def folder() -> Path | None:
    """This user's folder for compiled code, made if need be; None where there is none that is this user's alone."""
    try:
        place = _user_cache() / "modelyard" / "compiled"
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        return place if _private(place) else None
    except (OSError, RuntimeError):  # no home, or one that cannot be written to
        return None


def kept(name: str) -> bytes | None:
    """Code that was kept under a name; None when there is none, it is damaged, or others can write to it."""
    place = folder()
    if place is None:
        return None
    try:
        if not _private(place / name):
            return None
        data = (place / name).read_bytes()
    except OSError:
        return None
    digest, code = data[:_DIGEST], data[_DIGEST:]
    return code if hashlib.sha256(code).digest() == digest else None


def keep(name: str, code: bytes) -> None:
    """Keep code under a name, all of it or nothing; where that is impossible it is not kept."""
    place = folder()
    if place is None or len(code) > _LARGEST:
        return
    with suppress(OSError):
        handle, path = tempfile.mkstemp(dir=place)  # of mode 600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            Path(path).replace(place / name)
        except OSError:
            Path(path).unlink(missing_ok=True)
            raise


@contextmanager
def turn() -> Iterator[None]:
    """One process of this user at a time, where the operating system can tell; they all go at once where it cannot."""
    place = folder()
    if place is None or sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 - Windows has none

    with ExitStack() as held:
        with suppress(OSError):  # a folder that can only be read: nothing is kept there either
            fcntl.flock(held.enter_context((place / "lock").open("w")), fcntl.LOCK_EX)
        yield


def _user_cache() -> Path:
    """The user's cache directory by the convention of each system (XDG Base Directory Specification on Linux)."""
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"]) if "LOCALAPPDATA" in os.environ else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".cache"


def _private(path: Path) -> bool:
    """Whether a path is no link, this user's own, and nobody else can write to it."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return False
    if sys.platform == "win32":
        return True  # the folder is in the user's profile, whose permissions are not told by modes
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
