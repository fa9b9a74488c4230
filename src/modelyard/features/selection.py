"""What somebody asks for (names, views, services) as features of views, in the order asked for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from modelyard.core import did_you_mean

from .definitions import Definition, Definitions, FeatureView, ViewPart
from .errors import InvalidDefinition, UnknownFeature
from .join import Wanted

SERVICE = "feature service"
"""The kind of definition that is a named list: its `features` are asked for in its place."""

Asked: TypeAlias = str | Definition | ViewPart
"""`view:feature`, the name of a view or a service, or one of these themselves."""


@dataclass(frozen=True)
class Selection:
    """The features of each view, and the names of all columns in the order in which they were asked for."""

    wanted: tuple[Wanted, ...]
    order: tuple[str, ...]


def select(definitions: Definitions, asked: Asked | Sequence[Asked], *, full_feature_names: bool = False) -> Selection:
    """What is asked for. UnknownFeature for a name that nothing has, InvalidDefinition for an empty or strange wish."""
    parts = list(_parts(definitions, asked if isinstance(asked, list | tuple) else [asked]))
    if not parts:
        raise InvalidDefinition("No features are asked for.", remedy='Name some, such as ["weather:temp"].')
    names: dict[str, dict[str, str]] = {}
    views: dict[str, FeatureView] = {}
    order: dict[tuple[str, str], str] = {}
    for part in parts:
        if views.setdefault(part.view.name, part.view) is not part.view:
            raise InvalidDefinition(f"Two views named '{part.view.name}' are asked for.", remedy="Rename one.")
        for name in part.names:
            column = f"{part.view.name}__{name}" if full_feature_names else name
            names.setdefault(part.view.name, {})[name] = column
            order[part.view.name, name] = column
    wanted = [Wanted(views[view], tuple(found), tuple(found.values())) for view, found in names.items()]
    return Selection(tuple(wanted), tuple(order.values()))


def _parts(definitions: Definitions, asked: Iterable[object]) -> Iterator[ViewPart]:
    for each in asked:
        if isinstance(each, ViewPart):
            yield each
        elif isinstance(each, FeatureView):
            yield ViewPart(each, each.feature_names)
        elif isinstance(each, Definition) and each.kind == SERVICE:
            yield from _parts(definitions, getattr(each, "features", ()))
        elif isinstance(each, str):
            yield from _named(definitions, each)
        else:
            raise InvalidDefinition(
                f"{str(each)[:80]!r} is no feature.",
                remedy='Ask for "view:feature", a view, a part of one (view[["a"]]) or a feature service.',
            )


def _named(definitions: Definitions, name: str) -> Iterator[ViewPart]:
    if ":" in name:
        view, feature = definitions.resolve(name)
        yield view[[feature]]
        return
    services = {each.name: each for each in definitions.all() if each.kind == SERVICE}
    if name in services:
        yield from _parts(definitions, [services[name]])
    elif name in definitions.views:
        yield from _parts(definitions, [definitions.view(name)])
    else:
        known = [*services, *definitions.views]
        raise UnknownFeature(f"There is no feature service or view '{name[:80]}'.", remedy=did_you_mean(name, known))
