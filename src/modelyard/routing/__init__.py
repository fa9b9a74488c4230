"""Routes: which arm answers for which key, and the feed that brings routes to servers.

Owns the route as a value, assignment, the feed folder and server status. Does not own deciding on routes (`rollout`) or
answering (`serving`).
"""

from .assign import assign, assignment_key, check_route, intervals, place_of, pseudonym, shadows
from .errors import FeedDamaged, InvalidRoute, StaleFeed
from .feed import FeedFolder
from .records import DEFAULT_POLICY, Arm, ArmStatus, Feed, KeyEntry, Route, ServerStatus, ServingPolicy, fingerprint

__all__ = [
    "DEFAULT_POLICY",
    "Arm",
    "ArmStatus",
    "Feed",
    "FeedDamaged",
    "FeedFolder",
    "InvalidRoute",
    "KeyEntry",
    "Route",
    "ServerStatus",
    "ServingPolicy",
    "StaleFeed",
    "assign",
    "assignment_key",
    "check_route",
    "fingerprint",
    "intervals",
    "place_of",
    "pseudonym",
    "shadows",
]
