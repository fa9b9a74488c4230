"""Model versions and aliases: what exists, and what is fully live."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelyard.access import Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, Digest, Judgement, check_name, did_you_mean
from modelyard.storage import ArtifactStore, Body, RecordStore, Snapshot, Transaction
from modelyard.tracking import Tracker

from .errors import AlreadyRegistered, ModelVersionNotFound, NotServable
from .records import ModelVersion

_VERSIONS, _ALIASES, _SIGNED = "model-version", "alias", "signed-bundle"

STAGES: Mapping[str, str | None] = {
    "production": "production",
    "staging": "staging",
    "archived": None,
    "none": None,
}
"""MLflow's stages, in lower case, are a spelling of aliases; two of them mean 'no alias'."""


class Registry:
    """What may serve is decided here; MLflow gives version numbers and shows aliases as a projection."""

    def __init__(
        self, records: RecordStore, audit: AuditLog, artifacts: ArtifactStore, tracker: Tracker, clock: Clock
    ) -> None:
        self.records = records
        self._audit = audit
        self._artifacts = artifacts
        self._tracker = tracker
        self._clock = clock

    def register(
        self,
        name: str,
        *,
        principal: Principal,
        source: str,
        run: str,
        bundle: Path,
        digest: Digest,
        label: str | None = None,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        gates: Sequence[Judgement] = (),
        description: str = "",
        once: str | None = None,
    ) -> ModelVersion:
        """Register a logged model with its bundle; AlreadyRegistered when the label is taken.

        `once` names the act, so that repeating it after a crash gives the same version: see `registered_by`.

        The bundle is in the artifact store, and the number given by MLflow, before the record says that the version
        exists: a crash in between leaves nothing that could serve.
        """
        check_name("model", name)
        if label is not None:
            self._refuse_taken(name, check_name("version", label))
        if (before := self.registered_by(name, once)) is not None:
            return before
        artifact = self._artifacts.put_tree(bundle)
        number = self._tracker.create_version(name, source, run, tags, once=once)
        version = ModelVersion(
            name=name,
            number=number,
            label=label or f"v{number}",
            created_at=self._clock.now().isoformat(),
            created_by=principal.name,
            run=run,
            source=source,
            bundle=digest,
            artifact=artifact,
            metrics=dict(metrics or {}),
            params=dict(params or {}),
            tags=dict(tags or {}),
            gates=tuple(_gate(each) for each in gates),
            description=description,
        )
        with self.records.transaction() as tx:
            labels = {"model": name, "label": f"{name}/{version.label}"} | ({"once": once} if once else {})
            tx.put(_VERSIONS, _key(name, number), msgspec.to_builtins(version), expect=0, labels=labels)
            self._audit.record(tx, principal, "model.register", f"{name}/{number}", {"bundle": digest, "run": run})
        return version

    def registered_by(self, name: str, once: str | None) -> ModelVersion | None:
        """The version of a model that an act registered, if it came so far."""
        if once is None:
            return None
        with self.records.snapshot() as view:
            found = [_version(each.body) for each in view.find(_VERSIONS, "once", once)]
        return next((each for each in found if each.name == name), None)

    def get(self, name: str, version: int | str) -> ModelVersion:
        """A version by number, label (`v2.3`), alias or stage; ModelVersionNotFound says what there is."""
        with self.records.snapshot() as view:
            found = self._resolve(view, name, str(version))
            if found is not None:
                return found
            versions = [each.key.partition("/")[2].lstrip("0") for each in view.find(_VERSIONS, "model", name)]
            aliases = [each.key.partition("/")[2] for each in view.scan(_ALIASES, prefix=f"{name}/")]
            models = {each.key.partition("/")[0] for each in view.scan(_VERSIONS)}
        if not versions:
            raise ModelVersionNotFound(f"There is no model '{name}'.", remedy=did_you_mean(name, models))
        raise ModelVersionNotFound(
            f"Model '{name}' has no version or alias '{version}'.",
            context={"model": name, "version": str(version)},
            remedy=f"{did_you_mean(str(version), [*versions, *aliases])} See: modelyard model show {name}",
        )

    def versions(self, name: str | None = None, *, stage: str | None = None) -> list[ModelVersion]:
        """Versions, by model and number; with `stage` those that hold its alias."""
        with self.records.snapshot() as view:
            documents = view.find(_VERSIONS, "model", name) if name else view.scan(_VERSIONS)
            holders = {(each.key, each.body["version"]) for each in view.scan(_ALIASES)}
        versions = [_version(each.body) for each in documents]
        if stage is None:
            return versions
        return [each for each in versions if (f"{each.name}/{alias_of(stage)}", each.number) in holders]

    def aliases(self, name: str) -> dict[str, int]:
        """The aliases of a model and the version each points at."""
        with self.records.snapshot() as view:
            found = view.scan(_ALIASES, prefix=f"{name}/")
        return {each.key.partition("/")[2]: int(each.body["version"]) for each in found}

    def move_alias(
        self, tx: Transaction, name: str, alias: str, to: int | None, principal: Principal, reason: str
    ) -> int | None:
        """Point an alias at a version, or at nothing, within the caller's transaction; returns what it pointed at."""
        at = self._clock.now().isoformat()
        return point_alias(tx, name, alias, to, at=at, by=principal.name, reason=reason)

    def history(self, name: str) -> list[Body]:
        """Every move of an alias of a model: when, from, to, by whom and why."""
        with self.records.snapshot() as view:
            return [entry.body for entry in view.entries(f"aliases/{name}")]

    def project(self, name: str) -> None:
        """Show the aliases of a model in MLflow."""
        self._tracker.project_aliases(name, self.aliases(name))

    def fetch_bundle(self, version: ModelVersion, into: Path) -> Path:
        """The bundle of a version as a folder at `into`; NotServable when it has none."""
        if version.artifact is None or version.bundle is None:
            raise NotServable(
                f"{version.name} {version.number} is metadata only: it has no bundle to serve.",
                remedy="Register it with --run, --path or --bundle.",
            )
        return self._artifacts.get_tree(self.bundle_artifact(version) or version.artifact, into)

    def bundle_artifact(self, version: ModelVersion) -> Digest | None:
        """The tree that holds a version's bundle with the newest of its signatures; None for metadata only."""
        if version.bundle is None:
            return None
        with self.records.snapshot() as view:
            signed = view.get(_SIGNED, version.bundle)
        return version.artifact if signed is None else Digest(signed.body["artifact"])

    def keep_signatures(self, version: ModelVersion, folder: Path, principal: Principal, key: str) -> None:
        """Keep a version's bundle as it stands in `folder`: the same one, signed once more, by the key of that id."""
        artifact = self._artifacts.put_tree(folder)
        with self.records.transaction() as tx:
            tx.put(_SIGNED, str(version.bundle), {"artifact": artifact})
            told = {"bundle": version.bundle, "key": key}
            self._audit.record(tx, principal, "bundle.sign", f"{version.name}/{version.number}", told)

    def _resolve(self, view: Snapshot, name: str, version: str) -> ModelVersion | None:
        if version.isdecimal():
            document = view.get(_VERSIONS, _key(name, int(version)))
            return _version(document.body) if document is not None else None
        labelled = view.find(_VERSIONS, "label", f"{name}/{version}", limit=1)
        if labelled:
            return _version(labelled[0].body)
        alias = view.get(_ALIASES, f"{name}/{version.lower()}") or view.get(_ALIASES, f"{name}/{version}")
        return self._resolve(view, name, str(alias.body["version"])) if alias is not None else None

    def _refuse_taken(self, name: str, label: str) -> None:
        with self.records.snapshot() as view:
            taken = view.find(_VERSIONS, "label", f"{name}/{label}", limit=1)
        if taken:
            raise AlreadyRegistered(
                f"{name} {label} is already registered (as number {taken[0].body['number']}).",
                context={"model": name, "label": label},
                remedy="Choose another --version; versions are never overwritten.",
            )


