"""One model with its deployment, pipeline and policy, over real stores: what the tests of the loop share."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from modelyard.access import local_principal
from modelyard.audit import AuditLog, Intents
from modelyard.bundling import BuiltBundle
from modelyard.core import Judgement, ManualClock, SeededIds, Verdict
from modelyard.core.ids import IdSource
from modelyard.history import PredictionLog
from modelyard.inference import load_bundle
from modelyard.monitoring import AlertBook, AlertSettings, FeatureDrift, Monitors, MonitorSettings, Window
from modelyard.pipelines import Engine, PipelineRun, Place, find_run, gate, pipeline, step
from modelyard.pipelines.running.here import Here
from modelyard.registry import Projector, Registry
from modelyard.retraining import Retraining, RetrainingSettings
from modelyard.rollout import INTENT, DeploymentSettings, Rollouts, RoutePublisher
from modelyard.routing import FeedFolder
from modelyard.storage import open_artifact_store, open_record_store
from modelyard.tracking import RegisteredModels

from ..rollout.yard import Numbers

ME = local_principal()
DAY = timedelta(days=1)


class Once(Numbers):
    """Of one act it gives one number, as MLflow does, which keeps what was told it."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, int] = {}

    def create(
        self,
        model: str,
        source: str,
        run_id: str | None,
        tags: Mapping[str, str] | None = None,
        description: str = "",
        *,
        once: str | None = None,
    ) -> int:
        if once is not None and once in self.given:
            return self.given[once]
        number = super().create(model, source, run_id, tags, description)
        if once is not None:
            self.given[once] = number
        return number


class Yard:
    """One model with its deployment, pipeline and policy, over real stores."""

    def __init__(
        self,
        folder: Path,
        clock: ManualClock,
        built: BuiltBundle,
        *,
        tracker: RegisteredModels | None = None,
        ids: IdSource | None = None,
    ) -> None:
        """`ids`: other than seeded ones where several processes make some."""
        self.folder, self.clock, self.built = folder, clock, built
        self.records = open_record_store(f"sqlite:///{folder / 'records.db'}")
        self.records.migrate()
        self.audit = AuditLog(self.records, clock)
        self.numbers = Once()
        self.tracker = tracker or self.numbers
        self.ids = ids
        self.registry = Registry(
            self.records, self.audit, open_artifact_store(str(folder / "artifacts")), self.tracker, clock
        )
        self.feed = FeedFolder(folder / "feed")
        publisher = RoutePublisher(
            self.records,
            self.feed,
            lambda _: (),
            Projector(self.records, self.tracker).project,
            {},
            authentication=False,
        )
        self.intents = Intents(self.records, self.audit, clock, ids or SeededIds(0), {INTENT: publisher})
        self.log = PredictionLog(folder / "journal", folder / "log")
        self.policy: dict[str, Any] = {"pipeline": "training", "deployment": "d", "cooldown": "7d", "schedule": None}
        self.strategy: dict[str, Any] = {"strategy": "all-at-once"}
        self.auc, self.gated, self.registers = 0.9, True, True
        self.trained: list[str] = []
        self.params: list[dict[str, Any]] = []
        self.rows: dict[str, int] = {}
        self.loop = self.restarted()

    def restarted(self, model: str = "fraud") -> Retraining:
        """The loop as a new process makes it."""
        deployment = DeploymentSettings.model_validate({"model": "fraud@production", **self.strategy})
        self.rollouts = Rollouts(
            self.records,
            self.intents,
            self.registry,
            self.feed,
            self.log,
            self.clock,
            self.ids or SeededIds(1),
            {"d": deployment},
        )
        bundle = load_bundle(self.built.path)
        watched = {"d": MonitorSettings(metric="auc", min_labels=100)}
        self.alerts = AlertBook(self.records, self.clock, AlertSettings())
        monitors = Monitors(self.records, self.log, self.clock, lambda _d, _v: bundle, watched, self.alerts)
        policies = {model: RetrainingSettings.model_validate(self.policy)}
        self.loop = Retraining(
            self.records, self.audit, monitors, self.registry, self.rollouts, self.run, self.clock, policies,
            self.rows_since,
        )  # fmt: skip
        return self.loop

    def rows_since(self, model: str, since: datetime, until: datetime) -> int | None:
        """As many rows as the test says are new."""
        assert since <= until
        return self.rows.get(model)

    def run(self, name: str, params: Mapping[str, Any], run_id: str) -> PipelineRun:
        """A real pipeline: evaluate, a gate at .8, register; one that ended under this id is only read."""
        before = find_run(self.records, run_id)
        if before is not None and before.state in ("done", "stopped"):
            return before
        self.trained.append(run_id)
        self.params.append(dict(params))

        @step(kind="evaluate")
        def evaluate(as_of: object) -> dict[str, float]:
            """How the candidate does."""
            return {"auc": self.auc}

        @step(kind="register")
        def register(metrics: dict[str, float], gates: list[Judgement]) -> int | None:
            """A version with what its gates said."""
            return self.version(gates, run_id) if self.registers else None

        @pipeline
        def training(as_of: object, rounds: int = 1, window: object = None) -> None:
            """Evaluate, and register what is good enough."""
            metrics = evaluate(as_of)
            register(metrics, [gate(metrics, {"auc": 0.8})] if self.gated else [])

        store = open_artifact_store(str(self.folder / "artifacts"))
        place = Place(
            self.records, store, self.folder, self.folder, self.clock, Here(store, None), frozen=True,  # type: ignore[arg-type]  # no step asks for services
        )  # fmt: skip
        return Engine(place).run(training, params, run_id, cache=False)

    def version(self, gates: list[Judgement] | None = None, once: str | None = None) -> int:
        """Register one more version; of one act only one."""
        gates = [Judgement(Verdict.PASS)] if gates is None else gates
        return self.registry.register(
            "fraud", principal=ME, source="models:/m", run="r", bundle=self.built.path, digest=self.built.digest,
            gates=gates, once=None if once is None else f"{once}/register",
        ).number  # fmt: skip

    def live(self) -> str | None:
        """The version that is fully live."""
        route = self.rollouts.route("d")
        return route.live.version if route is not None else None

    def saw(self, **changes: Any) -> None:
        """A window of the last week, in which all was well but for the changes."""
        end = self.clock.now()
        well = Window(
            deployment="d", version=self.live() or "1", start=(end - 7 * DAY).isoformat(), end=end.isoformat(),
            requests=1000, errors=0, latency_p99_ms=5.0, labels=1000, coverage=1.0,
            features=(drift("amount", 0.02), drift("visits", 0.01)), drift_score=0.02,
            performance={"auc": 0.9, "accuracy": 0.9}, baseline={"auc": 0.9, "accuracy": 0.9},
            verdict="pass", reasons=(),
        )  # fmt: skip
        window = msgspec.structs.replace(well, **changes)
        with self.records.transaction() as tx:
            tx.put("window", f"d/{window.start}", msgspec.to_builtins(window))

    def kinds(self) -> list[str]:
        """Every transition so far."""
        return [event.kind for event in self.loop.history("fraud")]


def drift(name: str, effect: float, verdict: Any = "pass") -> FeatureDrift:
    """A feature of a window."""
    return FeatureDrift(name, "number", 0.0, effect, 0.05, 0.0, 0.0, verdict, "")


DRIFTED = {"drift_score": 0.4, "features": (drift("amount", 0.5, "fail"), drift("visits", 0.9, "inconclusive"))}
DECAYED = {"performance": {"auc": 0.7, "accuracy": 0.9}}
