"""What can be wrong with feature definitions."""

from modelyard.core import InvalidInput, NotFound


class InvalidDefinition(InvalidInput):
    """An entity or view cannot be used as it is declared."""

    code = "INVALID_FEATURE_DEFINITION"


class UnknownFeature(NotFound):
    """A feature or view that nothing defines."""

    code = "UNKNOWN_FEATURE"
