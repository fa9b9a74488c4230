"""Names of a project's functions and classes: `training.py:load`, relative to the project, or `package.module:load`."""

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import FunctionType
from typing import Any

from modelyard.data import load_module

from ..errors import CodeChanged


@dataclass(frozen=True)
class ProjectNames:
    """Names code of the project in `folder`; implements `artifacts.SharedNames`."""

    folder: Path

    def name_of(self, value: Any) -> str | None:
        """The name of a function or class that stands in a file of the project; None for all others."""
        file = self.file_of(value)
        qualified = getattr(value, "__qualname__", "<")
        if file is None or "<" in qualified:
            return None
        name = f"{file}:{qualified}"
        return name if _leads_to(self._search(name), value) else None

    def reference(self, function: Any) -> str | None:
        """The name by which another process finds a function; None when only this one has it.

        That is so in notebooks, in `__main__`, and inside other functions.
        """
        if (name := self.name_of(function)) is not None:
            return name
        module, qualified = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
        if module in (None, "__main__") or "<" in qualified or module not in sys.modules:
            return None
        if module.startswith("modelyard_project_") or sys.modules[module].__spec__ is None:
            return None
        name = f"{module}:{qualified}"
        return name if _leads_to(self._search(name), function) else None

    def find(self, name: str) -> Any:
        """The function or class of a name; a step's function, not the step. CodeChanged when it is there no more."""
        found = self._search(name)
        if found is None:
            raise CodeChanged(
                f"There is no {name} in {self.folder} any more.",
                context={"name": name, "folder": str(self.folder)},
                remedy="Undo the change, or run the pipeline anew.",
            )
        return getattr(found, "function", found)

    def file_of(self, value: Any) -> str | None:
        """The file of the project that defines a function, class or module, relative to it; None when elsewhere."""
        written = _file(value)
        return None if written is None else place_in(self.folder, written)

    def _search(self, name: str) -> Any:
        place, _, qualified = name.partition(":")
        found: Any = self._module(place)
        for part in qualified.split("."):
            found = getattr(found, part, None)
        return found

    def _module(self, place: str) -> Any:
        """A file below the project, or an installed module; None for what is neither, or not there."""
        if place.endswith(".py"):
            path = PurePosixPath(place)
            return None if path.is_absolute() or ".." in path.parts else load_module(self.folder / path)
        if not all(part.isidentifier() for part in place.split(".")):
            return None
        try:
            return import_module(place)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{place}.".startswith(f"{error.name}."):
                return None
            raise


def place_in(folder: Path, file: str) -> str | None:
    """A file's place in a project; None when it is elsewhere, hidden, or of an installed package."""
    root = f"{folder}{os.sep}"
    if not file.startswith(root):
        return None
    parts = Path(file.removeprefix(root)).parts
    return None if any(part.startswith(".") or part == "site-packages" for part in parts) else "/".join(parts)


def _leads_to(found: Any, value: Any) -> bool:
    return found is value or getattr(found, "function", None) is value


def _file(value: Any) -> str | None:
    """The file of a value's module; modules of the project may have lost their names by now."""
    if isinstance(value, FunctionType):
        found = value.__globals__.get("__file__")
    elif isinstance(value, type):
        found = _file_of_class(value)
    else:
        found = getattr(value, "__file__", None)
    return os.path.abspath(found) if isinstance(found, str) else None  # noqa: PTH100 - as quick as it gets: asked of each name


def _file_of_class(kind: type) -> str | None:
    module = sys.modules.get(kind.__module__)
    if module is not None:
        return getattr(module, "__file__", None)
    for member in vars(kind).values():
        if isinstance(member, FunctionType):
            return member.__globals__.get("__file__")
    return next(
        (
            file
            for name, each in list(sys.modules.items())
            if name.startswith("modelyard_project_") and vars(each).get(kind.__name__) is kind
            for file in [each.__file__]
        ),
        None,
    )
