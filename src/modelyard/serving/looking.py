"""Features for who asks for them rather than for a prediction: those that the live model reads, and no others."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

from modelyard.core import Micros, Scalar, did_you_mean
from modelyard.inference import Bundle
from modelyard.online import ColumnReader, FeatureColumns, FeaturePlan, fields_of, keys_of, narrowed_plan

from .arms import LoadedArm
from .errors import BadRequest, TooLarge

_MOST = 100
"""So many different choices of features are kept of a bundle; then the oldest goes."""


Then = Callable[[FeatureColumns | Exception], None]
"""Takes features, or the error."""


class Looking:
    """Reads features of entities through the plan of an arm. Use inside one event loop.

    Those that functions give are read beside the loop, one request at a time: a function may take its deadline.
    """

    def __init__(self) -> None:
        self._readers: WeakKeyDictionary[Bundle, dict[tuple[str, ...] | None, ColumnReader]] = WeakKeyDictionary()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="features")

    def look(
        self,
        arm: LoadedArm,
        entities: Sequence[dict[str, Scalar]],
        features: Sequence[str] | None,
        at: Micros,
        then: Then,
    ) -> None:
        """The features of entities as of an instant: all that the arm's model reads, or some of them.

        On-demand features are computed of fields beside the entities' keys. BadRequest for a feature that it does not
        read, TooLarge for more than it has; InvalidRequestField for entities without the keys or fields. `then` is
        called on the loop, at once where no function is asked.
        """
        reader = self._chosen(arm, features)
        if arm.bundle.transforms is None:
            then(reader.read(entities, at))
            return
        work = asyncio.get_running_loop().run_in_executor(self._thread, reader.read, entities, at)

        def done(future: "asyncio.Future[FeatureColumns]") -> None:
            if not future.cancelled():
                error = future.exception()
                then(error if isinstance(error, Exception) else future.result())

        work.add_done_callback(done)

    def _chosen(self, arm: LoadedArm, features: Sequence[str] | None) -> ColumnReader:
        known = _known(arm.plan)
        if features is not None and len(features) > len(known):
            raise TooLarge(
                f"{len(features)} features are more than the model reads, which are {len(known)}.",
                context={"path": "features"},
                remedy="Name each once.",
            )
        readers = self._readers.setdefault(arm.bundle, {})
        choice = None if features is None else tuple(features)
        reader = readers.get(choice)
        if reader is None:
            reader = _reader(arm, features, known)
            if len(readers) >= _MOST:
                del readers[next(iter(readers))]
            readers[choice] = reader
        return reader


def _reader(arm: LoadedArm, features: Sequence[str] | None, known: Mapping[str, tuple[str, str]]) -> ColumnReader:
    if features is None:
        return ColumnReader(arm.online, arm.plan, functions=arm.bundle.transforms)
    bare = {name: (view, name) for view, name in known.values()}
    chosen: dict[str, list[str]] = {}
    for place, feature in enumerate(features):
        if feature not in known and feature not in bare:
            raise BadRequest(
                f"The model reads no feature '{feature[:80]}' from the online store, and computes none on demand.",
                context={"path": f"features[{place}]"},
                remedy=did_you_mean(feature, known),
            )
        view, name = known.get(feature) or bare[feature]
        chosen.setdefault(view, []).append(name)
    plan, also = narrowed_plan(arm.plan, chosen), [*keys_of(arm.plan), *fields_of(arm.plan)]
    return ColumnReader(arm.online, plan, also=also, functions=arm.bundle.transforms)


def _known(plan: FeaturePlan) -> dict[str, tuple[str, str]]:
    """What can be asked for, as `view:feature`."""
    features = [(view.name, view.features) for view in plan.views] + [
        (each.name, each.features) for each in plan.on_demand
    ]
    return {f"{view}:{name}": (view, name) for view, names in features for name in names}
