"""Where in a body the decoder stopped, to the name of the field."""

import json
import re
from math import isinf
from typing import Any

_UNNAMED = "[...]"
"""What the decoder says for a value behind any name."""

_STEPS = re.compile(r"\.(\w+)|\[(\d+)\]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")
_LONGEST = 4300
"""Digits of a whole number, beyond which no reader takes it."""


def path_of(message: str, body: bytes) -> str:
    """The path in a message of msgspec's, such as `entities[0].customer`; empty when it names none.

    Where the decoder says no more than that some value of an object is wrong, the body is read again to find it: the
    first that is an object, or no number that there is, or else a list.
    """
    path = message.rpartition("`$")[2].rstrip("`").lstrip(".") if "`$" in message else ""
    if not path.endswith(_UNNAMED):
        return path
    path = path.removesuffix(_UNNAMED)
    name = _wrong_name(body, path)
    return path if name is None else f"{path}.{name}".lstrip(".")


def path_of_half_pair(body: bytes) -> str | None:
    """The path of the first text in which a surrogate stands alone, that is half of a character; None without one."""
    if _SURROGATE.search(body) is None:
        return None
    try:
        return _half_pair(json.loads(body), "")
    except (ValueError, RecursionError):
        return None


def _half_pair(value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return path if _HALF.search(value) else None
    if isinstance(value, dict):
        if any(_HALF.search(name) for name in value):
            return path
        inside = [(each, f"{path}.{name[:80]}".lstrip(".")) for name, each in value.items()]
    elif isinstance(value, list):
        inside = [(each, f"{path}[{at}]") for at, each in enumerate(value)]
    else:
        return None
    return next((found for each, at in inside if (found := _half_pair(each, at)) is not None), None)


def _wrong_name(body: bytes, path: str) -> str | None:
    try:
        found = json.loads(body, parse_int=_whole, parse_float=_float)
        for name, place in _STEPS.findall(f".{path}" if path[:1].isalpha() else path):
            found = found[name or int(place)]
        wrong = [name for kind in (dict, list) for name, value in found.items() if type(value) is kind]
    except (ValueError, LookupError, TypeError, AttributeError):  # it is cut off behind the place
        return None
    return wrong[0][:80] if wrong else None


def _whole(digits: str) -> Any:
    return {} if len(digits) > _LONGEST else int(digits)


def _float(digits: str) -> Any:
    return {} if isinf(number := float(digits)) else number
