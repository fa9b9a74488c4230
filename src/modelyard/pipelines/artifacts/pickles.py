"""Pickles whose bytes depend on the object alone: a fixed protocol, and names of the project's own code by its files.

Modules of a project are loaded under names that differ between folders and processes, so its classes and functions are
written as file and name, relative to the project. Sets come in the hash order of the process: workers fix that.
"""

import pickle
from io import BytesIO
from types import FunctionType
from typing import Any, Protocol

from ..errors import UnstorableResult

_PROTOCOL = 5


class SharedNames(Protocol):
    """Names of the project's own code that every process understands."""

    def name_of(self, value: Any) -> str | None:
        """The name of a class or function of the project, None for all others."""

    def find(self, name: str) -> Any:
        """The class or function of a name."""


def dumps(value: Any, names: SharedNames) -> bytes:
    """The pickle of a value; UnstorableResult when it has none."""
    stream = BytesIO()
    try:
        _Pickler(stream, names).dump(value)
    except Exception as error:  # pickling runs methods of the user's classes, which may raise anything
        raise UnstorableResult(
            f"A value of type {type(value).__qualname__} cannot be kept: {type(error).__name__}: {str(error)[:500]}.",
            remedy="Return data, or an object that pickle can write; open connections and lambdas cannot go on.",
        ) from error
    return stream.getvalue()


def loads(data: bytes, names: SharedNames) -> Any:
    """The value of a pickle that a step of this project wrote."""
    return _Unpickler(BytesIO(data), names).load()


class _Pickler(pickle.Pickler):
    def __init__(self, stream: BytesIO, names: SharedNames) -> None:
        super().__init__(stream, _PROTOCOL)
        self._names = names

    def reducer_override(self, value: Any) -> Any:
        """Classes and functions of the project by file and name; everything else as always."""
        if not isinstance(value, type | FunctionType):
            return NotImplemented
        name = self._names.name_of(value)
        return NotImplemented if name is None else (_project_name, (name,))


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BytesIO, names: SharedNames) -> None:
        super().__init__(stream)
        self._names = names

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name == _project_name.__name__:
            return self._names.find
        return super().find_class(module, name)


def _project_name(name: str) -> Any:
    """Stands in pickles for `SharedNames.find`."""
    raise RuntimeError(f"{name} was read without the project it belongs to")
