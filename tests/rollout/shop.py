"""A registry with its rollouts over real stores, for tests that run it in several processes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.access import Principal, Role
from modelyard.audit import AuditLog, IntentHandler, Intents
from modelyard.core import Clock, Digest, Judgement, SystemClock, SystemIds, Verdict, atomic_write
from modelyard.history import PredictionLog
from modelyard.registry import ApprovalRule, Approvals, Projector, Registry
from modelyard.rollout import (
    ALIAS_CHANGE,
    INTENT,
    AliasProjection,
    DeploymentSettings,
    Promotions,
    Rollouts,
    RoutePublisher,
)
from modelyard.routing import FeedFolder
from modelyard.storage import open_artifact_store, open_record_store
from modelyard.tracking import RegisteredModels, Shown

ANA, BOB, EVE = (Principal(name, (Role.OPERATOR,), "key") for name in ("ana", "bob", "eve"))


class Mirror(RegisteredModels):
    """Where versions get their numbers and aliases are shown: a file, in the place of MLflow and its import."""

    def __init__(self, file: Path) -> None:
        self._file = file

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
        kept = self._read()
        stages = kept.setdefault(model, {"aliases": {}, "stages": {}})["stages"]
        stages[str(len(stages) + 1)] = "None"
        self._write(kept)
        return len(stages)

    def shown(self, model: str) -> Shown | None:
        found = self._read().get(model)
        if found is None:
            return None
        return Shown(found["aliases"], {int(number): stage for number, stage in found["stages"].items()})

    def show(self, model: str, aliases: Mapping[str, int | None], stages: Mapping[int, str]) -> None:
        kept = self._read()
        found = kept[model]
        merged = {**found["aliases"], **aliases}
        found["aliases"] = {alias: version for alias, version in merged.items() if version is not None}
        found["stages"].update({str(number): stage for number, stage in stages.items()})
        self._write(kept)

    def tell(self, model: str, number: int, tags: Mapping[str, str | None], description: str | None) -> None:
        kept = self._read()
        said = kept[model].setdefault("said", {}).setdefault(str(number), {"tags": {}})
        said["tags"] = {tag: value for tag, value in {**said["tags"], **tags}.items() if value is not None}
        said["description"] = description
        self._write(kept)

    def delete(self, model: str, number: int) -> None:
        kept = self._read()
        kept[model]["stages"].pop(str(number), None)
        self._write(kept)

    def mark(self) -> str | None:
        return self._file.read_text() if self._file.exists() else "none"

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}
        return found

    def _write(self, kept: dict[str, Any]) -> None:
        atomic_write(self._file, json.dumps(kept).encode(), durable=False)


class Shop:
    """Everything that a promotion needs, in a folder; `deployments` by name."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str | None = None,
        clock: Clock | None = None,
        deployments: Mapping[str, Mapping[str, Any]] | None = None,
        rules: Mapping[str, ApprovalRule] | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.configuration = Digest("c")
        self.records = open_record_store(url or f"sqlite:///{folder / 'records.db'}")
        self.records.migrate()
        self.audit = AuditLog(self.records, self.clock)
        self.tracked: RegisteredModels = Mirror(folder / "mirror.json")
        self.projector = Projector(self.records, self.tracked)
        self.feed = FeedFolder(folder / "feed")
        settings = {name: DeploymentSettings.model_validate(each) for name, each in (deployments or {}).items()}
        self.approvals = Approvals(self.records, self.audit, self.clock, rules or {}, lambda *_: self.configuration)
        artifacts = open_artifact_store(str(folder / "artifacts"))
        self.registry = Registry(self.records, self.audit, artifacts, self.tracked, self.clock, self.approvals)
        publisher = RoutePublisher(
            self.records, self.feed, lambda _: (), self.projector.project, {}, authentication=False
        )
        handlers: dict[str, IntentHandler] = {INTENT: publisher, ALIAS_CHANGE: AliasProjection(lambda: self.projector)}
        ids = SystemIds()
        self.intents = Intents(self.records, self.audit, self.clock, ids, handlers)
        log = PredictionLog(folder / "journal", folder / "log")
        self.rollouts = Rollouts(self.records, self.intents, self.registry, self.feed, log, self.clock, ids, settings)
        self.promotions = Promotions(self.records, self.intents, self.registry, self.rollouts, self.clock)

    def version(
        self, bundle: Path | None, digest: Digest | None, name: str = "fraud", verdict: Verdict = Verdict.PASS
    ) -> int:
        """Register one more version, by eve."""
        registered = self.registry.register(
            name, principal=EVE, bundle=bundle, digest=digest, gates=(Judgement(verdict),), metrics={"auc": 0.9}
        )
        return registered.number

    def live(self, deployment: str) -> str | None:
        """The live version that servers of a deployment see."""
        feed = self.feed.read()
        routes = feed.routes if feed is not None else ()
        return next((each.live.version for each in routes if each.deployment == deployment), None)

    def verify(self, name: str = "fraud", *, audit: bool = True) -> dict[str, int]:
        """Check that nothing contradicts anything; returns the aliases."""
        aliases, moves = self.registry.aliases(name), self.registry.history(name)
        for alias in {move.alias for move in moves}:
            chain = [move for move in moves if move.alias == alias]
            assert [move.before for move in chain] == [None, *(move.to for move in chain[:-1])], "a gap in the history"
            assert chain[-1].to == aliases.get(alias)
        for deployment in self.rollouts.following(name, "production"):
            route = self.rollouts.route(deployment)
            assert (self.live(deployment) or None) == (route.live.version if route is not None else None)
            if route is not None:
                assert aliases["production"] == int(route.live.version)
        archived = {each.number for each in self.registry.versions(name) if each.archived}
        assert archived.isdisjoint(aliases.values())
        followed = {move.before for move in moves if move.alias == "production" and move.to is not None} - {None}
        assert archived == followed - set(aliases.values())
        assert not audit or self.audit.verify().intact
        return aliases
