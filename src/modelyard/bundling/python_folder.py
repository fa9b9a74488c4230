"""Models that are code: a Python file, a folder with `model.py`, or an MLflow model with a class in it.

None of it runs in the process that builds the bundle: it is asked in a worker process, as it will be served.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.inference import (
    ARCHIVE_FILE,
    PYTHON_FILE,
    RUNTIMES,
    SOURCE_MODULE,
    IsolationLimits,
    PythonModel,
    Runtime,
    Signature,
    Task,
)

_LEFT_OUT = ("__pycache__", ".git", ".ipynb_checkpoints")


class PythonFolder:
    """Code, packed. `kind`: `source` has `load(folder)` in `model.py`; `pyfunc` is a folder that MLflow wrote."""

    def __init__(
        self, kind: Literal["source", "pyfunc"], archive: bytes, limits: IsolationLimits | None = None
    ) -> None:
        self.kind: Literal["source", "pyfunc"] = kind
        self.archive = archive
        self._limits = limits or IsolationLimits()
        self._asked: Runtime | None = None

    def files(self, signature: Signature, task: Task) -> dict[str, bytes]:
        """The files of its bundle."""
        told = PythonModel(self.kind, task, signature.fields)
        return {PYTHON_FILE: msgspec.json.encode(told), ARCHIVE_FILE: self.archive}

    def ask(self, matrix: NDArray[np.float64], signature: Signature, task: Task) -> Any:
        """Its answers, from a worker process that is started once and ends with this object."""
        if self._asked is None:
            self._place = TemporaryDirectory()  # kept: a worker that crashes is started from it again
            folder = Path(self._place.name)
            for name, data in self.files(signature, task).items():
                (folder / name).write_bytes(data)
            self._asked = RUNTIMES["python"](folder, self._limits)
        return self._asked.scores(matrix)

    def close(self) -> None:
        """End that process."""
        if self._asked is not None:
            self._asked.close()
            self._place.cleanup()
            self._asked = None


def pack_source(path: Path) -> PythonFolder:
    """A Python file as `model.py`, or a folder that has one, with all that stands in it."""
    if path.is_file():
        return PythonFolder("source", _packed({SOURCE_MODULE: path.read_bytes()}))
    return PythonFolder("source", _packed(dict(_files(path))))


def pack_pyfunc(path: Path) -> PythonFolder:
    """A folder that MLflow wrote."""
    return PythonFolder("pyfunc", _packed(dict(_files(path))))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for each in sorted(folder.rglob("*")):
        place = each.relative_to(folder)
        if each.is_file() and not set(_LEFT_OUT) & set(place.parts):
            yield place.as_posix(), each.read_bytes()


def _packed(files: dict[str, bytes]) -> bytes:
    """An archive that is the same for the same files: without times."""
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = ZipInfo(name)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, ZIP_DEFLATED)
    return made.getvalue()
