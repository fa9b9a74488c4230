"""Who acts, in which role, and what a role may do."""

from enum import StrEnum

import msgspec

from modelyard.core import Micros


class Role(StrEnum):
    """The five roles. `operator` may do what all others may."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    APPROVER = "approver"
    OPERATOR = "operator"
    SERVICE = "service"


class Principal(msgspec.Struct, frozen=True):
    """Who acts: an operating-system user, the holder of an API key, or a part of the system itself."""

    name: str
    roles: tuple[Role, ...]
    source: str
    deployments: tuple[str, ...] = ()
    """Empty means all."""
    groups: tuple[str, ...] = ()
    """Groups of readers that the caller is in: what is retrieved for it is what these may read."""


class StoredKey(msgspec.Struct, frozen=True):
    """An API key at rest. The token is shown once and never stored."""

    key_id: str
    name: str
    role: Role
    digest: str
    created_us: Micros
    created_by: str
    deployments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    expires_us: Micros | None = None
    revoked_us: Micros | None = None
    replaces: str = ""
    """The key that this one was made to take the place of."""
    once: bool = False
    """Whether it opens the console once, and nothing else."""
    spent_us: Micros | None = None
    """When that was."""
