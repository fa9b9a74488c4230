"""Showing the registry in MLflow, and noticing what others changed there."""

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from modelyard.storage import RecordStore, Snapshot, Transaction
from modelyard.tracking import RegisteredModels, Shown

from .projection import KIND, OutsideChange, Projection, Said, as_shown, last_projected, outside_changes, wanted
from .versions import numbers_of, registered_tags

_LOOKS = "outside-look"


class Projector:
    """Keeps MLflow's aliases, stages, tags and descriptions like ours. All it does may be repeated, by any process."""

    def __init__(self, records: RecordStore, tracked: RegisteredModels) -> None:
        self._records = records
        self._tracked = tracked

    def project(self, name: str, claimed: Collection[str] = ()) -> Callable[[Transaction], bool]:
        """Show aliases and stages of a model in MLflow, and the tags and descriptions that changed since we last did.

        Returns what notes that within the caller's transaction; it is False when something has moved meanwhile, and
        the projection must be made again. `claimed`: aliases that MLflow shall not show unless we do.
        """
        with self._records.snapshot() as view:
            ours, last = wanted(view, name), last_projected(view, name)
            numbers = numbers_of(view, name)
            said = _to_say(view, name, ours, last)
        gone: dict[str, int | None] = dict.fromkeys({*last.aliases, *claimed})
        self._tracked.show(name, {**gone, **ours.aliases}, {each: ours.stage(each) for each in numbers})
        for number, (tags, description) in said.items():
            self._tracked.tell(name, number, tags, description)

        def note(tx: Transaction) -> bool:
            if wanted(tx, name) != ours:
                return False
            tx.put(KIND, name, msgspec.to_builtins(ours))
            return True

        return note

    def withdraw_stages(self, name: str, numbers: Collection[int]) -> None:
        """Show no stage for versions in MLflow that are not ours."""
        self._tracked.show(name, {}, dict.fromkeys(numbers, "None"))

    def delete(self, name: str, number: int) -> None:
        """Delete a version in MLflow as well."""
        self._tracked.delete(name, number)

    def changes(self, name: str, claimed: Collection[str]) -> list[OutsideChange]:
        """What plain MLflow clients changed since we last showed it. Nothing is told while we change it ourselves.

        `claimed`: aliases that decide what serves.
        """
        with self._records.snapshot() as view:
            before = last_projected(view, name)
        now = self._tracked.shown(name)
        with self._records.snapshot() as view:
            last, ours = last_projected(view, name), wanted(view, name)
            known = frozenset(numbers_of(view, name))
        if now is None or last != before:
            return []
        return outside_changes(now, last, ours, known, frozenset(claimed))

    def behind(self, name: str) -> bool:
        """Whether what we last showed of a model is not what we want now."""
        with self._records.snapshot() as view:
            return last_projected(view, name) != wanted(view, name)

    def suspects(self, names: Sequence[str]) -> list[str]:
        """Those of some models of which MLflow may show something else than it should; all, where only it can say.

        Everybody else is passed over without a question: with a thousand models asking takes minutes.
        """
        told = self._tracked.glance(names[0] if len(names) == 1 else None)
        if told is None:
            return list(names)
        with self._records.snapshot() as view:
            fine = as_shown(view, names)
        return [each for each in names if each not in fine or not _shows(told.get(each, Shown()), fine[each])]

    def unseen(self, name: str | None = None) -> str | None:
        """A mark of MLflow's present state when somebody may have changed it since `seen`; None when nobody has.

        `name`: the model that was looked at, or None for all: who looked at all has looked at each.

        Also None when MLflow does not answer: what cannot be looked at waits for the next look.
        """
        mark = self._tracked.mark()
        if mark is None:
            return "" if self._tracked.answers() else None
        with self._records.snapshot() as view:
            looks = view.many(_LOOKS, {name or "*", "*"})
        return None if any(each.body["mark"] == mark for each in looks) else mark

    def seen(self, name: str | None, mark: str) -> None:
        """Note that what MLflow shows was looked at in this state."""
        if mark:
            with self._records.transaction(durable=False) as tx:
                tx.put(_LOOKS, name or "*", {"mark": mark})


def _shows(shown: Shown, ours: Projection) -> bool:
    """Whether MLflow shows these aliases, and these stages."""
    return shown.aliases == ours.aliases and {str(each): stage for each, stage in shown.stages.items()} == ours.stages


Tags = Mapping[str, str | None]


def _to_say(view: Snapshot, name: str, ours: Projection, last: Projection) -> dict[int, tuple[Tags, str | None]]:
    """What MLflow does not show yet: tags (None: no such tag any more) and the description of versions, by number.

    Tags that others gave a version in MLflow stay.
    """
    found: dict[int, tuple[Tags, str | None]] = {}
    for number, said in ours.said.items():
        before = last.said.get(number, Said())
        if said != before:
            shown = before.tags if before.tags is not None else registered_tags(view, name, int(number))
            tags: Tags = {**dict.fromkeys(shown), **said.tags} if said.tags is not None else {}
            found[int(number)] = (tags, said.description)
    return found
