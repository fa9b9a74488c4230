"""What can be wrong with a guard set."""

from modelyard.core import InvalidInput


class InvalidGuardSet(InvalidInput):
    """A declared guard set cannot be used as it is."""

    code = "INVALID_GUARD_SET"


class OtherClassifier(InvalidInput):
    """A guard is declared with an embedder and a classifier that it is not given."""

    code = "OTHER_CLASSIFIER"
