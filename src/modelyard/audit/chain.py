"""The audit record: each entry carries the hash of the one before, so that no change goes unseen."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from modelyard.access import Principal
from modelyard.core import Clock, canonical_json, digest_of
from modelyard.storage import Entry, RecordStore, Snapshot, Transaction

from .errors import AuditBroken

STREAM = "audit"
"""The stream of entries in the record store."""

GENESIS = "0" * 64
"""What the first entry has for the hash of the one before."""

_HEAD = ("audit-head", "head")
_PAGE = 1000
_UNREADABLE = "unreadable"


@dataclass(frozen=True)
class AuditReport:
    """What checking the record found: `broken_at` is the first entry that does not fit, `why` says how.

    `since` is the first entry that was read: what is before it was taken as it was when a known key vouched for it.

    `checkpoints` is how many there are, `covered` the entry up to which they vouch, `signed` the one up to which a
    known key does. `doubt` is what keeps an unbroken record from being proved.
    """

    entries: int
    intact: bool
    broken_at: int | None = None
    why: str = ""
    checkpoints: int = 0
    covered: int = 0
    signed: int = 0
    doubt: str = ""
    since: int = 1


Told = Callable[[int, int], None]
"""Told now and then up to which entry a check has come, and with which the record ends."""


@dataclass(frozen=True)
class Link:
    """An entry by its number and hash; number 0 stands for what is before the first."""

    number: int
    hash: str


class AuditLog:
    """Who did what, when; written in the same transaction as what was done."""

    def __init__(self, records: RecordStore, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self.recorded = 0

    def record(
        self, tx: Transaction, principal: Principal, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> int:
        """Add an entry within the caller's transaction and return its number.

        It follows what the head says was last, whatever stands last: where somebody has cut off entries the chain stays
        broken for good, and who wants to roll back is not kept from it.
        """
        body: dict[str, Any] = {
            "at": self._clock.now().isoformat(),
            "principal": principal.name,
            "source": principal.source,
            "action": action,
            "subject": subject,
            "detail": dict(detail or {}),
            "previous": _head(tx).hash,
        }
        body["hash"] = hash_of(body)
        number = tx.append(STREAM, body)
        tx.put(*_HEAD, {"seq": number, "hash": body["hash"]})
        self.recorded += 1
        return number

    def entries(self, *, after: int = 0, limit: int | None = None) -> list[Entry]:
        """Entries beyond number `after`, oldest first; AuditBroken when one of them is no JSON."""
        try:
            with self._records.snapshot() as view:
                return view.entries(STREAM, after=after, limit=limit)
        except (ValueError, RecursionError) as error:
            raise AuditBroken(
                f"An entry of the audit record beyond number {after} cannot be read.",
                remedy="Find out which: modelyard audit verify",
            ) from error

    def walk(self, *, after: int = 0, until: int | None = None) -> Iterator[Entry]:
        """Entries beyond `after` up to number `until`, oldest first, a page at a time: no writer waits for long."""
        while page := self.entries(after=after, limit=_PAGE):
            for entry in page:
                if until is not None and entry.seq > until:
                    return
                yield entry
            after = page[-1].seq

    def head(self) -> Link:
        """The newest entry, as the record notes it apart from the entries."""
        with self._records.snapshot() as view:
            return _head(view)

    def verify(
        self, witnesses: Mapping[int, str] = MappingProxyType({}), *, start: int = 1, told: Told = lambda *_: None
    ) -> AuditReport:
        """Check every entry against its hash, its predecessor and the head: edits, deletions, swaps, truncation.

        `witnesses` are hashes that entries are known to have had, by their numbers. With `start` the check begins with
        that entry, and what it follows is taken as it says. Others may write meanwhile.
        """
        chain, limit = _Chain(start, witnesses), _PAGE
        while True:
            page, head = self._page(chain.number, limit)
            if page is None and limit == 1:
                return chain.broken("its content cannot be read")
            if page is None:
                limit = 1
                continue
            for entry in page:
                if why := chain.add(entry):
                    return chain.broken(why)
            told(chain.number, head.number)
            if len(page) < limit:
                return chain.end(head)

    def _page(self, after: int, limit: int) -> tuple[list[Entry] | None, Link]:
        """Some entries, or None where one of them is no JSON, and the head as it was then."""
        with self._records.snapshot() as view:
            try:
                return view.entries(STREAM, after=after, limit=limit), _head(view)
            except (ValueError, RecursionError):
                return None, Link(0, _UNREADABLE)


class _Chain:
    """What has been checked so far."""

    def __init__(self, start: int, witnesses: Mapping[int, str]) -> None:
        self.number, self._since = start - 1, start
        self._previous = GENESIS if start == 1 else None
        self._witnesses = witnesses

    def add(self, entry: Entry) -> str:
        """Why an entry does not fit; nothing when it does, and it is the last one now."""
        if why := misfit(entry, self.number + 1, self._previous):
            return why
        self.number, self._previous = entry.seq, entry.body["hash"]
        if self._witnesses.get(self.number, self._previous) != self._previous:
            self.number -= 1
            return "it is not the one that a checkpoint vouches for"
        return ""

    def broken(self, why: str) -> AuditReport:
        """The next entry does not fit."""
        return AuditReport(self.number, intact=False, broken_at=self.number + 1, why=why, since=self._since)

    def end(self, head: Link) -> AuditReport:
        """There are no more entries; the head must say so, and no checkpoint may know of more."""
        if head != Link(self.number, self._previous or GENESIS):
            return self.broken(f"the record ended at entry {head.number}")
        if (newest := max(self._witnesses, default=0)) > self.number:
            return self.broken(f"a checkpoint vouches for entries up to {newest}")
        return AuditReport(self.number, intact=True, since=self._since)


def misfit(entry: Entry, number: int, previous: str | None) -> str:
    """Why an entry cannot be the one of this number after the one of that hash; nothing when it can."""
    if entry.seq != number:
        return f"entry {number} is missing"
    body: object = entry.body
    if not isinstance(body, dict) or not isinstance(body.get("hash"), str):
        return "its content cannot be read"
    if previous is not None and body.get("previous") != previous:
        return "it does not follow the entry before it"
    try:
        right = hash_of(body) == body["hash"]
    except (ValueError, RecursionError):  # a number that no JSON has, say
        right = False
    return "" if right else "its content was changed"


def hash_of(body: Mapping[str, Any]) -> str:
    """The hash of an entry: SHA-256 of its canonical JSON without the hash itself."""
    return digest_of(canonical_json({key: value for key, value in body.items() if key != "hash"}))


def _head(view: Snapshot) -> Link:
    try:
        document = view.get(*_HEAD)
    except ValueError:  # no JSON
        return Link(0, _UNREADABLE)
    if document is None:
        return Link(0, GENESIS)
    body: object = document.body
    if isinstance(body, dict) and isinstance(body.get("seq"), int) and isinstance(body.get("hash"), str):
        return Link(body["seq"], body["hash"])
    return Link(0, _UNREADABLE)
