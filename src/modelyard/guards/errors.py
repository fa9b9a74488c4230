"""What can be wrong with a guard set."""

from modelyard.core import InvalidInput


class InvalidGuardSet(InvalidInput):
    """A declared guard set cannot be used as it is."""

    code = "INVALID_GUARD_SET"
