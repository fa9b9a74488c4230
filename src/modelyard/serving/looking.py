"""Features for who asks for them rather than for a prediction: those that the live model reads, and no others."""

from collections.abc import Sequence

import msgspec

from modelyard.core import Micros, Scalar, did_you_mean
from modelyard.online import ColumnReader, FeatureColumns, ViewPlan

from .arms import LoadedArm
from .errors import BadRequest

_MOST = 100
"""So many different choices of features are kept for each model."""


class Looking:
    """Reads features of entities through the plan of an arm."""

    def __init__(self) -> None:
        self._readers: dict[tuple[str, tuple[str, ...] | None], ColumnReader] = {}

    def read(
        self, arm: LoadedArm, entities: Sequence[dict[str, Scalar]], features: Sequence[str] | None, at: Micros
    ) -> FeatureColumns:
        """The features of entities as of an instant: all that the arm's model reads, or some of them.

        BadRequest for a feature that it does not read; InvalidRequestField for entities without the keys.
        """
        choice = (arm.arm.bundle, None if features is None else tuple(features))
        reader = self._readers.get(choice)
        if reader is None:
            reader = self._reader(arm, features)
            if len(self._readers) < _MOST:
                self._readers[choice] = reader
        return reader.read(entities, at)

    def _reader(self, arm: LoadedArm, features: Sequence[str] | None) -> ColumnReader:
        views = arm.plan.views
        keys = {key for view in views for key in view.entity_keys}
        if features is None:
            return ColumnReader(arm.online, views)
        known = {f"{view.name}:{name}": (view, name) for view in views for name in view.features}
        bare = {name: (view, name) for view, name in known.values()}
        chosen: dict[str, list[str]] = {}
        for place, feature in enumerate(dict.fromkeys(features)):
            if feature not in known and feature not in bare:
                raise BadRequest(
                    f"The model reads no feature '{feature[:80]}' from the online store.",
                    context={"path": f"features[{place}]"},
                    remedy=did_you_mean(feature, known),
                )
            view, name = known.get(feature) or bare[feature]
            chosen.setdefault(view.name, []).append(name)
        narrowed = [_narrowed(view, chosen[view.name]) for view in views if view.name in chosen]
        return ColumnReader(arm.online, narrowed, also=keys)


def _narrowed(view: ViewPlan, features: Sequence[str]) -> ViewPlan:
    return msgspec.structs.replace(view, features=tuple(dict.fromkeys(features)))
