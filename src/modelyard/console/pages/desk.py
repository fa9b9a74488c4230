"""What pages need of the process that serves them: somebody who carries operations out, and knows who asks."""

import threading
from typing import Any, Protocol

import msgspec

from modelyard.access import KeyRing, NotAuthenticated, Principal, StoredKey, load_pepper
from modelyard.core import to_micros
from modelyard.operations import Operation, carry_out
from modelyard.wiring import KEYS, Project


class Desk(Protocol):
    """Carries operations out for principals. Called from several threads at once."""

    @property
    def name(self) -> str:
        """The project's name."""

    def carry_out(self, operation: Operation[Any], given: Any, principal: Principal) -> Any:
        """What `operations.carry_out` gives for this principal; its errors are passed on."""

    def authenticate(self, token: str | None) -> Principal:
        """Who shows this API key, this token of `begin`, or nothing; NotAuthenticated for one unknown, or needed."""

    def begin(self, key: str) -> str:
        """The token that a browser keeps once somebody has signed in with an API key; NotAuthenticated otherwise."""

    def end(self, token: str) -> None:
        """Whoever shows this token is signed out."""


class ProjectDesk:
    """A desk over one open project, which is used by one thread at a time.

    Who shows no key is the project's own principal, unless the project asks for authentication.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The project's name."""
        return self._project.settings.project

    def carry_out(self, operation: Operation[Any], given: Any, principal: Principal) -> Any:
        """One after another."""
        with self._lock:
            return carry_out(operation, self._project, given, principal=principal)

    def authenticate(self, token: str | None) -> Principal:
        """By the keys of the record store, as they are now."""
        project = self._project
        if not token:
            if project.settings.security.authentication:
                raise NotAuthenticated(
                    "This console asks for an API key.", remedy="Make one: modelyard key create --name NAME."
                )
            return project.principal
        with self._lock:
            with project.records.snapshot() as view:
                stored = [msgspec.convert(each.body, StoredKey) for each in view.scan(KEYS)]
            pepper = load_pepper(project.run_folder / "pepper")
        ring = KeyRing((each for each in stored if each.revoked_us is None), pepper)
        return ring.authenticate(token, to_micros(project.clock.now()))

    def begin(self, key: str) -> str:
        """The key itself: it is checked at each request, and revoked it opens nothing."""
        self.authenticate(key)
        return key

    def end(self, token: str) -> None:
        """Nothing is kept here that could end."""
