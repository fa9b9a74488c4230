"""Files of a project that changed since this process loaded them."""

import sys
from pathlib import Path
from types import ModuleType

from modelyard.core import canonical_json, digest_of

from .names import place_in

_Stamp = tuple[int, int]
_SEEN: dict[str, _Stamp] = {}
"""Time of change and size of the file of each module, when it was first looked at."""


def forget_changed(folder: Path) -> None:
    """Forget the modules of a project, if a file of any changed: the next use loads them anew."""
    modules = _modules(folder)
    if any(_SEEN.get(name, stamp) != stamp for name, stamp in modules.items()):
        for name in modules:
            _SEEN.pop(name, None)
            _forget_compiled(sys.modules.pop(name))


def _forget_compiled(module: ModuleType) -> None:
    """Python tells what it compiled from another text by its second and its size: two quick changes look like one."""
    compiled = getattr(module, "__cached__", None)
    if compiled:
        Path(compiled).unlink(missing_ok=True)


def generation_of(folder: Path) -> str:
    """A name for the state of the project's loaded files; call it when they have just been loaded."""
    modules = _modules(folder)
    for name, stamp in modules.items():
        _SEEN.setdefault(name, stamp)
    files = sorted((str(sys.modules[name].__file__), *stamp) for name, stamp in modules.items())
    return digest_of(canonical_json([list(each) for each in files]))[:16]


def mentions(folder: Path, word: str) -> bool:
    """Whether any loaded file of a project contains a word."""
    files = (Path(str(sys.modules[name].__file__)) for name in _modules(folder))
    return any(word in file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())


def _modules(folder: Path) -> dict[str, _Stamp]:
    found = {}
    for name, module in sys.modules.copy().items():  # at once: other threads import
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and place_in(folder, file) is not None:
            found[name] = _stamp(Path(file))
    return found


def _stamp(file: Path) -> _Stamp:
    try:
        at = file.stat()
    except FileNotFoundError:
        return 0, 0
    return at.st_mtime_ns, at.st_size
