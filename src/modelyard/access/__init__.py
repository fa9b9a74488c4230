"""Access: principals, the five roles, API keys, who may do what, and how often.

Owns the words and the decision. Does not own where keys are stored or published (`wiring`) or asking at an edge
(`serving`, `operations`).
"""

from .errors import NotAuthenticated, PermissionDenied, RateLimited, RouteWithoutPolicy
from .keys import KeyRing, KnownKey, key_id_of, load_pepper, mint_key, token_digest
from .limits import Limits, RateLimit, source_of
from .loopback import is_loopback, is_safe_address
from .policy import ROLE_PERMISSIONS, Permission, authorize
from .principals import SYSTEM, local_principal
from .records import Principal, Role, StoredKey

__all__ = [
    "ROLE_PERMISSIONS",
    "SYSTEM",
    "KeyRing",
    "KnownKey",
    "Limits",
    "NotAuthenticated",
    "Permission",
    "PermissionDenied",
    "Principal",
    "RateLimit",
    "RateLimited",
    "Role",
    "RouteWithoutPolicy",
    "StoredKey",
    "authorize",
    "is_loopback",
    "is_safe_address",
    "key_id_of",
    "load_pepper",
    "local_principal",
    "mint_key",
    "source_of",
    "token_digest",
]
