"""Features: the columns of a view."""

from dataclasses import dataclass

import pyarrow as pa

from modelyard.core import InvalidInput
from modelyard.data import parse_type
from modelyard.features.errors import InvalidDefinition


@dataclass(frozen=True)
class Feature:
    """A column of a view's source. `type` is spelled as in schemas (`float64`); None takes what is there.

    A declared type is kept: values that it cannot hold exactly are an error when they are read.
    """

    name: str
    type: str | pa.DataType | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or self.name.startswith("__"):
            raise InvalidDefinition(
                f"{str(self.name)[:80]!r} cannot name a feature.",
                remedy="Name a column of the source; names that begin with two underscores are taken.",
            )
        _ = self.arrow

    @property
    def arrow(self) -> pa.DataType | None:
        """The declared type. InvalidDefinition when there is no such type."""
        if self.type is None or isinstance(self.type, pa.DataType):
            return self.type
        try:
            return parse_type(self.type)
        except (InvalidInput, TypeError) as error:
            raise InvalidDefinition(f"Feature '{self.name}': {error}") from error


def features_of(given: object) -> tuple[Feature, ...]:
    """A view's features from names and `Feature`s. InvalidDefinition for anything else."""
    if isinstance(given, str | bytes) or not isinstance(given, list | tuple):
        raise InvalidDefinition(
            f"features is {str(given)[:80]!r}, and is a list.", remedy='Write features=["a", Feature("b", "float64")].'
        )
    wrong = [each for each in given if not isinstance(each, str | Feature)]
    if wrong:
        raise InvalidDefinition(
            f"{str(wrong[0])[:80]!r} is no feature.", remedy='Write features=["a", Feature("b", "float64")].'
        )
    return tuple(each if isinstance(each, Feature) else Feature(each) for each in given)
