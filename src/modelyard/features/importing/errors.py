"""Why a definition is not carried over."""

from modelyard.core import InvalidInput


class LeftOut(InvalidInput):
    """A definition cannot be carried over; the message says why."""

    code = "LEFT_OUT"


class Untranslatable(InvalidInput):
    """A function does what expressions do not; the message says what."""

    code = "UNTRANSLATABLE_FUNCTION"
