"""The definitions of a project, by kind and name."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from modelyard.core import did_you_mean
from modelyard.data import load_module
from modelyard.features.errors import InvalidDefinition, UnknownFeature

from .definition import Definition
from .view import FeatureView

Kind = TypeVar("Kind", bound=Definition)


class Definitions:
    """What a project defines. InvalidDefinition when two of a kind share a name."""

    def __init__(self, found: Iterable[Definition] = (), where: str = "The project") -> None:
        self._found: dict[tuple[str, str], Definition] = {}
        for each in found:
            self._add(each, where)

    @property
    def views(self) -> Mapping[str, FeatureView]:
        """The feature views by name."""
        return self.of(FeatureView)

    def of(self, kind: type[Kind]) -> dict[str, Kind]:
        """The definitions of a class by name, in the order in which they were found."""
        return {each.name: each for each in self._found.values() if isinstance(each, kind)}

    def all(self) -> list[Definition]:
        """Every definition, in the order in which they were found."""
        return list(self._found.values())

    def view(self, name: str) -> FeatureView:
        """The view of a name; UnknownFeature gives the nearest."""
        if name not in self.views:
            raise UnknownFeature(f"There is no feature view '{name[:80]}'.", remedy=did_you_mean(name, self.views))
        return self.views[name]

    def names(self) -> list[str]:
        """Every feature as `view:feature`."""
        return [f"{view.name}:{feature}" for view in self.views.values() for feature in view.feature_names]

    def resolve(self, reference: str) -> tuple[FeatureView, str]:
        """The view and the feature behind `view:feature`."""
        view, _, feature = reference.partition(":")
        if reference not in self.names():
            known = self.names()
            raise UnknownFeature(f"There is no feature '{reference[:80]}'.", remedy=did_you_mean(reference, known))
        return self.views[view], feature

    def _add(self, found: Definition, where: str) -> None:
        before = self._found.setdefault((found.kind, found.name), found)
        if before is not found and before != found:
            raise InvalidDefinition(
                f"{where} defines two of kind '{found.kind}' named '{found.name}'.", remedy="Rename one."
            )


def load_definitions(path: Path, pushed: Path | None = None) -> Definitions:
    """What a project's Python file defines or imports, also in lists, and the entities of its views.

    Relative paths of sources begin in the file's folder; `pushed` is where the project keeps pushed rows.
    """
    found = list(_inside(list(vars(load_module(path)).values())))
    for each in found:
        each.anchor(path.absolute().parent, pushed)
    return Definitions(found, path.name)


def _inside(values: Iterable[object]) -> Iterator[Definition]:
    for each in values:
        if isinstance(each, list | tuple):
            yield from _inside(each)
        elif isinstance(each, Definition):
            if isinstance(each, FeatureView):
                yield from _inside([*each.entities, each.source])
            yield each
