"""What a project has live: versions, aliases, routes, and the log of what they answered."""

from functools import cached_property
from typing import Any

import msgspec

from modelyard.access import StoredKey
from modelyard.audit import IntentHandler, Intents, Note
from modelyard.core import (
    Digest,
    ModelyardError,
    canonical_json,
    digest_of,
)
from modelyard.history import PredictionLog
from modelyard.inference import Bundle, load_bundle
from modelyard.llm import Queues
from modelyard.registry import Approvals, NotServable, Projector, Registry
from modelyard.rollout import (
    ALIAS_CHANGE,
    INTENT,
    Alarm,
    AliasProjection,
    OutsideChanges,
    Promotions,
    Rollouts,
    RoutePublisher,
    SmokeTests,
)
from modelyard.routing import FeedFolder, KeyEntry
from modelyard.storage import Snapshot
from modelyard.tracking import RegisteredModels

from .stores import ProjectStores

KEYS = "key"
"""The kind of the documents that API keys are stored as."""


class DeployedProject(ProjectStores):
    """Models and their deployments, beside the stores."""

    @cached_property
    def feed(self) -> FeedFolder:
        """The feed that servers follow."""
        return FeedFolder(self.workspace / "feed")

    @property
    def upstreams(self) -> dict[str, dict[str, Any]]:
        """What has text made for applications, as servers read it."""
        return {name: each.declared for name, each in self.settings.upstreams.items()}

    @cached_property
    def publisher(self) -> RoutePublisher:
        """Publishes the feed."""
        return RoutePublisher(
            self.records,
            self.feed,
            _key_entries,
            self._project,
            self.settings.deployments,
            authentication=self.settings.security.authentication,
            trust=lambda: self.trust,
            audit=self.audit,
            upstreams=self.upstreams,
        )

    def _project(self, model: str) -> Note:
        return self.projector.project(model)

    @cached_property
    def intents(self) -> Intents:
        """Changes on their way, and their reconciler."""
        handlers: dict[str, IntentHandler] = {
            INTENT: self.publisher,
            ALIAS_CHANGE: AliasProjection(lambda: self.projector),
        }
        return Intents(self.records, self.audit, self.clock, self.ids, handlers)

    @cached_property
    def projector(self) -> Projector:
        """Shows the registry in MLflow."""
        return Projector(self.records, RegisteredModels(self.tracker))

    @cached_property
    def models(self) -> Registry:
        """Model versions and aliases."""
        tracked = RegisteredModels(self.tracker)
        return Registry(self.records, self.audit, self.artifacts, tracked, self.clock, self.approvals)

    @cached_property
    def approvals(self) -> Approvals:
        """Who may let a version hold an alias."""
        return Approvals(self.records, self.audit, self.clock, self.settings.security.approvals, self._configuration)

    def _configuration(self, model: str, alias: str) -> Digest:
        """The digest of what serves an alias of a model: the model's section, and the deployments that follow."""
        section = self.settings.models.get(model)
        following = self.rollouts.following(model, alias)
        told = {
            "model": section.model_dump(mode="json") if section is not None else None,
            "deployments": {each: self.settings.deployments[each].model_dump(mode="json") for each in following},
        }
        return digest_of(canonical_json(told))

    @cached_property
    def rollouts(self) -> Rollouts:
        """Deployments."""
        return Rollouts(
            self.records,
            self.intents,
            self.models,
            self.feed,
            self.log,
            self.clock,
            self.ids,
            self.settings.deployments,
            alarms=self.alarms,
        )

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What may take a rollout back besides its own evidence."""
        return ()

    @cached_property
    def smoke_tests(self) -> SmokeTests:
        """Golden rows asked of running servers."""
        return SmokeTests(self.records, self.audit, self.feed, self.clock)

    @cached_property
    def promotions(self) -> Promotions:
        """Moving aliases, through rollouts where deployments follow."""
        return Promotions(self.records, self.intents, self.models, self.rollouts, self.clock)

    @cached_property
    def outside(self) -> OutsideChanges:
        """What plain MLflow clients changed."""
        policy = self.settings.security.outside_changes
        return OutsideChanges(self.intents, self.models, self.projector, self.promotions, policy)

    def bundle(self, deployment: str, version: str) -> Bundle:
        """The bundle of a deployment's version, as servers have it."""
        digest = self.models.get(self.settings.deployments[deployment].model_name, version).bundle
        if digest is None:
            raise NotServable(f"Version {version} of '{deployment}' has no bundle.")
        if digest not in self._bundles:
            self._bundles[digest] = load_bundle(self.feed.bundle_path(digest), expect=digest, trust=self.trust)
        return self._bundles[digest]

    @cached_property
    def _bundles(self) -> dict[str, Bundle]:
        return {}

    @cached_property
    def queues(self) -> Queues:
        """Answers of language models for people to judge."""
        return Queues(self.records, self.audit, self.clock, self.ids)

    @cached_property
    def log(self) -> PredictionLog:
        """The prediction log."""
        return PredictionLog(self.journal_folder, self.log_folder, names=self._feature_names, clock=self.clock)

    def _feature_names(self, deployment: str, version: str) -> tuple[str, ...] | None:
        """The features of a deployment's version; None when it is not in the project any more."""
        if deployment not in self.settings.deployments:
            return None
        known = self._known_names
        if (deployment, version) not in known:
            try:
                known[deployment, version] = self.bundle(deployment, version).info.signature.names
            except (ModelyardError, OSError):  # the log is readable without: by place
                known[deployment, version] = None
        return known[deployment, version]

    @cached_property
    def _known_names(self) -> dict[tuple[str, str], tuple[str, ...] | None]:
        return {}


def _key_entries(view: Snapshot) -> tuple[KeyEntry, ...]:
    """The keys that servers accept."""
    keys = [msgspec.convert(each.body, StoredKey) for each in view.scan(KEYS)]
    return tuple(key_entry(each) for each in keys if each.revoked_us is None and not each.once)


def key_entry(key: StoredKey) -> KeyEntry:
    """A key as servers know it."""
    return KeyEntry(key.key_id, key.digest, key.role.value, key.deployments, key.expires_us, key.groups)
