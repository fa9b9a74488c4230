"""Who acts when nobody showed a key."""

import getpass

from .records import Principal, Role

SYSTEM = Principal("modelyard", (Role.OPERATOR,), "system")
"""The system itself: the scheduler, the retraining loop, the reconciler."""


def local_principal() -> Principal:
    """The operating-system user, who may do everything to a workspace on its own disk."""
    return Principal(getpass.getuser(), (Role.OPERATOR,), "os")
