"""Access: principals, the five roles, API keys, and the question who may do what.

Owns the words and the decision. Does not own where keys are stored or published (`wiring`) or asking at an edge
(`serving`, `operations`).
"""

from .errors import NotAuthenticated, PermissionDenied
from .keys import KeyRing, KnownKey, load_pepper, mint_key, token_digest
from .loopback import is_loopback
from .policy import ROLE_PERMISSIONS, Permission, authorize
from .principals import SYSTEM, local_principal
from .records import Principal, Role, StoredKey

__all__ = [
    "ROLE_PERMISSIONS",
    "SYSTEM",
    "KeyRing",
    "KnownKey",
    "NotAuthenticated",
    "Permission",
    "PermissionDenied",
    "Principal",
    "Role",
    "StoredKey",
    "authorize",
    "is_loopback",
    "load_pepper",
    "local_principal",
    "mint_key",
    "token_digest",
]
