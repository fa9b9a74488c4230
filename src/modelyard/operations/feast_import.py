"""Importing Feast's definitions: from a repository to a module, with what could not be carried over."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.core import Conflict, atomic_write
from modelyard.features.importing import described_repository, imported


@dataclass(frozen=True)
class WantedImport:
    """Which repository, read by which interpreter, and the module to write (None: only told)."""

    repository: Path
    output: Path | None = None
    python: Path | None = None
    force: bool = False


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise Conflict(f"{file} exists already.", code="FILE_EXISTS", remedy="Choose another name, or add --force.")


def import_feast(wanted: WantedImport) -> dict[str, Any]:
    """The definitions as a `module` of Python, with `files` of functions beside it, and `counts` by kind.

    The `report` has what could not be carried over. Conflict when a file is there already; see `described_repository`
    for what else can be wrong.
    """
    output = wanted.output
    if output is not None and not wanted.force:
        _refuse_existing(output)
    found = described_repository(wanted.repository, wanted.python)
    folder, stem = (Path(), "") if output is None else (output.parent, output.stem)
    made = imported(found, wanted.repository, folder, stem)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        for name, text in made.files.items():
            if not wanted.force:
                _refuse_existing(folder / name)
            atomic_write(folder / name, text.encode())
        atomic_write(output, made.module.encode())
    files = [str(folder / name) for name in made.files]
    return {"files": files, "output": None if output is None else str(output), **made.as_json(), "module": made.module}
