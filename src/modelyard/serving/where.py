"""Where in a body the decoder stopped, to the name of the field."""

import json
import re
from math import isinf
from typing import Any

_UNNAMED = "[...]"
"""What the decoder says for a value behind any name."""

_STEPS = re.compile(r"\.(\w+)|\[(\d+)\]")
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
