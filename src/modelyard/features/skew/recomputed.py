"""What training would see for rows that were served: the same features, joined as of each row's time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from modelyard.core import Scalar
from modelyard.features.definitions import Definitions
from modelyard.features.join import Entities, PreparedView, Wanted, joined
from modelyard.features.selection import Selection, select
from modelyard.journal import REDACTED

from .served import ServedRows, VersionPlan

AT = "__at"


class Sources:
    """The views' sources, each read once and kept sorted for as long as this object lives."""

    def __init__(self) -> None:
        self._prepared: dict[tuple[str, tuple[str, ...], tuple[str, ...]], PreparedView] = {}

    def of(self, wanted: Wanted) -> PreparedView:
        """A view made ready to be joined."""
        key = (wanted.view.name, wanted.features, wanted.names)
        return self._prepared.get(key) or self._prepared.setdefault(key, PreparedView(wanted))


@dataclass(frozen=True)
class Comparable:
    """A feature that can be looked up again: its reference, the input that it is, and the fields that it depends on."""

    reference: str
    input: str
    fields: tuple[str, ...]

    @property
    def view(self) -> str:
        """The view that it belongs to."""
        return self.reference.partition(":")[0]

    @property
    def column(self) -> str:
        """Its column in what is recomputed."""
        return self.reference.replace(":", "__", 1)


@dataclass(frozen=True)
class Recomputation:
    """How the features of one model version are looked up again; `lacking` says of which they cannot, and why."""

    features: tuple[Comparable, ...]
    lacking: Mapping[str, str]
    fields: tuple[str, ...]
    selection: Selection | None

    def entities(self, rows: ServedRows) -> pa.Table:
        """The rows as a join takes them; fields that were not logged are null."""
        columns = {name: _column(rows.values[name]) for name in self.fields}
        return pa.table({AT: rows.times, **columns})

    def run(self, entities: pa.Table, sources: Sources) -> pa.Table:
        """The features of entities, a column for each in `features`."""
        if self.selection is None:
            return entities
        found = joined(Entities.of(entities, AT), [sources.of(each) for each in self.selection.wanted])
        return self.selection.complete(entities.column_names, found)


def recomputation(version: VersionPlan, definitions: Definitions) -> Recomputation:
    """What of a version's inputs the definitions of now can tell."""
    logged = {*version.inputs, *version.beside}
    known = set(definitions.names())
    features, lacking = [], {}
    for reference in references_of(version):
        why, fields = "", tuple[str, ...]()
        if reference not in known:
            why = "it is no longer defined"
        else:
            fields = tuple(_fields(reference, definitions))
            gone = [name for name in fields if name not in logged]
            why = f"it depends on '{gone[0]}', which requests do not carry" if gone else ""
        if why:
            lacking[reference] = why
        else:
            features.append(Comparable(reference, reference.partition(":")[2], fields))
    asked = [each.reference for each in features]
    fields = tuple(dict.fromkeys(name for each in features for name in each.fields))
    selection = select(definitions, asked, full_feature_names=True) if asked else None
    return Recomputation(tuple(features), lacking, fields, selection)


def references_of(version: VersionPlan) -> Iterator[str]:
    """The inputs that are no fields of requests, as `view:feature`."""
    for view in version.plan.views:
        yield from (f"{view.name}:{name}" for name in view.features)
    for derived in version.plan.on_demand:
        yield from (f"{derived.name}:{name}" for name in derived.features)


def upstream(reference: str, definitions: Definitions) -> Sequence[str]:
    """The views whose rows a feature is made of: its own, or those that its expression reads."""
    name, _, feature = reference.partition(":")
    on_demand = definitions.on_demand.get(name)
    if on_demand is None:
        return (name,)
    inputs = on_demand.inputs((feature,)).values()
    return tuple(dict.fromkeys(each.view.name for each in inputs if each.view is not None))


def _fields(reference: str, definitions: Definitions) -> Iterator[str]:
    """The fields of requests that a feature depends on: keys, and what its expression takes."""
    name, _, feature = reference.partition(":")
    on_demand = definitions.on_demand.get(name)
    if on_demand is not None:
        inputs = on_demand.inputs((feature,)).values()
        yield from dict.fromkeys(each.feature for each in inputs if each.view is None)
    for view in upstream(reference, definitions):
        yield from definitions.view(view).keys


def _column(values: Sequence[Scalar]) -> pa.Array:
    bare = [None if each == REDACTED else each for each in values]
    try:
        return pa.array(bare)
    except OverflowError:  # whole numbers beyond 64 bits
        return pa.array(bare, pa.decimal128(38, 0))
