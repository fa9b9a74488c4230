"""What a step's result depends on in the project's code: a digest of each function, class and constant it reaches.

Taken from the compiled code, so comments and line numbers do not count. Installed packages are not followed; name
those that matter in a step's `environment`.
"""

import builtins
import functools
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from modelyard.core import canonical_json, digest_of

from ..artifacts.pickles import dumps
from ..errors import UnstorableResult
from .names import ProjectNames


def fingerprint(function: Callable[..., Any], names: ProjectNames) -> dict[str, str]:
    """The digests of all project code that a function reaches, by `file.py:name`; its own always.

    Followed are names in the code of functions, attributes of the project's modules and classes, defaults, closures,
    and files imported inside functions. What is reached only through `getattr`, or as a method of an object that came
    as an argument, is not seen.
    """
    walk = _Walk(names)
    root = _unwrapped(function)
    if isinstance(root, FunctionType):
        walk.function(root, root=True)
    else:
        walk.value(type(root).__qualname__, root)
    return dict(sorted(walk.found.items()))


class _Walk:
    def __init__(self, names: ProjectNames) -> None:
        self._names = names
        self.found: dict[str, str] = {}
        self._seen: set[int] = set()

    def function(self, function: FunctionType, *, root: bool = False) -> None:
        file = self._names.file_of(function)
        if id(function) in self._seen or (file is None and not root):
            return
        self._seen.add(id(function))
        label = f"{file or function.__module__}:{function.__qualname__}"
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        constants = [self._constant(each) for each in defaults]
        self._note(label, canonical_json([_code(function.__code__), constants]))
        if file is None:
            return
        for name, value in self._reached(function):
            self.value(f"{file}:{name}", value)
        self._imported(function)

    def value(self, label: str, value: Any) -> None:
        """Follow what a name of the project's code stands for."""
        value = _unwrapped(value)
        if isinstance(value, FunctionType):
            self.function(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, ModuleType) or callable(value):
            return
        else:
            self._note(label, self._constant(value).encode())

    def _class(self, kind: type) -> None:
        file = self._names.file_of(kind)
        if id(kind) in self._seen or file is None:
            return
        self._seen.add(id(kind))
        self._note(f"{file}:{kind.__qualname__}", repr(sorted(vars(kind).keys() - _BY_PICKLE)).encode())
        for base in kind.__bases__:
            self._class(base)
        for name, wrapped in vars(kind).items():
            member = _unwrapped(wrapped)
            if isinstance(member, property):
                for part in (member.fget, member.fset, member.fdel):
                    self.value(name, part)
            elif not name.startswith("__") or isinstance(member, FunctionType):
                self.value(f"{file}:{kind.__qualname__}.{name}", member)

    def _reached(self, function: FunctionType) -> Iterator[tuple[str, Any]]:
        """What its code names: globals, attributes of the project's modules among these, and its closure."""
        named = list(_names_in(function.__code__))
        for name in named:
            if name not in function.__globals__:
                continue
            value = function.__globals__[name]
            if isinstance(value, ModuleType) and self._names.file_of(value) is not None:
                inside = [each for each in named if each in vars(value)]
                yield from ((f"{name}.{each}", vars(value)[each]) for each in inside)
            yield name, value
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                yield name, cell.cell_contents
            except ValueError:  # not bound yet
                continue

    def _imported(self, function: FunctionType) -> None:
        """Files beside it that it imports when called count whole."""
        folder = Path(function.__globals__.get("__file__", "")).parent
        for name in _names_in(function.__code__):
            file = folder / f"{name}.py"
            if name not in function.__globals__ and not hasattr(builtins, name) and file.is_file():
                self._note(f"{file.name}:*", file.read_bytes())

    def _constant(self, value: Any) -> str:
        """A digest of a value; of what cannot be pickled, its type."""
        if isinstance(value, FunctionType | type):
            self.value(value.__qualname__, value)
            return value.__qualname__
        if isinstance(value, frozenset | set):
            return digest_of(repr(sorted(map(self._constant, value))).encode())
        try:
            return digest_of(dumps(value, self._names))
        except (UnstorableResult, pickle.PicklingError):
            return f"{type(value).__module__}.{type(value).__qualname__}"

    def _note(self, label: str, content: bytes) -> None:
        self.found[label] = digest_of(content)[:16]


_BY_PICKLE = {"__slotnames__"}
"""What pickling an instance leaves in its class, which changes nothing of it."""


def _unwrapped(value: Any) -> Any:
    """The function in a step, a decorator, a partial, a static or class method."""
    if isinstance(value, functools.partial):
        return _unwrapped(value.func)
    if isinstance(value, staticmethod | classmethod):
        return _unwrapped(value.__func__)
    inner = getattr(value, "__dict__", {}) if not isinstance(value, FunctionType | type | ModuleType) else {}
    if isinstance(inner, Mapping) and isinstance(inner.get("function"), FunctionType):
        return inner["function"]
    wrapped = getattr(value, "__wrapped__", None) if not isinstance(value, FunctionType | ModuleType) else None
    return wrapped if isinstance(wrapped, FunctionType) else value


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _code(code: CodeType) -> list[Any]:
    """All of compiled code that tells what it does."""
    counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
    names = [list(each) for each in (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)]
    constants = [_code(each) if isinstance(each, CodeType) else _shown(each) for each in code.co_consts]
    return [code.co_name, code.co_code.hex(), code.co_exceptiontable.hex(), counts, names, constants]


def _shown(constant: Any) -> str:
    if isinstance(constant, frozenset):
        return f"frozenset{sorted(map(_shown, constant))}"
    if isinstance(constant, tuple):
        return f"({', '.join(map(_shown, constant))})"
    return f"{type(constant).__name__}:{constant!r}"
