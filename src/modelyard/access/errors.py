"""Why someone may not."""

from modelyard.core import Forbidden


class PermissionDenied(Forbidden):
    """The principal is known, and its roles do not allow this."""

    code = "PERMISSION_DENIED"


class NotAuthenticated(Forbidden):
    """The principal is not known: no key, a wrong, expired or revoked one."""

    code = "NOT_AUTHENTICATED"
