"""Versions as documents: the facts, and beside them what may change."""

from collections.abc import Callable

import msgspec

from modelyard.storage import Document, Snapshot, Transaction

from .records import ModelVersion, VersionState

VERSIONS, STATES = "model-version", "model-state"


def key_of(name: str, number: int) -> str:
    """The key of a version's documents; keys sort as numbers do."""
    return f"{name}/{number:08d}"


def read_version(view: Snapshot, name: str, number: int) -> ModelVersion | None:
    """A version as it is now."""
    document = view.get(VERSIONS, key_of(name, number))
    return as_now(view, document) if document is not None else None


def as_now(view: Snapshot, document: Document) -> ModelVersion:
    """The version of a document, in its present state."""
    return msgspec.convert(document.body, ModelVersion).in_state(_state(view, document.key))


def all_versions(view: Snapshot, name: str | None = None) -> list[ModelVersion]:
    """Versions by model and number, of one model or of all."""
    prefix = "" if name is None else f"{name}/"
    states = {each.key: msgspec.convert(each.body, VersionState) for each in view.scan(STATES, prefix=prefix)}
    return [
        msgspec.convert(each.body, ModelVersion).in_state(states.get(each.key, VersionState()))
        for each in view.scan(VERSIONS, prefix=prefix)
    ]


def change_state(tx: Transaction, name: str, number: int, change: Callable[[VersionState], VersionState]) -> bool:
    """Change what may change of a version; returns whether it did."""
    key = key_of(name, number)
    before = _state(tx, key)
    after = change(before)
    if after != before:
        tx.put(STATES, key, msgspec.to_builtins(after))
    return after != before


def states_of(view: Snapshot, name: str | None = None) -> dict[str, dict[int, VersionState]]:
    """The states of versions that are not as they were registered, by model and number; of one model or of all."""
    found: dict[str, dict[int, VersionState]] = {}
    for each in view.scan(STATES, prefix="" if name is None else f"{name}/"):
        model, _, number = each.key.rpartition("/")
        found.setdefault(model, {})[int(number)] = msgspec.convert(each.body, VersionState)
    return found


def numbers_of(view: Snapshot, name: str) -> list[int]:
    """The numbers of a model's versions."""
    return [int(each.key.rpartition("/")[2]) for each in view.scan(VERSIONS, prefix=f"{name}/")]


def registered_tags(view: Snapshot, name: str, number: int) -> dict[str, str]:
    """The tags that a version was registered with."""
    document = view.get(VERSIONS, key_of(name, number))
    return dict(document.body["tags"]) if document is not None else {}


def set_archived(tx: Transaction, name: str, number: int, *, archived: bool) -> bool:
    """Archive a version, or take it back from there; returns whether that changed anything."""
    return change_state(tx, name, number, lambda state: msgspec.structs.replace(state, archived=archived))


def _state(view: Snapshot, key: str) -> VersionState:
    document = view.get(STATES, key)
    return msgspec.convert(document.body, VersionState) if document is not None else VersionState()
