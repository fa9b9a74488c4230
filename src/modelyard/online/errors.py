"""Why a feature row cannot be made."""

from modelyard.core import Failed, InvalidInput, Unavailable


class InvalidRequestField(InvalidInput):
    """The request lacks a field, has one too many, or one of the wrong type."""

    code = "INVALID_REQUEST_FIELD"


class StaleFeatures(Unavailable):
    """A view whose policy is `error` has no value that is fresh enough."""

    code = "STALE_FEATURES"


class OnlineUnavailable(Unavailable):
    """The online store cannot be opened, or takes no more."""

    code = "ONLINE_UNAVAILABLE"


class InvalidExpression(InvalidInput):
    """An expression cannot be read, names what there is not, or mixes kinds."""

    code = "INVALID_EXPRESSION"


class UnusableFeature(Failed):
    """A stored value is not what the expressions of a model compute with."""

    code = "UNUSABLE_FEATURE"


class NoFunctions(Failed):
    """A plan has functions, and nobody runs them here."""

    code = "NO_FUNCTIONS"


class ServerError(Unavailable):
    """A server that keeps online features answered with an error; its own words."""

    code = "ONLINE_SERVER_ERROR"
