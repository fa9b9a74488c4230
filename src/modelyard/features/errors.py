"""What can be wrong with feature definitions, and with what they read."""

from modelyard.core import InvalidInput, NotFound


class InvalidDefinition(InvalidInput):
    """An entity or view cannot be used as it is declared, or not with these rows."""

    code = "INVALID_FEATURE_DEFINITION"


class SourceUnreadable(InvalidInput):
    """A view's source gives no rows as they are declared."""

    code = "FEATURE_SOURCE_UNREADABLE"


class UnknownFeature(NotFound):
    """A feature, view or service that nothing defines."""

    code = "UNKNOWN_FEATURE"


class FunctionNotRunnable(InvalidInput):
    """The file of an on-demand view's function cannot be run by itself, in a worker process."""

    code = "FUNCTION_NOT_RUNNABLE"


class BadMessage(InvalidInput):
    """A message of a stream is no row; why, for whoever looks at the dead letters."""

    code = "BAD_MESSAGE"
