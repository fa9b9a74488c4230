"""Why a request to the console is refused before any operation sees it."""

from modelyard.access import NotAuthenticated
from modelyard.core import Forbidden, InvalidInput, NotFound, Unavailable


class UnknownHost(Forbidden):
    """The request names a host that the console is not known by, as a page that lies about its name would."""

    code = "HOST_NOT_SERVED"


class ForeignOrigin(Forbidden):
    """Another site's page asks in somebody's name."""

    code = "FOREIGN_ORIGIN"


class NoCsrfToken(Forbidden):
    """A session's request that changes something does not prove that it comes from the session's own pages."""

    code = "CSRF_TOKEN_MISSING"


class OidcRefused(NotAuthenticated):
    """What came back from the OpenID provider proves nobody."""

    code = "OIDC_REFUSED"


class OidcUnavailable(Unavailable):
    """The OpenID provider does not answer, or says of itself what cannot be used."""

    code = "OIDC_UNAVAILABLE"


class BodyTooLarge(InvalidInput):
    """More was sent than any operation takes."""

    code = "BODY_TOO_LARGE"


class NoSuchRoute(NotFound):
    """Nothing stands at this path."""

    code = "NO_SUCH_ROUTE"


class WrongMethod(InvalidInput):
    """Something stands at this path, and is asked with another method."""

    code = "WRONG_METHOD"


class InternalError(Unavailable):
    """The console failed in a way that nobody thought of."""

    code = "INTERNAL_ERROR"


class TooMuchAsked(Unavailable):
    """More is being worked out already than one thread gets done soon."""

    code = "TOO_MUCH_ASKED"
