"""New projects: the templates that `init` writes."""

import os
import shutil
from pathlib import Path

from modelyard.core import Conflict, InvalidInput, NotFound, did_you_mean
from modelyard.wiring import FILE_NAME

_INSTALLED = Path(__file__).with_name("templates")
_CHECKOUT = Path(__file__).parents[3] / "examples"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".modelyard", "rendered", "*.pyc")


def write_template(name: str, folder: Path) -> list[str]:
    """Write the project template of a name into a folder; returns the files. Never overwrites a project."""
    home = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    names = sorted(path.name for path in home.iterdir() if (path / FILE_NAME).is_file())
    if name not in names:
        raise NotFound(f"There is no template '{name}'.", code="NO_TEMPLATE", remedy=did_you_mean(name, names))
    if (folder / FILE_NAME).exists():
        raise Conflict(
            f"{folder / FILE_NAME} exists already.",
            code="PROJECT_EXISTS",
            remedy="Choose another folder, or work with this project: modelyard status.",
        )
    files = _files(home / name)
    if taken := [each for each in files if (folder / each).exists()]:
        raise Conflict(
            f"{folder} has files that the template would overwrite: {', '.join(taken)}.",
            code="FILES_EXIST",
            remedy="Choose another folder: modelyard init FOLDER.",
        )
    try:
        shutil.copytree(home / name, folder, dirs_exist_ok=True, ignore=_LEFT_OUT)
    except OSError as error:
        raise InvalidInput(f"Cannot write to {folder}: {error}.", remedy="Choose another folder.") from error
    return files


def _files(template: Path) -> list[str]:
    """The files of a template, as paths inside it, without what running it leaves behind."""
    found = []
    for here, folders, names in os.walk(template):
        left_out = _LEFT_OUT(here, [*folders, *names])
        folders[:] = [each for each in folders if each not in left_out]
        found += [(Path(here) / each).relative_to(template).as_posix() for each in names if each not in left_out]
    return sorted(found)
