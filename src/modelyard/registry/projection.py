"""What MLflow shows of the registry: aliases, stages, what we say of versions; and what others changed there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from modelyard.storage import Snapshot
from modelyard.tracking import Shown

from .aliases import ARCHIVING, aliases_of, all_holders
from .records import VersionState
from .versions import states_of

KIND = "projection"


class Said(msgspec.Struct, frozen=True):
    """Tags and description of a version; None is as it was registered."""

    tags: dict[str, str] | None = None
    description: str | None = None


class Projection(msgspec.Struct, frozen=True):
    """Aliases of a model, and the stages of those of its versions that have one, by number as text.

    `said`: of versions whose tags or description were changed after they were registered.
    """

    aliases: dict[str, int] = {}
    stages: dict[str, str] = {}
    said: dict[str, Said] = {}

    def stage(self, number: int) -> str:
        """The stage of a version."""
        return self.stages.get(str(number), "None")


@dataclass(frozen=True)
class OutsideChange:
    """What a plain MLflow client changed: an alias (`to` None: it was removed), or the archive."""

    what: Literal["alias", "archive"]
    alias: str
    before: int | None
    to: int | None
    how: str

    def __str__(self) -> str:
        if self.what == "archive":
            return f"version {self.before or self.to} was {'archived' if self.before else 'taken from the archive'}"
        return f"{self.alias} was moved from {self.before or 'nothing'} to {self.to or 'nothing'} ({self.how})"


def wanted(view: Snapshot, name: str) -> Projection:
    """What MLflow should show of a model."""
    return _projection(aliases_of(view, name), states_of(view, name).get(name, {}))


def last_projected(view: Snapshot, name: str) -> Projection:
    """What we showed last."""
    document = view.get(KIND, name)
    return msgspec.convert(document.body, Projection) if document is not None else Projection()


def as_shown(view: Snapshot, names: Sequence[str]) -> dict[str, Projection]:
    """Of those of these models of which we want to show what we showed last, what that is."""
    if len(names) == 1:
        last, ours = {names[0]: last_projected(view, names[0])}, {names[0]: wanted(view, names[0])}
    else:
        last = {each.key: msgspec.convert(each.body, Projection) for each in view.scan(KIND)}
        holders, states = all_holders(view), states_of(view)
        ours = {each: _projection(holders.get(each, {}), states.get(each, {})) for each in names}
    return {each: ours[each] for each in names if ours[each] == last.get(each, Projection())}


def _projection(aliases: dict[str, int], states: Mapping[int, VersionState]) -> Projection:
    stages = {str(number): "Archived" for number, state in states.items() if state.archived}
    for alias in sorted(ARCHIVING, reverse=True):  # production last: a version has one stage
        if alias in aliases:
            stages[str(aliases[alias])] = alias.capitalize()
    changed = {each: state for each, state in states.items() if state.tags is not None or state.description is not None}
    said = {str(each): Said(state.tags, state.description) for each, state in changed.items()}
    return Projection(aliases, stages, said)


def outside_changes(
    shown: Shown, last: Projection, ours: Projection, known: frozenset[int], claimed: frozenset[str]
) -> list[OutsideChange]:
    """What differs from what we showed last, and is not what we want anyway.

    `known`: the numbers of our versions; `claimed`: aliases that decide what serves. Another alias at a version that is
    not ours is none of our business.
    """
    found = _moved_aliases(shown.aliases, last, ours, known, claimed)
    moved = {each.alias for each in found}
    found += [each for each in _moved_stages(shown.stages, last, ours) if each.alias not in moved]
    return found + _archived(shown.stages, last, ours, known)


def _moved_aliases(
    shown: Mapping[str, int], last: Projection, ours: Projection, known: frozenset[int], claimed: frozenset[str]
) -> list[OutsideChange]:
    found = []
    for alias in sorted({*shown, *last.aliases}):
        to = shown.get(alias)
        if to in (last.aliases.get(alias), ours.aliases.get(alias)):
            continue
        if to is None or to in known or alias in claimed or alias in ours.aliases:
            found.append(OutsideChange("alias", alias, ours.aliases.get(alias), to, "as an alias"))
    return found


def _moved_stages(shown: Mapping[int, str], last: Projection, ours: Projection) -> list[OutsideChange]:
    """The newest version that was put into a stage holds it; a stage that lost its holder is empty."""
    changed = {each: stage for each, stage in shown.items() if stage not in (last.stage(each), ours.stage(each))}
    found = []
    for alias in sorted(ARCHIVING):
        holder, stage = ours.aliases.get(alias), alias.capitalize()
        entered = [number for number, now in changed.items() if now == stage]
        if entered:
            found.append(OutsideChange("alias", alias, holder, max(entered), "as a stage"))
        elif holder in changed and last.stage(holder) == stage:
            found.append(OutsideChange("alias", alias, holder, None, "as a stage"))
    return found


def _archived(
    shown: Mapping[int, str], last: Projection, ours: Projection, known: frozenset[int]
) -> list[OutsideChange]:
    found = []
    for number, stage in sorted(shown.items()):
        if number not in known or number in ours.aliases.values():
            continue
        if stage == "Archived" and "Archived" not in (last.stage(number), ours.stage(number)):
            found.append(OutsideChange("archive", "", number, None, "as a stage"))
        if stage == "None" and last.stage(number) == ours.stage(number) == "Archived":
            found.append(OutsideChange("archive", "", None, number, "as a stage"))
    return found
