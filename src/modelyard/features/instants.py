"""Times as instants: whole microseconds of UTC since 1970, whatever they are written as."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.core import shown

from .errors import InvalidDefinition

INSTANT = pa.timestamp("us", tz="UTC")
"""The type of every instant."""

_ZONED = r"(?:[Zz]|[+-]\d{2}:?\d{2}|[+-]\d{2})$"
_FINER = r"([.,]\d{6})\d+"
_OFFSET = re.compile(r"[+-]\d{2}:?\d{2}")


def as_instants(column: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    """A column of times as instants; `what` names it in errors, such as "column 'at' of view 'weather'".

    Naive times and dates (midnight) are UTC, aware ones are converted. Text is ISO 8601, with or without an offset.
    Finer parts than a microsecond are cut off toward the past, so that equal text gives equal instants on every side.
    InvalidDefinition for what is no time, and for time zones that do not exist.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return _converted(column, what)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidDefinition(
            f"The {what} holds times beyond what microseconds can count: {str(error)[:120]}.",
            remedy="Correct them: years from 290,000 BC to 290,000 AD can be compared.",
        ) from error


def instants_of(column: pa.ChunkedArray, what: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The same as numbers (n_rows,) in microseconds, and where there is one; numbers of nulls mean nothing."""
    instants = as_instants(column, what)
    valid: NDArray[np.bool_] = instants.is_valid().to_numpy()
    numbers: NDArray[np.int64] = pc.fill_null(instants.cast(pa.int64()), 0).to_numpy()
    return numbers, valid


def _converted(column: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    kind = column.type
    if kind == INSTANT:
        return column
    if pa.types.is_null(kind):
        return pa.chunked_array([pa.nulls(len(column), INSTANT)])
    if pa.types.is_timestamp(kind):
        check_zone(kind.tz, what)
        return _floored(column)
    if pa.types.is_date(kind):
        return _floored(column.cast(pa.timestamp("ms")))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _read(column.cast(pa.string()), what)
    raise InvalidDefinition(
        f"The {what} is of type {kind}, which is no time.",
        remedy="Make it a timestamp, a date or text such as 2026-01-31T12:00:00Z.",
    )


def check_zone(zone: str | None, what: str) -> None:
    """InvalidDefinition when nobody knows the time zone."""
    if zone is None or _OFFSET.fullmatch(zone):
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidDefinition(
            f"The {what} is in the time zone {shown(zone)}, which does not exist.",
            remedy="Write its times in UTC, or in a zone of the IANA database such as Europe/Paris.",
        ) from error


def _floored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type.unit != "ns":
        return column.cast(pa.timestamp(column.type.unit, tz="UTC")).cast(INSTANT)
    numbers = pc.fill_null(column.cast(pa.int64()), 0).to_numpy() // 1000  # Arrow cuts toward 1970, which differs
    return pa.chunked_array([pa.array(numbers, INSTANT, mask=column.is_null().to_numpy())])


def _read(texts: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    """ISO 8601; each text with or without an offset of its own."""
    trimmed = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), _FINER, r"\1")
    zoned = pc.match_substring_regex(trimmed, _ZONED)
    zoned = pc.and_(zoned, pc.match_substring_regex(trimmed, r"\d:\d|[Zz]$|T\d"))  # 2026-01-31 ends like an offset
    try:
        aware = pc.if_else(zoned, trimmed, None).cast(INSTANT)
        naive = pc.if_else(zoned, None, trimmed).cast(pa.timestamp("us")).cast(INSTANT)
    except pa.ArrowInvalid as error:
        raise InvalidDefinition(
            f"The {what} holds text that is no time: {str(error).partition(' as a scalar')[0][:200]}.",
            remedy="Write times as 2026-01-31T12:00:00, with an offset such as +02:00 where they are not UTC.",
        ) from error
    return pc.coalesce(aware, naive)
