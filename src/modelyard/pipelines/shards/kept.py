"""What a data-parallel step has got done, on disk, so that one that was cut off goes on where it was."""

import hashlib
from pathlib import Path

from modelyard.core import atomic_write


class Kept:
    """Answers by key, in a folder. Survives `kill -9`; what a power cut damaged is as if it had never been."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def read(self, key: str) -> bytes | None:
        """The answer under a key; None without one."""
        if self._folder is None:
            return None
        try:
            digest, _, data = self._path(self._folder, key).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        return data if digest == _digest(data) else None

    def write(self, key: str, data: bytes) -> None:
        """Keep an answer, instead of an earlier one."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic_write(self._path(self._folder, key), _digest(data) + b"\n" + data, durable=False)

    def _path(self, folder: Path, key: str) -> Path:
        return folder / f"{key[:40]}.pickle"


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
