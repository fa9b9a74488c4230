"""`Retry-After`: how long an upstream asks to be left alone, when it says something that can be meant."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

ABSURD_SECONDS = 86_400.0
"""Longer than a day is nothing that a request can wait for, and no sign of an upstream in its senses."""


def retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds from a header, a number of them or a date (RFC 9110, 10.2.3); None for one that is absent or absurd.

    Absurd is what is no number and no date, what is not finite, lies in the past by more than a minute, or a day ahead.
    """
    if text is None:
        return None
    text = text.strip()[:64]
    if text.isascii() and text.replace(".", "", 1).isdigit():
        seconds = float(text)
    else:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        seconds = ((at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now).total_seconds()
    return max(0.0, seconds) if -60.0 <= seconds <= ABSURD_SECONDS else None
