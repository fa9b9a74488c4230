"""Model versions: what exists, what may serve, and what is fully live."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelyard.access import Principal
from modelyard.audit import AuditLog
from modelyard.core import (
    Clock,
    Conflict,
    Digest,
    InvalidInput,
    Judgement,
    check_name,
    did_you_mean,
    is_name,
    shown,
)
from modelyard.storage import ArtifactStore, RecordStore, Snapshot, Transaction
from modelyard.tracking import LoggedVersion, RegisteredModels

from .aliases import (
    Move,
    MoveKind,
    alias_of,
    aliases_of,
    all_holders,
    moves_of,
    point_alias,
    pointed_at,
)
from .approvals import Approvals
from .checks import MODELS, check_description, check_label, check_tags, labelled, refuse_taken, refuse_twin
from .errors import AlreadyRegistered, ModelVersionNotFound, NotServable
from .listing import ModelSummary, VersionCounts, holding, listed, summaries
from .records import FeatureList, ModelVersion, VersionState
from .standing import obstacles, require_standing
from .versions import STATES, VERSIONS, all_versions, as_now, change_state, key_of, read_version

_SIGNED = "signed-bundle"


class Registry:
    """What may serve is decided here; MLflow gives version numbers, and shows aliases and stages as a projection."""

    def __init__(
        self,
        records: RecordStore,
        audit: AuditLog,
        artifacts: ArtifactStore,
        tracked: RegisteredModels,
        clock: Clock,
        approvals: Approvals | None = None,
    ) -> None:
        """Without `approvals` none is ever asked for."""
        self.records = records
        self.approvals = approvals or Approvals(records, audit, clock, {}, lambda *_: Digest(""))
        self._audit = audit
        self._artifacts = artifacts
        self._tracked = tracked
        self._clock = clock

    def register(
        self,
        name: str,
        *,
        principal: Principal,
        source: str = "",
        run: str | None = None,
        bundle: Path | None = None,
        digest: Digest | None = None,
        label: str | None = None,
        number: int | None = None,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        gates: Sequence[Judgement] = (),
        description: str = "",
        once: str | None = None,
        features: FeatureList | None = None,
        evaluation: Digest | None = None,
    ) -> ModelVersion:
        """Register a logged model with its bundle; AlreadyRegistered when the label, or the number, is taken.

        Without a bundle it is metadata only, and never served. `number`: a version that MLflow has already. `once`
        names the act, as the RUN/STEP of a pipeline, so that repeating it after a crash gives the same version: see
        `registered_by`. `evaluation`: what it was found to be worth, see `ModelVersion`.

        The bundle is in the artifact store, and the number given by MLflow, before the record says that the version
        exists: a crash in between leaves nothing that could serve.
        """
        self.check_new(name, label, number, tags, description)
        if (before := self.registered_by(name, once)) is not None:
            return before
        artifact = None if bundle is None else self._artifacts.put_tree(bundle)
        where = source or f"modelyard:///{name}/{label or 'metadata-only'}"  # servers refuse relative paths
        given = number or self._tracked.create(name, where, run, tags, description, once=once)
        version = ModelVersion(
            name=name,
            number=given,
            label=label or f"v{given}",
            created_at=self._clock.now().isoformat(),
            created_by=principal.name,
            run=run,
            source=source or None,
            bundle=digest,
            artifact=artifact,
            metrics=dict(metrics or {}),
            params=dict(params or {}),
            tags=dict(tags or {}),
            gates=tuple(judged(each) for each in gates),
            description=description,
            features=features,
            evaluation=evaluation,
            made_in=once or "",
        )
        try:
            return self._record(version, principal, once, own_label=label is not None)
        except AlreadyRegistered:
            if number is None:
                self._tracked.delete(name, given)  # another process took the label meanwhile
            raise

    def registered_by(self, name: str, once: str | None) -> ModelVersion | None:
        """The version of a model that an act registered, if it came so far."""
        if once is None:
            return None
        with self.records.snapshot() as view:
            found = [as_now(view, each) for each in view.find(VERSIONS, "once", once)]
        return next((each for each in found if each.name == name), None)

    def made_in(self, run: str, step: str) -> ModelVersion | None:
        """The version that a step of a pipeline's run registered, of whatever model."""
        with self.records.snapshot() as view:
            found = view.find(VERSIONS, "once", f"{run}/{step}", limit=1)
            return as_now(view, found[0]) if found else None

    def from_run(self, run: str) -> ModelVersion | None:
        """The last version, by model and number, that came from a run of MLflow's."""
        with self.records.snapshot() as view:
            found = view.find(VERSIONS, "run", run)
            if found:
                return as_now(view, found[-1])
            # Versions that were registered before they had this label are found by reading all of them.
            return next((each for each in reversed(all_versions(view)) if each.run == run), None)

    def logged(self, name: str, number: int) -> LoggedVersion | None:
        """A version as MLflow has it, ours or not."""
        return self._tracked.version(check_name("model", name), number)

    def logged_by(self, run: str) -> tuple[dict[str, float], dict[str, str]]:
        """Metrics and parameters of one of MLflow's runs."""
        return self._tracked.run_facts(run)

    def get(self, name: str, version: int | str) -> ModelVersion:
        """A version by number, label (`v2.3`), alias or stage; ModelVersionNotFound says what there is."""
        with self.records.snapshot() as view:
            return self.read(view, name, version)

    def at(self, reference: str) -> ModelVersion:
        """The version that `models:/name@alias`, `models:/name/3` or the same without `models:/` names; see `get`."""
        name, _, which = reference.removeprefix("models:/").replace("/", "@", 1).partition("@")
        if not name or not which:
            raise InvalidInput(
                f"{shown(reference, 200)} names no version.",
                remedy="Write NAME@ALIAS or NAME/VERSION, such as fraud@production.",
            )
        return self.get(name, which)

    def read(self, view: Snapshot, name: str, version: int | str) -> ModelVersion:
        """See `get`, within the caller's snapshot or transaction."""
        found = self._resolve(view, check_name("model", name), str(version))
        if found is not None:
            return found
        self.require_model(name, view)
        versions = [str(each.number) for each in all_versions(view, name)]
        raise ModelVersionNotFound(
            f"Model '{name}' has no version or alias {shown(str(version))}.",
            context={"model": name, "version": str(version)[:40]},
            remedy=f"{did_you_mean(str(version)[:128], [*versions, *aliases_of(view, name)])} "
            f"See: modelyard model show {name}",
        )

    def require_model(self, name: str, view: Snapshot) -> None:
        """Return when there is such a model; ModelVersionNotFound otherwise."""
        if not view.scan(VERSIONS, prefix=f"{name}/", limit=1):
            models = [each.name for each in view.groups(VERSIONS)]
            raise ModelVersionNotFound(f"There is no model {shown(name)}.", remedy=did_you_mean(name[:128], models))

    def versions(self, name: str | None = None, *, stage: str | None = None) -> list[ModelVersion]:
        """Versions, by model and number; with `stage` those that hold its alias, or are in no stage, or archived."""
        with self.records.snapshot() as view:
            found = all_versions(view, name)
            holders = all_holders(view)
        if stage is None:
            return found
        if stage.lower() == "archived":
            return [each for each in found if each.archived]
        alias = alias_of(stage)
        if alias is not None:
            return [each for each in found if holders.get(each.name, {}).get(alias) == each.number]
        held = {(name, number) for name, each in holders.items() for number in each.values()}
        return [each for each in found if not each.archived and (each.name, each.number) not in held]

    def listed(
        self,
        name: str | None = None,
        *,
        stage: str | None = None,
        before: tuple[str, str] | None = None,
        limit: int,
    ) -> list[ModelVersion]:
        """At most so many versions, the newest first: those of one model by number, those of all by when they came.

        `before` names a version (model, and number or label) and continues after it: versions that are added meanwhile
        come before it, and no version is told twice or left out. `stage` as in `versions`.
        """
        with self.records.snapshot() as view:
            mark = None
            if before is not None:
                found = self.read(view, *before)
                mark = view.get(VERSIONS, key_of(found.name, found.number))
            return listed(view, name=name, stage=stage, before=mark, limit=limit)

    def names(self) -> list[str]:
        """Every model that has a version."""
        with self.records.snapshot() as view:
            return [each.name for each in view.groups(VERSIONS)]

    def summaries(self, *, skip: int = 0, limit: int | None = None) -> tuple[list[ModelSummary], int]:
        """Models by name with what they have, a page of them, and how many models there are."""
        with self.records.snapshot() as view:
            groups = view.groups(VERSIONS)
            return summaries(view, groups[skip:][:limit]), len(groups)

    def counted(self) -> VersionCounts:
        """How many versions there are of all models, counted by the store: none of them is read here."""
        with self.records.snapshot() as view:
            found = view.tally(VERSIONS, "run", "bundle")
        return VersionCounts(found[""], found["run"], found["bundle"])

    def holding(self, alias: str) -> list[ModelVersion]:
        """The versions that hold an alias, by model."""
        with self.records.snapshot() as view:
            return holding(view, alias)

    def has(self, name: str) -> bool:
        """Whether a model has a version."""
        with self.records.snapshot() as view:
            return bool(view.scan(VERSIONS, prefix=f"{name}/", limit=1))

    def aliases(self, name: str) -> dict[str, int]:
        """The aliases of a model and the version each points at."""
        with self.records.snapshot() as view:
            return aliases_of(view, name)

    def holders(self) -> dict[str, dict[str, int]]:
        """The same of every model that has one."""
        with self.records.snapshot() as view:
            return all_holders(view)

    def move_alias(
        self,
        tx: Transaction,
        name: str,
        alias: str,
        to: int | None,
        principal: Principal,
        reason: str,
        *,
        kind: MoveKind = "move",
    ) -> Move:
        """Point an alias at a version, or at nothing, within the caller's transaction; see `point_alias`."""
        at = self._clock.now().isoformat()
        return point_alias(tx, name, alias, to, at=at, principal=principal, reason=reason, kind=kind)

    def history(self, name: str) -> list[Move]:
        """Every move of an alias of a model: when, from, to, by whom and why."""
        with self.records.snapshot() as view:
            return moves_of(view, name)

    def require_standing(self, view: Snapshot, version: ModelVersion, alias: str | None) -> None:
        """Return when a version may hold an alias now; NotServable gives every reason.

        Without an alias (a shadow) it needs a bundle and its gates, and nobody's approval.
        """
        now = self.read(view, version.name, version.number)
        counted = self.approvals.counted(view, now, alias) if alias is not None else None
        purpose = "serve" if alias is None else f"become {alias}"
        require_standing(now, purpose, obstacles(now, counted))

    def change(
        self,
        version: ModelVersion,
        principal: Principal,
        action: str,
        change: Callable[[VersionState], VersionState],
        detail: Mapping[str, Any],
    ) -> ModelVersion:
        """Change what nobody sees elsewhere of a version, with its audit entry; returns it as it is then."""
        with self.records.transaction() as tx:
            later = self.change_within(tx, version, change)
            self._audit.record(tx, principal, action, f"{version.name}/{version.number}", detail)
            return later

    def change_within(
        self, tx: Transaction, version: ModelVersion, change: Callable[[VersionState], VersionState]
    ) -> ModelVersion:
        """The same within the caller's transaction, without an audit entry; ModelVersionNotFound when it is gone."""
        self.read(tx, version.name, version.number)
        change_state(tx, version.name, version.number, change)
        return self.read(tx, version.name, version.number)

    def forget(self, tx: Transaction, version: ModelVersion) -> None:
        """Remove a version within the caller's transaction; Conflict while an alias or a request points at it."""
        held = [alias for alias, number in aliases_of(tx, version.name).items() if number == version.number]
        waiting = [each for each in self.approvals.open(tx, version.name, version.number) if each not in held]
        pointing = [f"the alias {each}" for each in held] + [f"a request for {each}" for each in waiting]
        if pointing:
            raise Conflict(
                f"{version.name} {version.label} cannot be deleted. What points at it: {', '.join(pointing)}.",
                code="STILL_POINTED_AT",
                context={"model": version.name, "version": version.number, "pointing": pointing},
                remedy="Demote it, or reject the request, first. To keep it out of the way: modelyard model archive.",
            )
        key = key_of(version.name, version.number)
        tx.delete(VERSIONS, key)
        tx.delete(STATES, key)
        self.approvals.forget(tx, version.name, version.number)

    def tell_prompt(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Make MLflow show a version as that of a prompt, by these tags of its own."""
        self._tracked.tell_prompt(version.name, version.number, tags)

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

    def bundle_file(self, version: ModelVersion, name: str) -> bytes | None:
        """One file of a version's bundle; None when it has none of this name."""
        files = self._bundle_files(version)
        return self._artifacts.get_bytes(files[name]) if name in files else None

    def bundle_size(self, version: ModelVersion) -> int | None:
        """Bytes of a version's bundle, its signatures among them; None when it has none."""
        files = self._bundle_files(version)
        return sum(map(self._size, files.values())) if files else None

    def stored(self, version: ModelVersion) -> set[Digest]:
        """All that the artifact store holds of a version."""
        trees = {each for each in (version.artifact, self.bundle_artifact(version)) if each is not None}
        return trees | set(self._bundle_files(version).values())

    def _bundle_files(self, version: ModelVersion) -> Mapping[str, Digest]:
        """The digests of a bundle's files by name, as it is with its newest signatures; none for metadata only."""
        artifact = self.bundle_artifact(version)
        if artifact is None:
            return {}
        files: Mapping[str, Digest] = msgspec.json.decode(self._artifacts.get_bytes(artifact))["files"]
        return files

    def _size(self, digest: Digest) -> int:
        local = self._artifacts.local_path(digest)
        return local.stat().st_size if local is not None else len(self._artifacts.get_bytes(digest))

    def _resolve(self, view: Snapshot, name: str, version: str) -> ModelVersion | None:
        if not is_name(version):
            return None
        if version.isdecimal():
            return read_version(view, name, int(version)) if len(version) <= 8 else None
        labelled = view.find(VERSIONS, "label", f"{name}/{version.lower()}", limit=1)
        if labelled:
            return as_now(view, labelled[0])
        number = pointed_at(view, name, version.lower()) or pointed_at(view, name, version)
        return read_version(view, name, number) if number is not None else None

    def check_new(
        self,
        name: str,
        label: str | None,
        number: int | None = None,
        tags: Mapping[str, str] | None = None,
        description: str = "",
    ) -> None:
        """Return when a version may be registered like this; InvalidInput or AlreadyRegistered otherwise."""
        check_name("model", name)
        check_tags(tags or {})
        check_description(description)
        if label is not None:
            check_label(label)
        with self.records.snapshot() as view:
            refuse_twin(view, name)
            refuse_taken(view, name, label, number)

    def _record(
        self, version: ModelVersion, principal: Principal, once: str | None, *, own_label: bool
    ) -> ModelVersion:
        name, number = version.name, version.number
        with self.records.transaction() as tx:
            refuse_twin(tx, name)
            if not own_label and labelled(tx, name, version.label):
                version = msgspec.structs.replace(version, label=f"number-{number}")
            refuse_taken(tx, name, version.label, number)
            tx.put(MODELS, name.lower(), {"name": name})
            labels = {"model": name, "label": f"{name}/{version.label.lower()}"}
            labels |= {label: said for label, said in (("once", once), ("run", version.run)) if said}
            tx.put(VERSIONS, key_of(name, number), _facts(version), expect=0, labels=labels)
            detail = {"bundle": version.bundle, "run": version.run}
            self._audit.record(tx, principal, "model.register", f"{name}/{number}", detail)
        return version


def judged(judgement: Judgement) -> dict[str, Any]:
    """A judgement as it is stored with a version."""
    return {
        "verdict": judgement.verdict.value,
        "reasons": list(judgement.reasons),
        "evidence": dict(judgement.evidence),
    }


def _facts(version: ModelVersion) -> dict[str, Any]:
    """What never changes of a version."""
    body: dict[str, Any] = msgspec.to_builtins(version)
    return {name: value for name, value in body.items() if name not in ("archived", "checks")}
