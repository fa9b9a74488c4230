"""Functions of on-demand views: the file that each is in, which is what travels; and running it elsewhere."""

import inspect
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeAlias
from weakref import WeakValueDictionary

import pyarrow as pa

from modelyard.core import Digest, InvalidInput, digest_of, shown
from modelyard.data import parse_type
from modelyard.features.errors import FunctionNotRunnable
from modelyard.inference import IsolatedModelFailed, IsolationLimits, Transforms
from modelyard.online import OutputKind

Function: TypeAlias = Callable[[Any], Any]
"""Takes a dict of values and gives one (`row`); or the same of lists (`columns`), or a DataFrame (`pandas`)."""

MODES = ("row", "columns", "pandas")

LIMITS = IsolationLimits(call_seconds=60.0)
"""What a function may use up where training asks for it; a server has limits of its own."""

_OUTPUTS: Mapping[str, OutputKind] = {"double": "number", "int64": "whole", "string": "text", "bool": "truth"}


@dataclass(frozen=True)
class Code:
    """A file of code as it was when its function was defined: all that travels with a bundle."""

    path: Path
    text: bytes
    function: str

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the text."""
        return digest_of(self.text)

    @property
    def file(self) -> str:
        """Its name in a bundle."""
        return f"transform-{self.digest[:12]}.py"


def code_of(function: object) -> Code:
    """The code of a function. InvalidInput says why one cannot travel."""
    inner = inspect.unwrap(function) if callable(function) else None
    if not inspect.isfunction(inner):
        raise InvalidInput(f"function is {shown(repr(function), 60)}, and is a plain function of Python.")
    name = inner.__name__
    if name == "<lambda>" or inner.__qualname__ != name:
        what = "a lambda" if name == "<lambda>" else f"{shown(inner.__qualname__, 60)}, which is made inside another"
        raise InvalidInput(f"function is {what}: only a function at the top of a file is found again by its name.")
    path = Path(inner.__code__.co_filename)
    try:
        return Code(path, path.read_bytes(), name)
    except OSError:
        raise InvalidInput(
            f"function '{name}' is in no file ({shown(str(path), 60)}), and its file is what travels: write it to one."
        ) from None


def output_kind(type_: object) -> OutputKind:
    """The kind of a declared output. InvalidInput for a type that functions do not give."""
    found = parse_type(str(type_))
    if pa.types.is_timestamp(found):
        return "instant"
    if str(found) not in _OUTPUTS:
        raise InvalidInput(f"{shown(str(type_), 40)}: functions give float64, int64, string, bool and timestamp[us].")
    return _OUTPUTS[str(found)]


class Running:
    """A file of code in a worker process, started when it is first needed; one for all views of the file."""

    _shared: ClassVar[WeakValueDictionary[tuple[Path, Digest], "Running"]] = WeakValueDictionary()

    @classmethod
    def of(cls, code: Code) -> "Running":
        """Where a file of code runs, or will."""
        return cls._shared.setdefault((code.path, code.digest), cls(code))

    def __init__(self, code: Code) -> None:
        self._code = code
        self._transforms: Transforms | None = None

    def transforms(self) -> Transforms:
        """The functions of the file. FunctionNotRunnable when it cannot be run by itself."""
        if self._transforms is None:
            folder = TemporaryDirectory(prefix="modelyard-code-", ignore_cleanup_errors=True)
            (Path(folder.name) / self._code.file).write_bytes(self._code.text)
            try:
                self._transforms = Transforms(Path(folder.name), LIMITS, hidden=self._code.path.absolute().parent)
            except IsolatedModelFailed as error:
                folder.cleanup()
                raise self._not_runnable(error) from error
            weakref.finalize(self._transforms, folder.cleanup)
        return self._transforms

    def _not_runnable(self, error: IsolatedModelFailed) -> FunctionNotRunnable:
        why = error.message.removeprefix("The function raised ").rstrip(".")
        return FunctionNotRunnable(
            f"{self._code.path.name}, which has the function '{self._code.function}' of on-demand features, cannot be "
            f"run by itself: {why}.",
            context={"file": str(self._code.path)},
            remedy="Only this file travels with a bundle: put all that the function needs into it, or into a package "
            "that is installed where it runs; best in a file apart from the definitions.",
        )
