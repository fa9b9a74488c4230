"""How a project is watched: labels, windows, alerts, and the log beyond its machine."""

import os
from collections.abc import Sequence
from functools import cached_property

import msgspec

from modelyard.core import Digest
from modelyard.history import Ingester, ObjectShipper, Redacted, Retired, Shipper
from modelyard.inference import INFO_FILE, PREDICTIONS, PROFILE_FILE, Bundle, BundleInfo, ReferenceProfile
from modelyard.monitoring import (
    AlertBook,
    AlertGauges,
    Monitors,
    Outbox,
    ReceiverOf,
    References,
    RequestWatch,
    ResourceWatch,
    Responses,
    Stretches,
    receivers_of,
)
from modelyard.rollout import Alarm, Rollout, generations
from modelyard.routing import Route, pseudonym
from modelyard.streams import StreamAddress, is_stream_address, open_stream, without_password

from .deployed import DeployedProject
from .labels import ProjectLabels


class WatchedProject(DeployedProject):
    """What is looked at after serving, beside what is deployed."""

    @cached_property
    def labels(self) -> ProjectLabels:
        """Labels that come in tables."""
        return ProjectLabels(self.file, self.log, self.records, self.datasets, self.clock)

    def retire_log(self) -> Retired:
        """Delete the days of the log that are older than `log.retention` keeps; audited when there were any."""
        retired = self.log.retire(self.settings.log.retention)
        if retired.files:
            detail = {"files": retired.files, "records": retired.records, **retired.families}
            with self.records.transaction() as tx:
                self.audit.record(tx, self.principal, "log.retire", "log", detail)
        return retired

    def redact_log(
        self, *, entities: Sequence[str] = (), prediction_ids: Sequence[str] = (), deployment: str | None = None
    ) -> Redacted:
        """Take entities and features out of records already written; audited, without saying whose they were."""
        with self.records.transaction() as tx:
            asked = {"entities": len(entities), "predictions": len(prediction_ids), "deployment": deployment or ""}
            self.audit.record(tx, self.principal, "log.redact", "log", asked)
        return self.log.redact(entities=entities, prediction_ids=prediction_ids, deployment=deployment)

    def names_in_log(self, entity: str) -> list[str]:
        """Under which names an entity may stand in the log: its own, and its pseudonyms under every route there was."""
        names = [entity]
        with self.records.snapshot() as view:
            for deployment in self.settings.deployments:
                salts = {each.salt for each in generations(view, deployment, since=1)}
                names += [pseudonym(Route(deployment, "", 0, (), salt), entity) for salt in sorted(salts)]
        return names

    def shipper(self, to: str) -> Shipper | ObjectShipper:
        """What brings the log to an address: of a stream, or of a folder of files."""
        if not is_stream_address(to):
            return ObjectShipper(self.log_folder, to, without_password(to))
        place = str(StreamAddress.parse(to, self.settings.stores.topic))
        return Shipper(self.journal_folder, self.log_folder, place, open_stream(to, self.settings.stores.topic))

    @property
    def ingester(self) -> Ingester:
        """What takes records from elsewhere into this log."""
        return Ingester(self.journal_folder, self.log_folder, self.log_folder / "received.db", self.clock)

    @cached_property
    def monitors(self) -> Monitors:
        """Windows, and the alerts they raise."""
        return Monitors(self.records, self.log, self.clock, self.predictor, self.settings.monitoring, self.alerts)

    def predictor(self, deployment: str, version: str) -> Bundle | None:
        """The bundle of a deployment's version; None for one that predicts nothing, such as an application."""
        known = self.models.get(self.settings.deployments[deployment].model_name, version)
        document = self.models.bundle_file(known, INFO_FILE)
        if document is not None and msgspec.json.decode(document, type=BundleInfo).task not in PREDICTIONS:
            return None
        return self.bundle(deployment, version)

    @cached_property
    def stretches(self) -> Stretches:
        """Any stretch of time, beside the reference or another one."""
        return Stretches(self.monitors, References(self.records, self.log), self.log, self.profile, self.bundle)

    def profile(self, deployment: str, version: str) -> tuple[Digest | None, ReferenceProfile | None]:
        """The digest and the reference profile of the bundle of a deployment's version, without loading its model."""
        known = self.models.get(self.settings.deployments[deployment].model_name, version)
        document = self.models.bundle_file(known, PROFILE_FILE)
        return known.bundle, None if document is None else msgspec.json.decode(document, type=ReferenceProfile)

    @cached_property
    def alerts(self) -> AlertBook:
        """What fires, and since when."""
        deployments = self.settings.deployments
        models = {name: each.model_name for name, each in deployments.items()}
        replayed = [name for name, each in deployments.items() if each.replays]
        return AlertBook(self.records, self.clock, self.settings.alerts, models, replayed)

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Alerts whose rule says so take a rollout back."""
        return (self._alert_against,)

    def _alert_against(self, rollout: Rollout) -> str:
        """The alert that began to fire during a rollout and takes it back, or nothing."""
        rules = {name for name, each in self.settings.alerts.rules.items() if each.rollback}
        if not rules:
            return ""
        firing = (each for each in self.alerts.firing(rollout.deployment) if each.alert.name in rules)
        found = next((each for each in firing if each.since >= rollout.started_at), None)
        return f"alert {found.alert.name}: {found.alert.message}" if found is not None else ""

    @cached_property
    def requests(self) -> RequestWatch:
        """Latency and errors, minute by minute."""
        return RequestWatch(self.log, self.alerts, self.clock)

    @cached_property
    def resources(self) -> ResourceWatch:
        """What servers use of their machines, minute by minute."""
        return ResourceWatch(lambda: self.feed.statuses(self.clock.micros()), self.alerts, self.records, self.clock)

    @cached_property
    def responses(self) -> Responses:
        """Silences and acknowledgements."""
        return Responses(self.records, self.audit, self.clock)

    @cached_property
    def outbox(self) -> Outbox:
        """Notifications on their way."""
        return Outbox(self.records, self.clock, self.settings.alerts, self.settings.project)

    @property
    def receivers(self) -> ReceiverOf:
        """Who is told, by name."""
        return receivers_of(self.settings.alerts, os.environ if self._environment is None else self._environment)

    @property
    def gauges(self) -> AlertGauges:
        """What Prometheus sees of monitoring."""
        return AlertGauges(self.alerts, self.outbox, self.settings.deployments)
