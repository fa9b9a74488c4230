"""The audit record: each entry carries the hash of the one before, so that no change goes unseen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.access import Principal
from modelyard.core import Clock, canonical_json, digest_of
from modelyard.storage import Entry, RecordStore, Transaction

STREAM = "audit"
_HEAD = ("audit-head", "head")
_GENESIS = "0" * 64


@dataclass(frozen=True)
class AuditReport:
    """What checking the chain found: `broken_at` is the first entry that does not fit, `why` says how."""

    entries: int
    intact: bool
    broken_at: int | None = None
    why: str = ""


class AuditLog:
    """Who did what, when; written in the same transaction as what was done."""

    def __init__(self, records: RecordStore, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def record(
        self, tx: Transaction, principal: Principal, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> int:
        """Add an entry within the caller's transaction and return its number."""
        last = tx.entries(STREAM, descending=True, limit=1)
        body: dict[str, Any] = {
            "at": self._clock.now().isoformat(),
            "principal": principal.name,
            "source": principal.source,
            "action": action,
            "subject": subject,
            "detail": dict(detail or {}),
            "previous": last[0].body["hash"] if last else _GENESIS,
        }
        body["hash"] = _hash(body)
        number = tx.append(STREAM, body)
        tx.put(*_HEAD, {"seq": number, "hash": body["hash"]})
        return number

    def entries(self, *, after: int = 0, limit: int | None = None) -> list[Entry]:
        """Entries beyond number `after`, oldest first."""
        with self._records.snapshot() as view:
            return view.entries(STREAM, after=after, limit=limit)

    def verify(self) -> AuditReport:
        """Check every entry against its hash, its predecessor and the head: edits, deletions, swaps, truncation."""
        with self._records.snapshot() as view:
            entries = view.entries(STREAM)
            head = view.get(*_HEAD)
        previous = _GENESIS
        for number, entry in enumerate(entries, start=1):
            if why := _misfit(entry, number, previous):
                return AuditReport(len(entries), intact=False, broken_at=number, why=why)
            previous = entry.body["hash"]
        expected = (head.body["seq"], head.body["hash"]) if head is not None else (0, _GENESIS)
        if expected != (len(entries), previous):
            return AuditReport(
                len(entries), intact=False, broken_at=len(entries) + 1, why=f"the record ended at entry {expected[0]}"
            )
        return AuditReport(len(entries), intact=True)


def _misfit(entry: Entry, number: int, previous: str) -> str:
    if entry.seq != number:
        return f"entry {number} is missing"
    if entry.body["previous"] != previous:
        return "it does not follow the entry before it"
    if _hash(entry.body) != entry.body["hash"]:
        return "its content was changed"
    return ""


def _hash(body: Mapping[str, Any]) -> str:
    return digest_of(canonical_json({key: value for key, value in body.items() if key != "hash"}))
