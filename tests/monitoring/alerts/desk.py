"""Everything around alerts on one record store, as a process that was just started has it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from modelyard.access import Principal, Role
from modelyard.audit import AuditLog
from modelyard.core import ManualClock
from modelyard.monitoring import (
    AlertBook,
    AlertSettings,
    AlertState,
    NotDelivered,
    Notice,
    Outbox,
    Outgoing,
    Responses,
    Values,
)
from modelyard.storage import RecordStore

MINUTE = timedelta(minutes=1)
ANN = Principal("ann", (Role.OPERATOR,), "os")
SECRET = "0123456789abcdef"
TOLD: Mapping[str, object] = {"notify": {"ops": {"webhook": "https://ops.example/x", "secret": SECRET}}}


class Desk:
    """Book, responses and outbox. `taken` is what the receiver took, and `take` how it takes it."""

    def __init__(self, records: RecordStore, clock: ManualClock, settings: Mapping[str, object] = TOLD) -> None:
        self.records, self.clock = records, clock
        self.settings = AlertSettings.model_validate(settings)
        self.book = AlertBook(records, clock, self.settings, {"shop": "fraud", "till": "fraud"})
        self.audit = AuditLog(records, clock)
        self.responses = Responses(records, self.audit, clock)
        self.outbox = Outbox(records, clock, self.settings, "corner")
        self.taken: list[tuple[str, Notice]] = []
        self.down = ""
        self.when_taken: Callable[[], None] = lambda: None

    def again(self) -> "Desk":
        """The same after a restart; what was taken stays taken."""
        desk = Desk(self.records, self.clock, self.settings.model_dump(by_alias=True))
        desk.taken = self.taken
        return desk

    def tell(self, values: Values, deployment: str = "shop") -> list[tuple[str, bool]]:
        """Tell values now; the rules that changed, and whether they fire."""
        return changes(self.book.tell("test", deployment, values, at=self.clock.now(), every=MINUTE, speaks_for=ALL))

    def later(self, minutes: float, values: Values | None = None) -> list[tuple[str, bool]]:
        """Let time pass, then tell; without values only evaluate."""
        self.clock.advance(minutes * MINUTE)
        return self.tell(values) if values is not None else changes(self.book.evaluate())

    def notices(self) -> list[Notice]:
        """Compose and deliver what is due; what was taken by that."""
        before = len(self.taken)
        self.outbox.compose()
        self.outbox.deliver(lambda _: self)
        return [notice for _, notice in self.taken[before:]]

    def deliver(self) -> list[Outgoing]:
        """Deliver what is due."""
        return self.outbox.deliver(lambda _: self)

    def take(self, notice: Notice, identity: str, at: datetime) -> None:
        """The receiver."""
        if self.down:
            raise NotDelivered(self.down)
        self.taken.append((identity, notice))
        self.when_taken()


ALL = ("latency_p99", "error_rate", "accuracy_drop", "drift_score", "feature_drift", "performance")


def changes(states: list[AlertState]) -> list[tuple[str, bool]]:
    """Names, and whether they fire now."""
    return [(each.alert.name, each.until is None) for each in states]


def said(notice: Notice) -> tuple[list[str], list[str]]:
    """Names of what fired and what resolved."""
    return [each.alert.name for each in notice.fired], [each.alert.name for each in notice.resolved]
