"""Versions a page at a time, the newest first, and models with what they have."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec

from modelyard.storage import Document, Group, Snapshot, Tally

from .aliases import alias_of, aliases_of, all_holders
from .records import ModelVersion, VersionState
from .versions import STATES, VERSIONS, key_of

_PAGE = 500
"""At most so many versions are read at once."""


@dataclass(frozen=True)
class ModelSummary:
    """A model with the number of its versions, the newest of them, and which version holds which alias."""

    name: str
    versions: int
    newest: ModelVersion
    holders: dict[str, ModelVersion]


@dataclass(frozen=True)
class VersionCounts:
    """The versions of all models: all of them, those that came from a tracked run, those with a bundle."""

    known: Tally
    tracked: Tally
    servable: Tally


def listed(
    view: Snapshot, *, name: str | None, stage: str | None, before: Document | None, limit: int
) -> list[ModelVersion]:
    """At most so many versions older than `before`, the newest first: by number those of one model, else by time."""
    if stage is None:
        found: Iterable[ModelVersion] = _walk(view, name, before, limit)
    elif (alias := alias_of(stage)) is not None:
        found = _among(view, _holding(view, name, alias), name, before)
    elif stage.lower() == "archived":
        found = _among(view, _archived(view, name), name, before)
    else:
        held = {(model, number) for model, each in all_holders(view).items() for number in each.values()}
        free = (each for each in _walk(view, name, before, limit) if not each.archived)
        found = (each for each in free if (each.name, each.number) not in held)
    return list(islice(found, limit))


def summaries(view: Snapshot, groups: list[Group]) -> list[ModelSummary]:
    """What the models of some groups of versions have, read at once."""
    aliases = {each.name: aliases_of(view, each.name) for each in groups} if len(groups) == 1 else all_holders(view)
    held = {
        (each.name, alias): key_of(each.name, number)
        for each in groups
        for alias, number in aliases.get(each.name, {}).items()
    }
    versions = {
        key_of(each.name, each.number): each
        for each in _now(view, view.many(VERSIONS, {*held.values(), *(each.last for each in groups)}))
    }
    return [
        ModelSummary(
            each.name,
            each.count,
            versions[each.last],
            {alias: versions[key] for (name, alias), key in held.items() if name == each.name and key in versions},
        )
        for each in groups
    ]


def holding(view: Snapshot, alias: str) -> list[ModelVersion]:
    """The versions that hold an alias, by model, read at once."""
    return _now(view, view.many(VERSIONS, _holding(view, None, alias)))


def _walk(view: Snapshot, name: str | None, before: Document | None, limit: int) -> Iterator[ModelVersion]:
    size = min(limit, _PAGE)
    while page := _older(view, name, before, size):
        yield from _now(view, page)
        if len(page) < size:
            return
        before = page[-1]


def _older(view: Snapshot, name: str | None, before: Document | None, size: int) -> list[Document]:
    if name is None:
        return view.newest(VERSIONS, after=before, limit=size)
    after = "" if before is None else before.key
    return view.scan(VERSIONS, prefix=f"{name}/", after=after, limit=size, descending=True)


def _among(view: Snapshot, keys: set[str], name: str | None, before: Document | None) -> list[ModelVersion]:
    """Those of these keys that are older than `before`, the newest first."""

    def place(each: Document) -> tuple[str, str]:
        return ("" if name is not None else str(each.body["created_at"]), each.key)

    found = sorted(view.many(VERSIONS, keys), key=place, reverse=True)
    return _now(view, found if before is None else [each for each in found if place(each) < place(before)])


def _holding(view: Snapshot, name: str | None, alias: str) -> set[str]:
    holders = all_holders(view) if name is None else {name: aliases_of(view, name)}
    return {key_of(model, each[alias]) for model, each in holders.items() if alias in each}


def _archived(view: Snapshot, name: str | None) -> set[str]:
    states = view.scan(STATES, prefix="" if name is None else f"{name}/")
    return {each.key for each in states if each.body.get("archived")}


def _now(view: Snapshot, page: list[Document]) -> list[ModelVersion]:
    """The versions of these documents, each in its present state."""
    kept = view.many(STATES, [each.key for each in page])
    states = {each.key: msgspec.convert(each.body, VersionState) for each in kept}
    return [msgspec.convert(each.body, ModelVersion).in_state(states.get(each.key, VersionState())) for each in page]
