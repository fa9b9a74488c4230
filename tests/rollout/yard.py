"""A deployment of one model over real stores, its servers played by the journal."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from modelyard.access import local_principal
from modelyard.audit import AuditLog, Intents
from modelyard.bundling import BuiltBundle
from modelyard.core import Clock, Digest, Judgement, Micros, SeededIds, SystemClock, Unavailable, Verdict, to_micros
from modelyard.history import PredictionLog
from modelyard.journal import Journal, PredictionRecord, TruthRecord
from modelyard.registry import ApprovalRule, Approvals, Projector, Registry
from modelyard.rollout import INTENT, Alarm, DeploymentSettings, Rollouts, RoutePublisher
from modelyard.routing import ArmStatus, Feed, FeedFolder, ServerStatus, assign
from modelyard.storage import open_artifact_store, open_record_store
from modelyard.tracking import RegisteredModels

ME = local_principal()


class Numbers(RegisteredModels):
    """Gives version numbers and shows aliases, without MLflow."""

    def __init__(self) -> None:
        self.count = 0
        self.aliases: dict[str, int] = {}

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
        self.count += 1
        return self.count

    def show(self, model: str, aliases: Mapping[str, int | None], stages: Mapping[int, str]) -> None:
        self.aliases = {alias: version for alias, version in aliases.items() if version is not None}


class Feeds(FeedFolder):
    """A feed that refuses when told to."""

    refuses = False

    def publish(self, feed: Feed) -> None:
        if self.refuses:
            raise Unavailable("The disk is full.")
        super().publish(feed)


class Yard:
    """A deployment with a canary strategy, over real stores."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        built: BuiltBundle,
        *,
        declared: Mapping[str, Any] | None = None,
        rules: Mapping[str, ApprovalRule] | None = None,
        alarms: Sequence[Alarm] = (),
    ) -> None:
        self.records = open_record_store(f"sqlite:///{folder / 'records.db'}")
        self.records.migrate()
        audit = AuditLog(self.records, clock)
        self.feed = Feeds(folder / "feed")
        self.numbers = Numbers()
        self.approvals = Approvals(self.records, audit, clock, rules or {}, lambda *_: Digest("c"))
        artifacts = open_artifact_store(str(folder / "artifacts"))
        self.registry = Registry(self.records, audit, artifacts, self.numbers, clock, self.approvals)
        projector = Projector(self.records, self.numbers)
        publisher = RoutePublisher(self.records, self.feed, lambda _: (), projector.project, {}, authentication=False)
        self.intents = Intents(self.records, audit, clock, SeededIds(0), {INTENT: publisher})
        self.clock = clock
        self.journal = Journal(folder / "journal", "s", clock)
        standard = {"model": "fraud@production", "strategy": "canary", "steps": (10, 50, 100), "dwell": "1h"}
        self.settings = DeploymentSettings.model_validate({**standard, **(declared or {})})
        self.log = PredictionLog(folder / "journal", folder / "log")
        self.alarms = alarms
        self.rollouts = self.process()
        self._built = built
        self._asked = 0

    def process(self, *deployments: str, alarms: Sequence[Alarm] | None = None) -> Rollouts:
        """The rollouts as another process sees them; of several deployments, where more than `d` are asked for."""
        return Rollouts(
            self.records,
            self.intents,
            self.registry,
            self.feed,
            self.log,
            self.clock,
            SeededIds(1),
            dict.fromkeys(deployments or ("d",), self.settings),
            alarms=self.alarms if alarms is None else alarms,
        )

    def version(self, verdict: Verdict = Verdict.PASS) -> int:
        """Register one more version."""
        registered = self.registry.register(
            "fraud",
            principal=ME,
            source="models:/m",
            run="r",
            bundle=self._built.path,
            digest=self._built.digest,
            gates=(Judgement(verdict, (), {}),),
        )
        return registered.number

    def live(self) -> str:
        """The live version that servers see."""
        feed = self.feed.read()
        assert feed is not None
        return feed.routes[0].live.version

    def canary(self) -> None:
        """Version 1 live, version 2 as canary."""
        self.rollouts.start("d", self.version(), ME)
        self.rollouts.start("d", self.version(), ME)

    def serve(
        self,
        requests: int,
        *,
        canary_errors: float = 0.0,
        live_errors: float = 0.0,
        seed: int = 0,
        error: str = "model",
        entities: int = 0,
    ) -> None:
        """Answer requests by the weights of the route; what a canary fails, the live arm answers.

        With `entities` they come from so many, who stay on their arms; else each request is assigned by itself.
        """
        route = self.rollouts.route("d")
        assert route is not None
        random = np.random.default_rng(seed)
        records = []
        for _ in range(requests):
            self._asked += 1
            entity = f"e{random.integers(entities)}" if entities else None
            arm = assign(route, entity or f"{self._asked}/{seed}").name
            failed = bool(random.random() < (canary_errors if arm != "live" else live_errors))
            records.append(self.record(arm, error=error if failed else None, entity=entity))
            if failed and arm != "live":
                records.append(self.record("live", entity=entity))
        self.journal.append(records)

    def record(self, arm: str, *, error: Any = None, entity: str | None = None, number: int = 0) -> PredictionRecord:
        """What a server writes down of one request."""
        route = self.rollouts.route("d")
        assert route is not None
        at = to_micros(self.clock.now())
        found = next(each for each in route.arms if each.name == arm)
        return PredictionRecord(
            str(number or self._asked), at, "d", route.generation, found.version, arm, found.role, error is None,
            entity, (1.0,), None if error else "1", (0.5,), 900, error, Micros(at),
        )  # fmt: skip

    def scored(self, arm: str, score: float, number: int) -> PredictionRecord:
        """An answer with a score."""
        return msgspec.structs.replace(self.record(arm, number=number), scores=(score,))

    def label(self, of: Callable[[str, int], str]) -> None:
        """Let the truth of every answer be known, ten minutes after its request."""
        answers = self.log.predictions("d", answered=True, columns=("prediction_id", "arm", "event_us"))
        told = zip(*(answers.column(name).to_pylist() for name in ("prediction_id", "arm", "event_us")), strict=True)
        truths = [
            TruthRecord(
                identity, "d", of(arm, at), to_micros(event), Micros(to_micros(event) + 600_000_000), to_micros(event)
            )
            for at, (identity, arm, event) in enumerate(told)
        ]
        self.journal.append(truths)

    def beat(self, server: str = "s1", *, ago_s: float = 0.0, refused: str = "", follows: bool = True) -> None:
        """Let a server say how it is."""
        route = self.rollouts.route("d")
        assert route is not None
        loaded = [arm for arm in route.at(server).arms if follows or arm.name == "live"]
        arms = [
            ArmStatus("d", arm.name, arm.version, arm.bundle, not (refused and arm.name != "live"),
                      refused if arm.name != "live" else "")
            for arm in loaded
        ]  # fmt: skip
        now = to_micros(SystemClock().now()) - round(ago_s * 1e6)
        status = ServerStatus(server, 1, "", Micros(now), Micros(now), 1, {"d": route.generation}, tuple(arms))
        self.feed.write_status(status)
