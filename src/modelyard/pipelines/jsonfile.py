"""Reading a JSON file strictly, and noting what is wrong with its keys and values instead of stopping at the first."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.core import did_you_mean

from .description import Flaw
from .errors import InvalidPipeline

_LARGEST = 10_000_000
_DEEPEST = 32


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. InvalidPipeline when there is none that can be read, with line and column."""
    try:
        text = _text(path)
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _unusable(path, f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    except RecursionError as error:
        raise _unusable(path, "it is nested too deep") from error
    except ValueError as error:
        raise _unusable(path, str(error)[:200]) from error
    if not isinstance(found, dict):
        raise _unusable(path, f"it holds a {type(found).__name__}, not an object")
    if _depth(found) > _DEEPEST:
        raise _unusable(path, f"it is nested deeper than {_DEEPEST} levels")
    return found


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST} bytes")
    return data.decode("utf-8-sig")


def _unusable(path: Path, why: str) -> InvalidPipeline:
    return InvalidPipeline(
        f"{path} is not a pipeline's file: {why}.",
        context={"file": str(path)},
        remedy='Write {"name": …, "stages": [{"name": …, "type": "data"}, …]}, or export one.',
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
        raise ValueError(f"the key {shown(twice)} is written twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level, depth = [each for part in inner for each in part], depth + 1
    return depth


def shown(value: object) -> str:
    """A value for a message, short however long it is."""
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


@dataclass
class Notes:
    """The flaws found so far."""

    flaws: list[Flaw] = field(default_factory=list)

    def note(self, code: str, step: str | None, message: str, remedy: str = "") -> None:
        """One more."""
        self.flaws.append(Flaw(code, step, message, remedy))

    def keys(self, step: str | None, where: str, given: Mapping[str, Any], known: Collection[str]) -> None:
        """Note every key that means nothing."""
        for name in given:
            if name not in known:
                self.note("UNKNOWN_KEY", step, f"{where} has an unknown key {shown(name)}.", did_you_mean(name, known))

    def invalid(self, step: str | None, where: str, value: object, expected: str) -> None:
        """Note a value of the wrong sort."""
        self.note("INVALID_VALUE", step, f"{where} is {shown(value)}, not {expected}.", f"Write {expected}.")

    def text(self, step: str | None, where: str, given: Mapping[str, Any], key: str) -> str | None:
        """The text under a key; None, and a note, when it is missing or none that can be a name."""
        if key not in given:
            self.note("MISSING_KEY", step, f"{where} has no '{key}'.", f'Write "{key}".')
            return None
        value = given[key]
        if isinstance(value, str) and value.strip() and len(value) <= 128 and value.isprintable():
            return value
        self.invalid(step, f"'{key}' of {where}", value, "a text of 1 to 128 characters")
        return None

    def texts(self, step: str | None, where: str, given: Mapping[str, Any], key: str) -> tuple[str, ...]:
        """The list of texts under a key; what is none is noted and left out."""
        value = given.get(key, [])
        if not isinstance(value, list):
            self.invalid(step, f"'{key}' of {where}", value, "a list of texts")
            return ()
        found = [each for each in value if isinstance(each, str) and 0 < len(each) <= 128 and each.isprintable()]
        for each in value:
            if each not in found:
                self.invalid(step, f"An element of '{key}' of {where}", each, "a text of 1 to 128 characters")
        return tuple(found)
