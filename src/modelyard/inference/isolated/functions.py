"""Functions of on-demand features, in a worker process: the code of a folder, called by name, and checked."""

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np

from modelyard.core import Scalar, did_you_mean, shown

from .wire import LONGEST_TEXT, Columns, FunctionAnswer, FunctionCall

CODE_FILES = "transform-*.py"
"""The files of code in a folder."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EXACT, _INT64 = 2**53, 2**63
_CALLED = {"number": "float64", "whole": "int64", "text": "string", "truth": "bool", "instant": "timestamp[us]"}

Function = Callable[[Any], Any]


def load_functions(folder: Path) -> Callable[[bytes], bytes]:
    """Run the files of code, and answer each `FunctionCall` with a `FunctionAnswer`; both are MessagePack."""
    modules = {file.name: _module(file) for file in sorted(folder.glob(CODE_FILES))}
    functions: dict[tuple[str, str], Function] = {}
    decoder, encoder = msgspec.msgpack.Decoder(FunctionCall), msgspec.msgpack.Encoder()

    def call(asked: bytes) -> bytes:
        given = decoder.decode(asked)
        key = (given.file, given.function)
        if key not in functions:
            functions[key] = _function(modules[given.file], given.function)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # a server's log is no place for them
            return encoder.encode(_CALLS[given.mode](functions[key], given))

    return call


def _module(file: Path) -> ModuleType:
    """A file run as a module; nothing is written beside it, for a bundle is what was built and no more."""
    module = ModuleType(file.stem.replace("-", "_"))
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    exec(compile(file.read_bytes(), str(file), "exec"), vars(module))  # noqa: S102 - what this process is for
    return module


def _function(module: ModuleType, name: str) -> Function:
    """A function by its name, also where a decorator has made a view of it."""
    found = getattr(module, name, None)
    function = getattr(found, "function", found)
    if callable(function):
        result: Function = function
        return result
    raise LookupError(f"there is no function '{name}' when its file is run by itself")


def _by_row(function: Function, given: FunctionCall) -> FunctionAnswer:
    """A function that takes a dict and gives one, row by row."""
    names = [name for name, _ in given.takes]
    columns: Columns = [[] for _ in given.gives]
    errors: dict[int, str] = {}
    for at, row in enumerate(zip(*_inputs(given), strict=True) if names else [()] * given.rows):
        try:
            values = _row(function(dict(zip(names, row, strict=True))), given.gives)
        except (Exception, SystemExit) as error:  # whatever it raises is the row's failure
            errors[at], values = _told(error), [None] * len(columns)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return FunctionAnswer(columns, errors)


def _by_column(function: Function, given: FunctionCall) -> FunctionAnswer:
    """A function that takes a dict of lists and gives one of columns."""
    inputs = dict(zip([name for name, _ in given.takes], _inputs(given), strict=True))
    return _whole(function, given, lambda start, end: {name: each[start:end] for name, each in inputs.items()})


def _by_frame(function: Function, given: FunctionCall) -> FunctionAnswer:
    """A function that takes a pandas DataFrame and gives one."""
    frame = _frame(given)
    return _whole(function, given, lambda start, end: frame.iloc[start:end].reset_index(drop=True))


_CALLS: Mapping[str, Callable[[Function, FunctionCall], FunctionAnswer]] = {
    "row": _by_row,
    "columns": _by_column,
    "pandas": _by_frame,
}
"""How a function is called, by its mode."""


def _whole(function: Function, given: FunctionCall, part: Callable[[int, int], Any]) -> FunctionAnswer:
    """All rows at once; where that raises, each by itself."""
    try:
        return _columns(function(part(0, given.rows)), given.gives, given.rows)
    except (Exception, SystemExit) as error:  # whatever it raises is the rows' failure
        if given.rows == 1:
            return FunctionAnswer([[None] for _ in given.gives], {0: _told(error)})
    columns: Columns = [[] for _ in given.gives]
    errors: dict[int, str] = {}
    for at in range(given.rows):
        try:
            one = _columns(function(part(at, at + 1)), given.gives, 1)
        except (Exception, SystemExit) as error:
            one = FunctionAnswer([[None] for _ in given.gives], {0: _told(error)})
        if one.errors:
            errors[at] = one.errors[0]
        for column, (value,) in zip(columns, one.columns, strict=True):
            column.append(value)
    return FunctionAnswer(columns, errors)


def _inputs(given: FunctionCall) -> Iterator[Sequence[Any]]:
    """Columns as a function gets them: times as datetimes."""
    for (_, kind), column in zip(given.takes, given.columns, strict=True):
        yield [None if each is None else _datetime(each) for each in column] if kind == "instant" else column


def _datetime(micros: Any) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _frame(given: FunctionCall) -> Any:
    """Columns as pandas has them: numbers as float64 with NaN, flags as `boolean`, times in UTC, texts as objects."""
    pd = import_module("pandas")
    kinds = {"number": "float64", "whole": "float64", "truth": "boolean", "text": "object"}
    columns = {}
    for (name, kind), column in zip(given.takes, given.columns, strict=True):
        if kind == "instant":
            columns[name] = pd.to_datetime(pd.Series(column, dtype="Int64"), unit="us", utc=True)
        else:
            columns[name] = pd.Series(column, dtype=kinds[kind])
    return pd.DataFrame(columns, index=range(given.rows))


def _row(made: Any, gives: Sequence[tuple[str, str]]) -> list[Scalar]:
    """The declared values of what a function gave. ValueError for anything that is not as declared."""
    if not isinstance(made, Mapping):
        raise _Wrong(f"it gave {made!r:.100}, and not a dict of {', '.join(name for name, _ in gives)}"[:300])
    if len(made) != len(gives):
        _check_names(list(made), gives)
    try:
        return [_value(made[name], name, kind) for name, kind in gives]
    except KeyError:
        _check_names(list(made), gives)
        raise


def _columns(made: Any, gives: Sequence[tuple[str, str]], rows: int) -> FunctionAnswer:
    _check_names(list(made), gives)
    columns: Columns = []
    errors: dict[int, str] = {}
    for name, kind in gives:
        found = made[name]
        values = found.tolist() if hasattr(found, "tolist") else list(found)
        if len(values) != rows:
            raise _Wrong(f"it gave {len(values)} values of '{name}' for {rows} rows")
        columns.append([_tried(value, name, kind, at, errors) for at, value in enumerate(values)])
    return FunctionAnswer(columns, errors)


def _tried(value: Any, name: str, kind: str, at: int, errors: dict[int, str]) -> Scalar:
    try:
        return _value(value, name, kind)
    except _Wrong as error:
        errors.setdefault(at, _told(error))
        return None


def _check_names(made: Sequence[Any], gives: Sequence[tuple[str, str]]) -> None:
    names = [name for name, _ in gives]
    if missing := [name for name in names if name not in made]:
        gave = ", ".join(shown(str(each)) for each in made[:8]) or "nothing"
        raise _Wrong(f"it gave no '{missing[0]}', which is declared; it gave {gave}")
    if strange := [each for each in made if each not in names]:
        raise _Wrong(f"it gave {shown(str(strange[0]))}, which is not declared. {did_you_mean(str(strange[0]), names)}")


class _Wrong(ValueError):
    """What a function gave is not what was declared."""


def _value(value: Any, name: str, kind: str) -> Scalar:
    """A value as it travels; None for what is missing: None, NaN, infinities, and pandas' own."""
    if type(value) is float and kind == "number":
        return value if value - value == 0 else None
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    plain = _TURNED[kind](value)
    if plain is None:
        raise _Wrong(f"it gave {value!r:.60} for '{name}', which is declared {_CALLED[kind]}")
    return plain


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isinstance(value, float) or abs(value) <= _EXACT else None


def _whole_number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        return None
    return int(value) if -_INT64 <= value < _INT64 else None


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str) else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _instant(value: Any) -> int | None:
    if not isinstance(value, datetime):
        return None
    return ((value if value.tzinfo is not None else value.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


_TURNED: Mapping[str, Callable[[Any], Scalar]] = {
    "number": _number,
    "whole": _whole_number,
    "text": _text,
    "truth": _truth,
    "instant": _instant,
}
"""What becomes of a value, by the kind that is declared; None where it is not of that kind."""


def _told(error: BaseException) -> str:
    if isinstance(error, _Wrong):
        return str(error)[:LONGEST_TEXT]
    return f"it raised {type(error).__name__}: {' '.join(str(error).split())}"[:300].rstrip(": ")
