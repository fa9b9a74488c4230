"""Why a request cannot be answered."""

from modelyard.access import RateLimited
from modelyard.core import Failed, InvalidInput, NotFound, Unavailable


class NotServed(NotFound):
    """No deployment, or no path, of this name."""

    code = "NOT_SERVED"


class MethodNotAllowed(InvalidInput):
    """The path is there for other methods; `context["allow"]` lists them as the header Allow does."""

    code = "METHOD_NOT_ALLOWED"


class NotReady(Unavailable):
    """The deployment's live arm is not loaded."""

    code = "NOT_READY"


class BadRequest(InvalidInput):
    """The body is not what the endpoint takes."""

    code = "BAD_REQUEST"


class TooLarge(InvalidInput):
    """More bytes or rows than one request may have."""

    code = "TOO_LARGE"


class UnsupportedEncoding(InvalidInput):
    """A compressed body: what it unpacks to nobody has bounded."""

    code = "UNSUPPORTED_ENCODING"


class Overloaded(Unavailable):
    """More work waits than can be done in time."""

    code = "OVERLOADED"


class ModelFailed(Unavailable):
    """The live arm itself failed."""

    code = "MODEL_FAILED"


class BudgetSpent(RateLimited):
    """What an answer may come to is more than is left of the budget, with what others have under way."""

    code = "BUDGET_SPENT"


class BudgetUnknown(Unavailable):
    """The ledger of budgets cannot be written, so nobody knows what is left."""

    code = "BUDGET_UNKNOWN"


class GuardRefused(InvalidInput):
    """A guard of the application refuses what is asked, or what was answered; `context["side"]` says which."""

    code = "GUARD_REFUSED"


class GuardFailed(Failed):
    """A guard of the application failed, and its set lets nothing through without it."""

    code = "GUARD_FAILED"


BODY_LIMIT = "A deployment whose rows or texts are big raises deployments.NAME.serving.body_limit."
"""What to do about rows that are larger than a body may be, such as images, and about long texts."""