def point_alias(tx: Transaction, name: str, alias: str, to: int | None, *, at: str, by: str, reason: str) -> int | None:
    """Point an alias at a version, or at nothing, and note it in its history; returns what it pointed at."""
    before = pointed_at(tx, name, alias)
    if to is None:
        tx.delete(_ALIASES, f"{name}/{alias}")
    else:
        tx.put(_ALIASES, f"{name}/{alias}", {"version": to, "at": at, "by": by})
    entry = {"at": at, "alias": alias, "from": before, "to": to, "by": by, "reason": reason}
    tx.append(f"aliases/{name}", entry)
    return before


def pointed_at(view: Snapshot, name: str, alias: str) -> int | None:
    """The version an alias points at now."""
    document = view.get(_ALIASES, f"{name}/{alias}")
    return int(document.body["version"]) if document is not None else None


def alias_of(stage: str) -> str | None:
    """The alias that a stage name means, whatever its case; other names are aliases already."""
    return STAGES.get(stage.lower(), stage)


def _key(name: str, number: int) -> str:
    return f"{name}/{number:08d}"


def _version(body: Body) -> ModelVersion:
    return msgspec.convert(body, ModelVersion)


def _gate(judgement: Judgement) -> dict[str, Any]:
    return {
        "verdict": judgement.verdict.value,
        "reasons": list(judgement.reasons),
        "evidence": dict(judgement.evidence),
    }
