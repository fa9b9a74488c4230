"""What can go wrong around alerts."""

from modelyard.core import NotFound, Unavailable


class NoSuchAlert(NotFound):
    """No alert, or silence, goes by this name now."""

    code = "NO_ALERT"


class NotDelivered(Unavailable):
    """A receiver did not take a notification; it will be tried again."""

    code = "NOT_DELIVERED"
