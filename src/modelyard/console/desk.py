"""What the pages are given: somebody who carries operations out, at once or later, and knows who asks."""

from contextvars import ContextVar
from typing import Any

from fastapi import Request

from modelyard.access import Principal
from modelyard.operations import Operation, carry_out

from .identity import Identity, is_of_this_machine
from .later import Later, Worked
from .projects import Projects

_HERE: ContextVar[bool] = ContextVar("of_this_machine", default=False)
"""Whether the request that is being answered comes from this machine; not known is no."""


class Desk:
    """Carries operations out for principals, each with a project of his own. Safe for several threads."""

    def __init__(self, projects: Projects, identity: Identity) -> None:
        self._projects = projects
        self._identity = identity
        self._later = Later()

    @property
    def name(self) -> str:
        """The project's name."""
        return self._projects.first.settings.project

    def carry_out(self, operation: Operation[Any], given: Any, principal: Principal) -> Any:
        """What `operations.carry_out` gives for this principal; its errors are passed on."""
        with self._projects.opened(principal) as project:
            return carry_out(operation, project, given, principal=principal)

    def later(self, operation: Operation[Any], given: Any, principal: Principal, *, wait: bool = True) -> Worked:
        """The same for what takes longer than a page may: worked out beside, and told as soon as it is there."""
        key = operation.name, given, principal
        return self._later.ask(key, lambda: self.carry_out(operation, given, principal), wait=wait)

    def close(self) -> None:
        """Nothing more is worked out."""
        self._later.close()

    def authenticate(self, token: str | None) -> Principal:
        """Who shows this token of a session, or this API key; without either the user that runs the console, unless it
        asks everybody for a key.
        """
        if not token:
            return self._identity.local(here=_HERE.get())
        return self._identity.of_token(token)

    def begin(self, key: str) -> str:
        """The token of a new session for the holder of a key, for a cookie."""
        return self._identity.sessions.begin(key)[0]

    def end(self, token: str) -> None:
        """End a session."""
        self._identity.sessions.end(token)


async def pages_ask(request: Request) -> None:
    """The policy of the pages: each asks who it is through its desk, and every page and action is an operation that is
    authorized. What the desk cannot see, whether the request comes from this machine, is noted for it here.
    """
    _HERE.set(is_of_this_machine(request))
