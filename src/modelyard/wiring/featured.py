"""What a project knows of features: definitions, the online store, what was served."""

from functools import cached_property
from pathlib import Path

import msgspec

from modelyard.core import (
    NotFound,
    atomic_write,
)
from modelyard.features import (
    AppliedDefinitions,
    Definitions,
    FeatureStore,
    ServedDeployments,
    VersionPlan,
    load_definitions,
)
from modelyard.inference import BundleInfo
from modelyard.online import LOCAL, FeaturePlan, OnlineStore, open_online_store

from .watched import WatchedProject


class FeaturedProject(WatchedProject):
    """Features on both sides, beside what is watched."""

    @cached_property
    def online(self) -> OnlineStore:
        """The online store, for writing; that of the project which this one was made of, if any."""
        if self._lender is not None:
            with self._lender._lending:
                return self._lender.online
        return open_online_store(self.settings.stores.online.get_secret_value(), self.online_folder)

    def online_address(self) -> Path | None:
        """A file that tells servers where the online store is, which nobody else can read; None: it is embedded."""
        address = self.settings.stores.online.get_secret_value()
        if address == LOCAL:
            return None
        file = self.run_folder / "online-store"
        atomic_write(file, address.encode(), mode=0o600)
        return file

    @cached_property
    def features(self) -> FeatureStore:
        """The project's features."""
        section = self.settings.features
        pushed = self.workspace / "pushed"
        definitions = load_definitions(self.file.folder / section.module, pushed) if section else Definitions()
        served = ServedDeployments(self.log, tuple(self.settings.deployments), self._version_plan)
        return FeatureStore(definitions, self.online, self.records, self.clock, served)

    def _version_plan(self, deployment: str, version: str) -> VersionPlan:
        """What a version that a deployment served reads; NotFound for one that is not there, or has no bundle."""
        found = self.models.get(self.settings.deployments[deployment].model_name, version)
        document = self.models.bundle_file(found, "bundle.json")
        if document is None:
            raise NotFound(f"Version {version} of '{found.name}' has no bundle.", remedy="modelyard model show")
        info = msgspec.json.decode(document, type=BundleInfo)
        changed = self.settings.deployments[deployment].serving.policy.private
        return VersionPlan(tuple(info.signature.names), msgspec.convert(info.plan, FeaturePlan), changed)

    @cached_property
    def applied_features(self) -> AppliedDefinitions:
        """The feature definitions as they were applied."""
        return AppliedDefinitions(self.records, self.audit, self.clock)
