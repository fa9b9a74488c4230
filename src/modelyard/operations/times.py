"""Times as people write them."""

from datetime import UTC, datetime

from modelyard.core import InvalidInput
from modelyard.core.durations import parse_duration


def instant_of(text: str | None, now: datetime) -> datetime | None:
    """A time as people write it: ISO 8601, in UTC where it does not say otherwise, or how long ago."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now - parse_duration(text)
        except (InvalidInput, OverflowError) as error:
            raise InvalidInput(
                f"{text[:40]!r} is no time.", code="NOT_A_TIME", remedy="Write 2026-01-31, 2026-01-31T12:00Z or 7d."
            ) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
