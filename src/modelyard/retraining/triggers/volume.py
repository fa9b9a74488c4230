"""New data: rows that became known since the champion was trained."""

from datetime import UTC, datetime, timedelta

from ..records import Said
from .seen import Seen

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def new_rows(seen: Seen, at_least: int) -> Said:
    """Rows of the model's dataset up to the last full hour, so that reading it again and again brings nothing new."""
    kind = "new_rows"
    if seen.trained_at is None:
        return Said(kind, "unknown", "no version is live, so that all rows are new", {"at_least": at_least})
    until = _EPOCH + (seen.now - _EPOCH) // _HOUR * _HOUR
    count = seen.rows_since(seen.loop.model, seen.trained_at, until) if seen.trained_at < until else 0
    evidence = {
        "rows": count, "at_least": at_least, "since": seen.trained_at.isoformat(), "until": until.isoformat(),
    }  # fmt: skip
    if count is None:
        return Said(kind, "unknown", "the rows of its dataset do not say when they were known", evidence)
    if count >= at_least:
        return Said(kind, "fires", f"{count} rows are new, at least {at_least}", evidence)
    return Said(kind, "calm", f"{count} of the {at_least} new rows it takes are there", evidence)
