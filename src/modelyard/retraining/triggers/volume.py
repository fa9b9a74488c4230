"""New data: rows that became known since the champion was trained, documents that are other than its index knows."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ..records import Said
from .seen import Seen

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_NAMED = 20
"""So many documents of a sort stand by name in the evidence."""


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


def changed_documents(seen: Seen, at_least: int) -> Said:
    """Documents that were added, changed or removed, by their bytes: one that was only touched is as it was.

    Those on which the last cycle came to a verdict call for no other one: who asks a gate again and again gets through.
    """
    kind, found = "changed_documents", seen.changed_sources(seen.loop)
    if isinstance(found, str):
        return Said(kind, "unknown", found, {"at_least": at_least})
    changes = found.changes
    evidence: dict[str, Any] = {"documents": changes.count, "at_least": at_least, "same": changes.same}
    named = {"added": changes.added, "changed": changes.changed, "removed": changes.removed}
    evidence |= {name: list(each[:_NAMED]) for name, each in named.items()}
    if changes.count < at_least:
        return Said(kind, "calm", f"{changes.count} of the {at_least} other documents it takes are there", evidence)
    if found.tried:
        return Said(kind, "calm", f"these very documents were tried in cycle {seen.loop.cycle}", evidence)
    return Said(kind, "fires", f"documents: {changes}", evidence)
