"""Why someone may not."""

from modelyard.core import Forbidden, InvalidInput, Unavailable


class PermissionDenied(Forbidden):
    """The principal is known, and its roles do not allow this."""

    code = "PERMISSION_DENIED"


class NotAuthenticated(Forbidden):
    """The principal is not known: no key, a wrong, expired or revoked one."""

    code = "NOT_AUTHENTICATED"


class RateLimited(Unavailable):
    """Somebody asks more often than he may; later he may again."""

    code = "RATE_LIMITED"


class RouteWithoutPolicy(InvalidInput):
    """A route says of nobody that he may call it."""

    code = "ROUTE_WITHOUT_POLICY"
