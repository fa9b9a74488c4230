"""Python as people would write it: calls on one line where they fit, else an argument a line; names for definitions."""

import keyword
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

_WIDTH = 120
_TAKEN = {"my", "timedelta"}


class Code(str):
    """Text that is Python already."""

    __slots__ = ()


class Names:
    """Variables, none of them twice."""

    def __init__(self) -> None:
        self._taken = set(_TAKEN)

    def of(self, name: str, kind: str) -> str:
        """A variable for a definition: its name where that is free, else with its kind behind."""
        plain = re.sub(r"\W", "_", name).strip("_").lower() or kind
        plain = f"{kind}_{plain}" if plain[0].isdigit() or keyword.iskeyword(plain) else plain
        tries = [plain, f"{plain}_{kind}", *(f"{plain}_{kind}_{at}" for at in range(2, 10_000))]
        free = next(each for each in tries if each not in self._taken)
        self._taken.add(free)
        return free


def call(name: str, /, *given: object, **named: object) -> Code:
    """A call; named arguments that are empty are left out."""
    arguments = [written(each) for each in given]
    arguments += [f"{key}={written(each)}" for key, each in named.items() if not _is_empty(each)]
    return _laid_out(f"{name}(", arguments, ")")


def written(value: object) -> str:
    """A value as Python."""
    if isinstance(value, Code):
        return value
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, Mapping):
        pairs = [f"{written(key)}: {written(each)}" for key, each in value.items()]
        return _laid_out("{", pairs, "}")
    if isinstance(value, list | tuple):
        return _laid_out("[", [written(each) for each in value], "]")
    return repr(value)


def _laid_out(start: str, parts: Iterable[str], end: str) -> Code:
    """On one line where that is not long, else a part a line."""
    listed = list(parts)
    line = f"{start}{', '.join(listed)}{end}"
    if len(line) <= _WIDTH - 40 and "\n" not in line:
        return Code(line)
    inside = "".join(f"    {each.replace(chr(10), chr(10) + '    ')},\n" for each in listed)
    return Code(f"{start}\n{inside}{end}")


def _quoted(text: str) -> str:
    plain = repr(text)
    return plain if '"' in text or plain[0] == '"' else f'"{plain[1:-1]}"'.replace("\\'", "'")


def _duration(value: timedelta) -> str:
    """In the largest unit that is exact."""
    for unit in ("days", "hours", "minutes", "seconds", "milliseconds", "microseconds"):
        count, rest = divmod(value, timedelta(**{unit: 1}))
        if not rest:
            return f"timedelta({unit}={count})"
    raise AssertionError("every duration is a number of microseconds")  # pragma: no cover


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list | tuple | Mapping) and not value)
