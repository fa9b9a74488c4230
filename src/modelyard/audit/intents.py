"""Intents: a change is recorded, then applied, then projected; what a crash cuts off is finished or undone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from modelyard.access import SYSTEM, Principal
from modelyard.core import Clock, IdSource, ModelyardError, log_event, to_micros
from modelyard.storage import Document, RecordStore, Snapshot, Transaction

from .chain import AuditLog
from .errors import IntentUndone

KIND = "intent"
State = Literal["recorded", "applied", "done", "undone"]
Note = Callable[[Transaction], bool]
"""Writes down, with the end of an intent, what was projected; False when that is outdated already."""

_PENDING: tuple[State, ...] = ("recorded", "applied")
_ENDED: tuple[State, ...] = ("done", "undone")
_TRIES = 5


@dataclass(frozen=True)
class Intent:
    """A change that was decided: what kind, about what, and how far it has come."""

    id: str
    kind: str
    subject: str
    payload: Mapping[str, Any]
    principal: str
    state: State


class IntentHandler(Protocol):
    """How one kind of change reaches the world. Every method may be called again after a crash and must allow it."""

    def apply(self, intent: Intent) -> None:
        """Make the change effective (publish a feed, say). Raising ModelyardError means it cannot be: it is undone."""

    def project(self, intent: Intent) -> Note | None:
        """Show the change elsewhere (in MLflow, say). A failure here is retried later and undoes nothing.

        What it returns is called in the transaction that ends the intent; when that is False it is asked again.
        """

    def undo(self, tx: Transaction, intent: Intent) -> None:
        """Take back in the record store what was decided with the intent."""


class Intents:
    """Carries out changes so that no crash leaves half of one.

    The decision, the intent and the audit entry are one transaction. `reconcile` continues whatever is not finished;
    it may run at any time in any process, since every handler allows repetition.
    """

    def __init__(
        self,
        records: RecordStore,
        audit: AuditLog,
        clock: Clock,
        ids: IdSource,
        handlers: Mapping[str, IntentHandler],
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._handlers = handlers

    def carry_out(
        self,
        kind: str,
        subject: str,
        payload: Mapping[str, Any],
        principal: Principal,
        decide: Callable[[Transaction], Mapping[str, Any] | None],
        *,
        project: bool = True,
        action: str = "",
    ) -> Intent:
        """Decide, record, apply and project one change; `action` is what the audit calls it, the kind by default.

        `decide` writes the decision within the transaction and may return more payload. Whatever it raises is raised,
        and nothing has happened. IntentUndone when the change could not be applied. Without `project` the projection
        is left to the reconciler: nothing on the way of a rollback waits for what only shows.
        """
        identity = self._ids.new(to_micros(self._clock.now()))
        with self._records.transaction() as tx:
            intent = Intent(
                identity, kind, subject, {**payload, **(decide(tx) or {})}, principal.name, state="recorded"
            )
            self._audit.record(tx, principal, action or kind, subject, intent.payload)
            _put(tx, intent)
        return self._continue(intent, project=project)

    def reconcile(self, *, project: bool = True) -> list[Intent]:
        """Finish or undo what is not finished, oldest first; returns what was continued.

        Without `project` only what was not applied is: that is quick, and asks nothing of MLflow.
        """
        continued = []
        for intent in self.pending():
            if not project and intent.state == "applied":
                continue
            try:
                continued.append(self._continue(intent, project=project))
            except IntentUndone:
                continued.append(_as(intent, "undone"))
        return continued

    def pending(self) -> list[Intent]:
        """Intents that are not finished, oldest first (ids sort by time)."""
        with self._records.snapshot() as view:
            found = [document for state in _PENDING for document in view.find(KIND, "state", state)]
        return sorted((_intent(each) for each in found), key=lambda intent: intent.id)

    def _continue(self, intent: Intent, *, project: bool) -> Intent:
        handler = self._handlers[intent.kind]
        if intent.state == "recorded":
            self._apply(handler, intent)
            intent = self._advance(intent, "applied")
        for _ in range(_TRIES):
            if not project or intent.state != "applied":
                break
            try:
                note = handler.project(intent)
            except ModelyardError as error:
                log_event("audit", "projection failed, will be retried", intent=intent.id, error=str(error))
                break
            intent = self._advance(intent, "done", note)
        return intent

    def _apply(self, handler: IntentHandler, intent: Intent) -> None:
        try:
            handler.apply(intent)
        except ModelyardError as error:
            with self._records.transaction() as tx:
                state = _state(tx, intent)
                if state in ("applied", "done"):
                    return  # a reconciler could apply it
                if state == "recorded":
                    handler.undo(tx, intent)
                    self._audit.record(tx, SYSTEM, f"{intent.kind}.undone", intent.subject, {"why": str(error)})
                    _put(tx, _as(intent, "undone"))
            raise IntentUndone(
                f"{intent.kind} of '{intent.subject}' was taken back: {error.message}",
                context={"intent": intent.id, **error.context},
                remedy=error.remedy,
            ) from error

    def _advance(self, intent: Intent, state: State, note: Note | None = None) -> Intent:
        """Write down how far it has come; never back, where another process has brought it further."""
        with self._records.transaction() as tx:
            now = _state(tx, intent)
            if now in _ENDED:
                return _as(intent, now)
            if note is not None and not note(tx):
                return intent
            _put(tx, _as(intent, state))
        return _as(intent, state)


def _put(tx: Transaction, intent: Intent) -> None:
    body = {name: getattr(intent, name) for name in ("kind", "subject", "payload", "principal", "state")}
    tx.put(KIND, intent.id, {**body, "payload": dict(intent.payload)}, labels={"state": intent.state})


def _state(view: Snapshot, intent: Intent) -> State:
    document = view.get(KIND, intent.id)
    return intent.state if document is None else document.body["state"]


def _as(intent: Intent, state: State) -> Intent:
    return Intent(intent.id, intent.kind, intent.subject, intent.payload, intent.principal, state)


def _intent(document: Document) -> Intent:
    return Intent(id=document.key, **document.body)
