"""What can be wrong with a route or a feed."""

from modelyard.core import Conflict, Damaged, InvalidInput


class InvalidRoute(InvalidInput):
    """The arms do not add up to a route."""

    code = "INVALID_ROUTE"


class FeedDamaged(Damaged):
    """The feed file is not what was published."""

    code = "FEED_DAMAGED"


class StaleFeed(Conflict):
    """A newer feed has been published already."""

    code = "STALE_FEED"
