"""A model that reads two views and an expression, its online store, and a log of what it was served."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from modelyard.access import local_principal
from modelyard.audit import AuditLog
from modelyard.core import ManualClock, Micros, Scalar, to_micros
from modelyard.features import (
    AppliedDefinitions,
    Definitions,
    Entity,
    FeatureStore,
    FeatureView,
    OnDemandView,
    RequestSource,
    ServedDeployments,
    VersionPlan,
)
from modelyard.history import PredictionLog
from modelyard.journal import Journal, PredictionRecord
from modelyard.online import FeatureReader, LocalOnlineStore, RequestField, StoredRow
from modelyard.storage import RecordStore, open_record_store

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
shop = Entity("shop")


def table(*rows: tuple[str, datetime, datetime, float | None, str | None]) -> pa.Table:
    """Rows of a shop: when they were true, when known, its queue and its mood."""
    names = ("shop", "at", "known", "queue", "mood")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def stock() -> pa.Table:
    """An hour's row for each of two shops, known five minutes later."""
    rows = []
    for hour in range(-6, 7):
        at = NOON + hour * HOUR
        for name, factor in (("a", 1.0), ("b", 10.0)):
            mood = None if hour % 3 == 0 else f"mood {hour}"
            rows.append((name, at, at + timedelta(minutes=5), factor * hour, mood))
    return table(*rows)


def view(source: object = None, **changes: object) -> FeatureView:
    """The view of the shops."""
    options = {"ttl": 3 * HOUR, "available_at": "known", "features": ["queue", "mood"]} | changes
    given = stock() if source is None else source
    return FeatureView("shops", entities=[shop], source=given, event_time="at", **options)  # type: ignore[arg-type]


def pace(of: FeatureView, expression: str = "coalesce(queue, -1) / people") -> OnDemandView:
    """An expression of the queue and of a field of the request."""
    visit = RequestSource("visit", schema={"people": "float64"})
    return OnDemandView("pace", sources=[of, visit], features={"each": expression})


@dataclass
class Stage:
    """Serves as the data plane does: the plan's reader over the online store, and the journal."""

    folder: Path
    views: Sequence[FeatureView | OnDemandView] = ()
    inputs: Sequence[str] = ("shops:queue", "shops:mood", "pace:each")
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON - 6 * HOUR))

    def __post_init__(self) -> None:
        first = view()
        self.records: RecordStore = open_record_store(f"sqlite:///{self.folder / 'records.db'}")
        self.records.migrate()
        self.online = LocalOnlineStore(self.folder / "online")
        self.log = PredictionLog(self.folder / "journal", self.folder / "log")
        self.journal = Journal(self.folder / "journal", "server", self.clock)
        self.define(*(self.views or (first, pace(first))))
        request = [RequestField("shop", "category"), RequestField("people", "number")]
        plan = self.features.plan(self.inputs, request)
        self.version = VersionPlan(tuple(each.rpartition(":")[2] for each in self.inputs), plan)
        self.reader = FeatureReader(self.online, plan, self.features.functions)
        self._count = 0

    def define(self, *views: FeatureView | OnDemandView) -> None:
        """From now on these are the definitions of the project."""
        served = ServedDeployments(self.log, ("shop",), lambda _deployment, _version: self.version)
        self.features = FeatureStore(Definitions(views), self.online, self.records, self.clock, served)

    def apply(self) -> None:
        """As `modelyard features apply` does."""
        applied = AppliedDefinitions(self.records, AuditLog(self.records, self.clock), self.clock)
        applied.apply(self.features.definitions, local_principal())

    def materialize(self, at: datetime, until: datetime | None = None) -> None:
        """Bring everything up at an instant."""
        self.clock.set(at)
        self.features.materializer.materialize(until or at)

    def overwrite(self, shop: str, at: datetime, *values: Scalar) -> None:
        """Somebody writes a row into the online store that no source has."""
        row = StoredRow(to_micros(at), to_micros(at), values)
        self.online.write(self.version.plan.views[0].table, [((shop,), row)])

    def serve(self, at: datetime, shop: str = "a", people: float = 2.0, **changes: object) -> str:
        """Answer a request at an instant; its prediction id."""
        found = self.reader.row({"shop": shop, "people": people}, Micros(to_micros(at)))
        self._count += 1
        record: dict[str, object] = {
            "prediction_id": f"id-{self._count}", "event_us": to_micros(at), "deployment": "shop", "generation": 1,
            "model_version": "1", "arm": "live", "role": "live", "answered": True, "entity": None,
            "features": tuple(found.values[name] for name in self.version.inputs), "prediction": "1",
            "scores": (0.5,), "latency_us": 10, "request": (shop, people),
        }  # fmt: skip
        self.journal.append([PredictionRecord(**(record | changes))])  # type: ignore[arg-type]
        return f"id-{self._count}"

    def close(self) -> None:
        """Release the stores."""
        self.journal.close()
        self.records.close()
        self.online.close()
