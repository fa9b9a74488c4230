"""New projects: the templates that `init` writes."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from modelyard.core import Conflict, InvalidInput, NotFound, check_name, did_you_mean
from modelyard.wiring import FILE_NAME

_INSTALLED = Path(__file__).with_name("templates")
_CHECKOUT = Path(__file__).parents[3] / "examples"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".modelyard", "rendered", "*.pyc")


def write_template(name: str, folder: Path, *, project: str | None = None) -> list[str]:
    """Write the project template of a name into a folder; returns the files. Never overwrites a project.

    `project` is what the project is called instead of the template, when it may be called so.
    """
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
        if project is not None:
            _rename(folder / FILE_NAME, name, project)
    except OSError as error:
        raise InvalidInput(f"Cannot write to {folder}: {error}.", remedy="Choose another folder.") from error
    return files


def _rename(file: Path, template: str, project: str) -> None:
    with suppress(InvalidInput):  # a folder may have a name that no project can have; the template's then stays
        check_name("project", project)
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(f"\nproject: {template}\n", f"\nproject: {project}\n", 1), encoding="utf-8")


def _files(template: Path) -> list[str]:
    """The files of a template, as paths inside it, without what running it leaves behind."""
    found = []
    for here, folders, names in os.walk(template):
        left_out = _LEFT_OUT(here, [*folders, *names])
        folders[:] = [each for each in folders if each not in left_out]
        found += [(Path(here) / each).relative_to(template).as_posix() for each in names if each not in left_out]
    return sorted(found)
