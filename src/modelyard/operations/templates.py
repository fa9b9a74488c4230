"""New projects: the templates that `init` writes."""

import shutil
from pathlib import Path

from modelyard.core import Conflict, NotFound, did_you_mean
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
    shutil.copytree(home / name, folder, dirs_exist_ok=True, ignore=_LEFT_OUT)
    return sorted(path.relative_to(home / name).as_posix() for path in (home / name).rglob("*.*") if path.is_file())
