"""Durations as people write them: `90s`, `10m`, `7d`, `1h30m`; and as ISO 8601 (`PT1H`)."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidationError

from .errors import InvalidInput

_UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds in each unit, from the longest."""

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|w|d|h|m|s)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_ISO = TypeAdapter(timedelta)
_SPELLINGS = "such as 90s, 10m, 7d or 1h30m (w d h m s ms)"


def parse_duration(text: str) -> timedelta:
    """A duration longer than nothing, from `1h30m` or ISO 8601; InvalidInput for anything else.

    A number without a unit is refused: nobody can tell whether 30 is seconds or minutes.
    """
    written = text.strip().lower()
    if _WHOLE.fullmatch(written):
        milliseconds = sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(written))
        duration = timedelta(milliseconds=milliseconds)
    elif written.startswith("p"):
        duration = _from_iso(text.strip())
    else:
        raise _not_a_duration(text)
    if duration <= timedelta(0):
        raise _not_a_duration(text)
    return duration


def format_duration(duration: timedelta) -> str:
    """A spelling that `parse_duration` reads back, exact to the millisecond: in days and less, as people count."""
    rest = round(duration / timedelta(milliseconds=1))
    parts = []
    for unit, size in list(_UNITS.items())[1:]:
        if amount := rest // size:
            parts.append(f"{amount}{unit}")
        rest %= size
    return "".join(parts) or "0s"


def _from_iso(text: str) -> timedelta:
    try:
        return _ISO.validate_python(text)
    except ValidationError as error:
        raise _not_a_duration(text) from error


def _not_a_duration(value: object) -> InvalidInput:
    return InvalidInput(f"{value!r} is no duration.", code="NOT_A_DURATION", remedy=f"Write one {_SPELLINGS}.")


def _as_duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    try:
        return parse_duration(value) if isinstance(value, str) else _refuse(value)
    except InvalidInput:
        raise ValueError(f"write a duration {_SPELLINGS}") from None


def _refuse(value: object) -> timedelta:
    raise _not_a_duration(value)


Duration = Annotated[timedelta, BeforeValidator(_as_duration), PlainSerializer(format_duration)]
"""A duration in a settings model."""
