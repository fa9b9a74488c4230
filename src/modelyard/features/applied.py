"""Definitions as they were applied: kept with history, and compared with those of the project."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from modelyard.access import Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, canonical_json, digest_of
from modelyard.storage import RecordStore, Snapshot

from .definitions import Definitions
from .described import described

KIND, HISTORY = "feature-definition", "feature-definitions"
"""The kind of the documents, and the stream of what each `apply` changed."""

Described: TypeAlias = Mapping[str, dict[str, Any]]
"""Definitions as plain data, by `kind/name`."""


@dataclass(frozen=True)
class Change:
    """One difference: a definition that came or went, or an attribute of one, as JSON before and after."""

    change: Literal["added", "removed", "changed"]
    kind: str
    name: str
    attribute: str | None = None
    before: Any = None
    after: Any = None


class AppliedDefinitions:
    """What was applied last, and by whom each time before."""

    def __init__(self, records: RecordStore, audit: AuditLog, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock

    def last(self) -> dict[str, dict[str, Any]]:
        """The definitions that were applied last, by `kind/name`; none before the first time."""
        with self._records.snapshot() as view:
            return _last(view)

    def history(self) -> list[dict[str, Any]]:
        """Each time that something changed: when, by whom, what, and the digest of all definitions then."""
        with self._records.snapshot() as view:
            return [{"number": each.seq, **each.body} for each in view.entries(HISTORY)]

    def apply(self, definitions: Definitions, principal: Principal) -> list[Change]:
        """Keep these in place of those before, with an entry in the audit record; nothing when nothing differs."""
        now = all_described(definitions)
        with self._records.transaction() as tx:
            before = _last(tx)
            changes = changes_between(before, now)
            if not changes:
                return []
            for key in before.keys() - now.keys():
                tx.delete(KIND, _key(key))
            for key, body in now.items():
                if before.get(key) != body:
                    tx.put(KIND, _key(key), {"definition": body, "digest": digest_of(canonical_json(body))})
            digest = digest_of(canonical_json(now))
            told = [f"{each.change} {each.kind} {each.name}" for each in changes]
            summary = {"digest": digest, "changes": list(dict.fromkeys(told))}
            at = self._clock.now().isoformat()
            tx.append(HISTORY, {"at": at, "by": principal.name, **summary, "definitions": now})
            self._audit.record(tx, principal, "features.apply", "features", summary)
        return changes


def all_described(definitions: Definitions) -> dict[str, dict[str, Any]]:
    """All definitions as plain data, by `kind/name`."""
    return {f"{each.kind}/{each.name}": described(each, definitions) for each in definitions.all()}


def changes_between(before: Described, now: Described) -> list[Change]:
    """What came, what went, and each attribute that is other; by kind and name."""
    return [each for key in sorted({*before, *now}) for each in _changes(before.get(key), now.get(key))]


def _changes(before: dict[str, Any] | None, now: dict[str, Any] | None) -> Iterator[Change]:
    if before is None or now is None:
        there = now or before or {}
        yield Change("added" if before is None else "removed", there["kind"], there["name"])
        return
    for name in dict.fromkeys([*before, *now]):
        one, other = before.get(name), now.get(name)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            for part in dict.fromkeys([*one, *other]):
                if one.get(part) != other.get(part):
                    yield Change("changed", now["kind"], now["name"], f"{name}.{part}", one.get(part), other.get(part))
        else:
            yield Change("changed", now["kind"], now["name"], name, one, other)


def _last(view: Snapshot) -> dict[str, dict[str, Any]]:
    found = (each.body["definition"] for each in view.scan(KIND))
    return {f"{each['kind']}/{each['name']}": each for each in found}


def _key(key: str) -> str:
    return key.replace(" ", "-")
