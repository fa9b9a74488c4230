"""Who acts when nobody showed a key."""

import os
from collections.abc import Mapping, Sequence

from .records import Principal, Role

SYSTEM = Principal("modelyard", (Role.OPERATOR,), "system")
"""The system itself: the scheduler, the retraining loop, the reconciler."""


def local_principal(roles: Mapping[str, Sequence[Role]] | None = None) -> Principal:
    """The operating-system user, by the process' own user id: variables such as USER make nobody another one.

    `roles` by user name; whoever is not among them may look. Without any, whoever runs the command may do everything to
    a workspace on their own disk.
    """
    name = _user()
    return Principal(name, tuple((roles or {}).get(name, (Role.VIEWER,))) if roles else (Role.OPERATOR,), "os")


def _user() -> str:
    """The name of the user that this process runs as; the number where there is no name, as in some containers."""
    try:
        import pwd  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return os.getlogin()
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid-{os.geteuid()}"
