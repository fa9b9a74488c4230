"""Feature services: the named list of features that a model uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from .definition import Definition, check_definition, wrong_labels
from .on_demand import OnDemandPart, OnDemandView
from .request import RequestSource
from .view import FeatureView, ViewPart

Listed: TypeAlias = str | FeatureView | ViewPart | OnDemandView | OnDemandPart | RequestSource
"""What a service lists: all features of a view, some of them, one by name, or the fields of requests as they come."""

_REMEDY = 'FeatureService(name="…", features=[VIEW, VIEW[["a", "b"]], "view:feature"])'


@dataclass(frozen=True, eq=False)
class FeatureService(Definition):
    """The named list of features that a model uses, in the order of its inputs.

    InvalidDefinition lists all that is wrong with it; names of features are looked up when the service is used.
    """

    kind: ClassVar[str] = "feature service"

    name: str
    features: Sequence[Listed] = ()
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""

    def __post_init__(self) -> None:
        wrong = wrong_labels(self.description, self.tags, self.owner)
        if isinstance(self.features, str) or not isinstance(self.features, Sequence) or not self.features:
            wrong.append("features is a list of at least one view or feature.")
        else:
            wrong += [why for each in self.features if (why := _wrong(each))]
        check_definition(self.kind, self.name, wrong, _REMEDY)
        object.__setattr__(self, "features", tuple(self.features))


def _wrong(each: object) -> str:
    if isinstance(each, str):
        return "" if ":" in each else f"{each[:80]!r} is no feature: write view:feature."
    if isinstance(each, FeatureView | ViewPart | OnDemandView | OnDemandPart | RequestSource):
        return ""
    return f"{str(each)[:60]!r} is no feature."
