"""What somebody asks for (names, views, services) as features of views, in the order asked for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

from modelyard.core import did_you_mean

from .definitions import (
    Definition,
    Definitions,
    FeatureService,
    FeatureView,
    OnDemandPart,
    OnDemandView,
    RequestSource,
    ViewPart,
)
from .derive import Derived
from .errors import InvalidDefinition, UnknownFeature
from .join import Wanted, check_names

Part: TypeAlias = ViewPart | OnDemandPart
"""Features of one view."""

Asked: TypeAlias = str | Definition | Part
"""`view:feature`, the name of a view or a service, or one of these themselves."""


@dataclass(frozen=True)
class Selection:
    """The features of each view, and the names of all columns in the order in which they were asked for.

    `derived` are computed after the join. The columns that only they need are joined under names of their own.
    """

    wanted: tuple[Wanted, ...]
    order: tuple[str, ...]
    derived: tuple[Derived, ...] = ()

    def check(self, columns: Sequence[str]) -> None:
        """InvalidDefinition when the entity rows have the name of a feature, or lack a field of requests."""
        check_names(columns, self.wanted)
        for each in self.derived:
            each.check(columns)

    def complete(self, entities: Sequence[str], joined: pa.Table) -> pa.Table:
        """The entity rows' columns and those asked for, of rows that were joined."""
        for each in self.derived:
            joined = each.added(joined)
        return joined.select([*entities, *self.order])


def select(definitions: Definitions, asked: Asked | Sequence[Asked], *, full_feature_names: bool = False) -> Selection:
    """What is asked for. UnknownFeature for a name that nothing has, InvalidDefinition for an empty or strange wish."""
    parts = list(_parts(definitions, asked if isinstance(asked, list | tuple) else [asked]))
    if not parts:
        raise InvalidDefinition("No features are asked for.", remedy='Name some, such as ["weather:temp"].')
    gathered = _Gathered()
    for part in parts:
        for name in part.names:
            gathered.ask(part, name, f"{part.view.name}__{name}" if full_feature_names else name)
    return gathered.selection()


def named(definitions: Definitions, asked: Asked | Sequence[Asked]) -> list[str]:
    """What is asked for as `view:feature` names; fields of requests, which a service may list, are none.

    UnknownFeature for a name that nothing has, InvalidDefinition for an empty or strange wish.
    """
    each = asked if isinstance(asked, list | tuple) else [asked]
    if each and all(isinstance(one, str) and ":" in one for one in each):
        return [str(one) for one in each]
    found = [f"{part.view.name}:{name}" for part in _parts(definitions, each) for name in part.names]
    if not found:
        raise InvalidDefinition("No features are asked for.", remedy='Name some, such as ["weather:temp"].')
    return found


def references(definitions: Definitions, service: FeatureService) -> list[str]:
    """What a service lists, in its order: `view:feature`, and the bare names of fields of requests."""
    found: dict[str, None] = {}
    for each in service.features:
        if isinstance(each, RequestSource):
            found |= dict.fromkeys(each.schema)
        else:
            for part in _parts(definitions, [each]):
                found |= dict.fromkeys(f"{part.view.name}:{name}" for name in part.names)
    return list(found)


class _Gathered:
    """What has been asked for so far."""

    def __init__(self) -> None:
        self._views: dict[str, FeatureView] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._on_demand: dict[str, tuple[OnDemandView, dict[str, str]]] = {}
        self._order: dict[tuple[str, str], str] = {}

    def ask(self, part: Part, name: str, column: str) -> None:
        """Ask for a feature under the name of a column."""
        self._order[part.view.name, name] = column
        if isinstance(part, OnDemandPart):
            self._on_demand.setdefault(part.view.name, (part.view, {}))[1][name] = column
        else:
            self._join(part.view, name, column)

    def selection(self) -> Selection:
        """All of it; what only expressions need is joined beside what is asked for."""
        derived = [Derived(view, names, self._columns(view, tuple(names))) for view, names in self._on_demand.values()]
        wanted = [Wanted(self._views[view], tuple(found), tuple(found.values())) for view, found in self._names.items()]
        return Selection(tuple(wanted), tuple(self._order.values()), tuple(derived))

    def _join(self, view: FeatureView, name: str, column: str) -> None:
        if self._views.setdefault(view.name, view) is not view:
            raise InvalidDefinition(f"Two views named '{view.name}' are asked for.", remedy="Rename one.")
        self._names.setdefault(view.name, {})[name] = column

    def _columns(self, on_demand: OnDemandView, features: tuple[str, ...]) -> dict[str, str]:
        """The column of each input of some features, by the name that the expressions use."""
        columns = {}
        for name, each in on_demand.inputs(features).items():
            if each.view is None:
                columns[name] = each.feature
                continue
            if each.feature not in self._names.get(each.view.name, {}):
                self._join(each.view, each.feature, f"__{each.view.name}__{each.feature}")
            columns[name] = self._names[each.view.name][each.feature]
        return columns


def _parts(definitions: Definitions, asked: Iterable[object]) -> Iterator[Part]:
    for each in asked:
        if isinstance(each, ViewPart | OnDemandPart):
            yield each
        elif isinstance(each, FeatureView):
            yield ViewPart(each, each.feature_names)
        elif isinstance(each, OnDemandView):
            yield OnDemandPart(each, each.feature_names)
        elif isinstance(each, FeatureService):
            yield from _parts(definitions, [part for part in each.features if not isinstance(part, RequestSource)])
        elif isinstance(each, str):
            yield from _named(definitions, each)
        else:
            raise InvalidDefinition(
                f"{str(each)[:80]!r} is no feature.",
                remedy='Ask for "view:feature", a view, a part of one (view[["a"]]) or a feature service.',
            )


def _named(definitions: Definitions, name: str) -> Iterator[Part]:
    if ":" in name:
        yield definitions.part(name)
        return
    known: dict[str, Definition] = {
        **definitions.of(FeatureService),
        **definitions.views,
        **definitions.on_demand,
    }
    if name not in known:
        raise UnknownFeature(f"There is no feature service or view '{name[:80]}'.", remedy=did_you_mean(name, known))
    service = definitions.of(FeatureService).get(name)
    yield from _parts(definitions, [known[name] if service is None else service])
