"""Instants as people write them in options."""

from datetime import UTC, datetime

from modelyard.core import InvalidInput


def instant(text: str | None, flag: str) -> datetime | None:
    """An instant of ISO 8601, UTC where no zone is written; None for None. InvalidInput names the flag."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{flag} is {text[:40]!r}, which is no time.", remedy="Write 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
