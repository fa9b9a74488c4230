"""The Python files of a user's project: functions that make tables or name their versions, and what they import."""

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from modelyard.core import did_you_mean, digest_of

from .errors import UnreadableData

_PREFIX = "modelyard_project_"


def load_function(reference: str, folder: Path) -> Callable[..., Any]:
    """The function of `file.py:function`, the file relative to the project's folder."""
    file, _, name = reference.partition(":")
    module = load_module(folder / file)
    found = getattr(module, name, None)
    if not callable(found):
        raise UnreadableData(
            f"{file} has no function '{name}'.",
            context={"source": reference},
            remedy=did_you_mean(name, [each for each in vars(module) if not each.startswith("_")]),
        )
    function: Callable[..., Any] = found
    return function


def load_module(path: Path) -> ModuleType:
    """Run a file of the user's project as a module of its own; its neighbours can be imported by their names.

    UnreadableData names the file, and the line when its code fails.
    """
    path = path.absolute()  # as the import system has it: neighbours and lines are found by it
    name = _module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    known = _neighbours_loaded(path.parent)
    sys.modules.update(known)
    before = set(sys.modules.copy())
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UnreadableData(f"There is no Python file {path}.", remedy="Correct the path in modelyard.yaml.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code may raise anything, and must not end this process
        del sys.modules[name]
        line = _line_in(error, path)
        raise UnreadableData(
            f"{path}{line} failed: {type(error).__name__}: {error}.", context={"file": str(path)}
        ) from error
    finally:
        sys.path.remove(str(path.parent))
        for short in known:
            sys.modules.pop(short, None)
        _rename_neighbours(path.parent, before)
    return module


def _module_name(path: Path) -> str:
    """The same in every process, so that what is pickled in one is found in another."""
    return f"{_PREFIX}{digest_of(str(path.resolve()).encode())[:16]}_{path.stem}"


def _neighbours_loaded(folder: Path) -> dict[str, ModuleType]:
    """Modules of a folder that were loaded before, by the names they import each other by: each runs only once."""
    found = {}
    for name, module in sys.modules.copy().items():
        file = getattr(module, "__file__", None) if name.startswith(_PREFIX) else None
        if file is not None and Path(file).parent == folder and Path(file).stem not in sys.modules:
            found[Path(file).stem] = module
    return found


def _rename_neighbours(folder: Path, before: set[str]) -> None:
    """Neighbours were imported by short names, which another project may use for files of its own."""
    for name in set(sys.modules.copy()) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).parent == folder and "." not in name and not name.startswith(_PREFIX):
            sys.modules[_module_name(Path(file))] = sys.modules.pop(name)


def _line_in(error: BaseException, path: Path) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
